//! An environment as the engine needs it: an interpreter and a tree of packages on disk.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// A base interpreter of the host, resolved by asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Major, minor, micro.
    pub version: (u8, u8, u8),
    /// The real program, no shim and no link.
    pub executable: PathBuf,
    /// Its installation prefix.
    pub prefix: PathBuf,
    /// Its standard library, the folder `lib/pythonX.Y`.
    pub stdlib: PathBuf,
    /// Shared objects outside the loader's own folders that it needs, such as `libpython`.
    pub libraries: Vec<PathBuf>,
}

impl Interpreter {
    /// `pythonX.Y`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("python{}.{}", self.version.0, self.version.1)
    }

    /// `X.Y.Z`.
    #[must_use]
    pub fn version_text(&self) -> String {
        format!("{}.{}.{}", self.version.0, self.version.1, self.version.2)
    }
}

/// An interpreter plus locked packages, named by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Lower-case hexadecimal SHA-256 of lock, interpreter and layout version.
    pub digest: String,
    /// The tree that appears as `/environment`.
    pub root: PathBuf,
    /// The interpreter that appears as `/python`.
    pub interpreter: Interpreter,
    /// (normalised name, version), sorted.
    pub packages: Vec<(String, String)>,
}

/// Environments that are made while the engine runs, beside the one it was started with.
///
/// Their packages were named by callers: nothing of them runs outside a confined child.
#[derive(Debug, Clone)]
pub struct RequestedEnvironments {
    /// The folder in which each is named by its digest.
    pub folder: PathBuf,
    /// The interpreters they may be built on.
    pub interpreters: Vec<Interpreter>,
}

impl Environment {
    /// The digest as bytes; `None` when it is no SHA-256.
    #[must_use]
    pub fn digest_bytes(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        if self.digest.len() != 64 || !self.digest.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(self.digest.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(bytes)
    }

    /// Names of the packages and single-file modules in `site-packages`; empty when it is
    /// unreadable.
    #[must_use]
    pub fn modules(&self) -> BTreeSet<String> {
        let library = self.root.join("lib").join(self.interpreter.name());
        let entries = std::fs::read_dir(library.join("site-packages"));
        let names = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        let module = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        names.map(|name| module(&name.to_string_lossy())).collect()
    }
}
