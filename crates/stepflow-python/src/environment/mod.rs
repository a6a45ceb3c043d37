//! Environments: an interpreter plus locked packages, named by digest, each a tree on disk.
//!
//! A tree appears under its name whole or not at all: it is built beside its place under a lock
//! that the kernel frees with its holder, then renamed. What a killed build left is swept by the
//! next one, and `uv`'s cache keeps what it had downloaded.

mod build;
mod command;
mod error;
mod fonts;
mod interpreter;
mod lock;
mod manifest;
mod once;
mod progress;
mod uv;

use std::path::{Path, PathBuf};

use engine::Environment;

pub use error::EnvironmentError;
pub use progress::{Progress, Step};

/// All environments below one folder.
///
/// Shape: `environments/<digest>/{tree,environment.json}`, `environments/<digest>.lock`,
/// `cache/uv`, `tools/uv-<version>`. Only `tree` is ever seen by a guest.
#[derive(Debug, Clone)]
pub struct Environments {
    root: PathBuf,
}

impl Environments {
    /// The environments below `root`; nothing is created before the first build.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { root }
    }

    /// The default environment for `python` (or the first usable interpreter of this host); built
    /// when it does not exist.
    ///
    /// Blocks: for a minute or more when it builds, or while another process builds the same one.
    pub fn ensure_default(
        &self,
        python: Option<&Path>,
        progress: &dyn Fn(Progress),
    ) -> Result<Environment, EnvironmentError> {
        let asked = interpreter::resolve(python)?;
        let digest = lock::digest(lock::DEFAULT, &asked);
        let folder = self.folder();
        if let Some(environment) = manifest::read(&folder.join(&digest)) {
            return Ok(environment);
        }
        once::build(&folder, &digest, progress, |temporary| {
            build::build(&self.root, temporary, &digest, lock::DEFAULT, &asked, progress)
        })?;
        self.show(&digest)
    }

    /// Every environment that was built, by digest.
    #[must_use]
    pub fn list(&self) -> Vec<Environment> {
        let entries = std::fs::read_dir(self.folder()).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries.filter_map(|entry| manifest::read(&entry.path())).collect();
        found.sort_by(|a, b| a.digest.cmp(&b.digest));
        found
    }

    /// The environment of this digest, or of this unique beginning of one.
    pub fn show(&self, digest: &str) -> Result<Environment, EnvironmentError> {
        let mut matching = self.list().into_iter().filter(|environment| environment.digest.starts_with(digest));
        match (matching.next(), matching.next()) {
            (Some(environment), None) if !digest.is_empty() => Ok(environment),
            _ => Err(EnvironmentError::Unknown { digest: digest.to_owned() }),
        }
    }

    fn folder(&self) -> PathBuf {
        self.root.join("environments")
    }
}
