//! Environments: an interpreter plus locked packages, named by digest, built once and atomically.
//!
//! Two processes that start together build once: the second waits for the first's lock. A build
//! that was killed leaves only a temporary folder, which the next build removes, and downloads,
//! which it uses.

mod build;
mod bytecode;
mod catalog;
mod conda;
pub mod config;
mod ending;
mod interpreter;
mod manager;
mod order;
mod place;
mod program;
mod requested;
mod said;
mod seed;
pub mod service;
mod sources;
mod uv;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use engine::{Environment, Fault, Interpreter};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::uv::Fetching;

pub use self::config::{EnvironmentConfig, EnvironmentId, InstallPolicy, PipConfig};
pub use self::ending::end_builds;
pub use self::manager::ManagedEnvironments;
pub use self::requested::Requested;
pub use self::seed::PythonEnvironmentImpl;
pub use self::service::{
    EnvironmentDescription, EnvironmentOrder, EnvironmentService, ProgressSink, PythonEnvironment,
};

/// The default environment's packages with their hashes, for every supported Python.
const DEFAULT_LOCK: &str = include_str!("../../environments/default.lock");

/// Changes whenever `build` lays an environment out in another way.
const LAYOUT_VERSION: u32 = 2;

/// The manifest's name; a folder that has one is whole.
const MANIFEST: &str = "environment.json";

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// No interpreter can serve.
    #[error("{reason}")]
    Interpreter {
        /// Which, and what to do.
        reason: String,
    },
    /// The interpreter comes without its `venv` module.
    #[error(
        "{} cannot make a venv to fetch uv with; install it (apt install python3-venv), or put `uv` on PATH; it says: {}",
        python.display(),
        said::sentence(said)
    )]
    NoVenv {
        /// The interpreter.
        python: PathBuf,
        /// Its last words.
        said: String,
    },
    /// A program we called failed.
    #[error("cannot {doing}: {}", said::sentence(said))]
    Tool {
        /// What we were doing.
        doing: String,
        /// Its last lines.
        said: String,
    },
    /// No environment has this name.
    #[error("there is no environment `{wanted}`; see `hognose env list`")]
    Unknown {
        /// What was asked for.
        wanted: String,
    },
    /// What is asked for is not allowed or cannot be.
    #[error("{reason}")]
    Refused {
        /// In one sentence.
        reason: String,
    },
    /// Packages that cannot be resolved or installed.
    #[error("these packages cannot be installed: {}", said::sentence(said))]
    Packages {
        /// What the installer said about which.
        said: String,
    },
    /// Another process has the folder of requested environments.
    #[error(
        "another hognose manages the environments of this state folder; try again when it has ended, or give another --state-dir"
    )]
    Held,
    /// Too many builds wait.
    #[error("too many builds of environments wait; try again later")]
    Busy,
    /// Executions use it.
    #[error(transparent)]
    InUse(#[from] engine::InUse),
    /// A host operation failed.
    #[error("cannot {doing}: {source}")]
    Host {
        /// What we were doing.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl EnvironmentError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused { .. } | Self::Packages { .. } | Self::Unknown { .. } => Fault::Caller,
            Self::InUse(_) | Self::Busy | Self::Held => Fault::Capacity,
            Self::Interpreter { .. }
            | Self::NoVenv { .. }
            | Self::Tool { .. }
            | Self::Host { .. } => Fault::Host,
        }
    }

    fn host(doing: &str, source: io::Error) -> Self {
        Self::Host {
            doing: doing.to_owned(),
            source,
        }
    }
}

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// `wait`, `uv`, `packages`, `fonts` or `done`.
    pub step: &'static str,
    /// Parts of this step that are done.
    pub done: u64,
    /// Parts of this step.
    pub total: u64,
    /// For people.
    pub text: String,
}

/// What stands in an environment's `environment.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Lower-case hexadecimal SHA-256.
    pub digest: String,
    /// `X.Y.Z`.
    pub python: String,
    /// (normalised name, version), sorted.
    pub packages: Vec<(String, String)>,
}

/// One environment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Lower-case hexadecimal SHA-256.
    pub digest: String,
    /// `X.Y.Z`.
    pub python: String,
    /// How many packages.
    pub packages: usize,
    /// Size on disk.
    pub bytes: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// The environments of a state folder.
#[derive(Debug, Clone)]
pub struct Environments {
    folder: PathBuf,
    tools: PathBuf,
    cache: PathBuf,
    offline: bool,
}

impl Environments {
    /// Those below `state`; nothing is made yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
        Self {
            folder: state.join("environments"),
            tools: state.join("tools"),
            cache: state.join("cache/uv"),
            offline: false,
        }
    }

    /// Whether only what was downloaded before is used.
    #[must_use]
    pub fn offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// The default environment for an interpreter, built if it is not there. Blocks for a build.
    ///
    /// `python` overrides which interpreter is taken; the default is the first usable of the host.
    pub fn ensure_default(
        &self,
        python: Option<&Path>,
        progress: &dyn Fn(Progress),
    ) -> Result<Environment, EnvironmentError> {
        let resolved = interpreter::resolve(python)?;
        let digest = digest_of(DEFAULT_LOCK, &resolved.identity);
        let root = self.folder.join(&digest);
        if !root.join(MANIFEST).exists() {
            self.build(&digest, &resolved.interpreter, progress)?;
        } else {
            self.sweep();
        }
        let packages = read_manifest(&root)?.packages;
        Ok(Environment {
            digest,
            root,
            interpreter: resolved.interpreter,
            packages,
        })
    }

    /// An environment without packages, made if it is not there. Needs no network and no `uv`.
    ///
    /// `python` as in [`ensure_default`](Self::ensure_default).
    pub fn ensure_bare(&self, python: Option<&Path>) -> Result<Environment, EnvironmentError> {
        let resolved = interpreter::resolve(python)?;
        let (digest, python) = (digest_of("", &resolved.identity), &resolved.interpreter);
        let root = self.folder.join(&digest);
        if !root.join(MANIFEST).exists() {
            self.place(&digest, &|_| {}, |folder| {
                build::bare(folder, python, &digest)
            })?;
        }
        Ok(Environment {
            digest,
            root,
            interpreter: resolved.interpreter,
            packages: Vec::new(),
        })
    }

    /// The interpreter of the default environment, and its folder if it has been built for that one.
    ///
    /// Errors: no interpreter is usable.
    pub fn find_default(
        &self,
        python: Option<&Path>,
    ) -> Result<(PathBuf, Option<PathBuf>), EnvironmentError> {
        let resolved = interpreter::resolve(python)?;
        let root = self
            .folder
            .join(digest_of(DEFAULT_LOCK, &resolved.identity));
        let built = root.join(MANIFEST).exists().then_some(root);
        Ok((resolved.interpreter.executable, built))
    }

    /// Every environment that is whole, by digest.
    pub fn list(&self) -> io::Result<Vec<Summary>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let folders = entries.flatten().map(|entry| entry.path());
        let mut found: Vec<Summary> = folders.filter_map(summary_of).collect();
        found.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(found)
    }

    /// The environment whose digest begins with `digest_prefix`.
    pub fn show(&self, digest_prefix: &str) -> Result<Manifest, EnvironmentError> {
        let listed = self.list();
        let listed =
            listed.map_err(|source| EnvironmentError::host("list the environments", source))?;
        let begins = |summary: &Summary| summary.digest.starts_with(digest_prefix);
        let mut found = listed.into_iter().filter(begins);
        match (found.next(), found.next()) {
            (Some(one), None) => read_manifest(&one.path),
            (Some(_), Some(_)) => Err(EnvironmentError::Refused {
                reason: format!(
                    "several environments begin with `{digest_prefix}`; give more digits of the digest"
                ),
            }),
            (None, _) => Err(EnvironmentError::Unknown {
                wanted: digest_prefix.to_owned(),
            }),
        }
    }

    fn build(
        &self,
        digest: &str,
        python: &Interpreter,
        progress: &dyn Fn(Progress),
    ) -> Result<(), EnvironmentError> {
        self.place(digest, progress, |folder| {
            let fetching = if self.offline {
                Fetching::Offline
            } else {
                Fetching::Allowed(progress)
            };
            let uv = uv::find(&self.tools, &python.executable, &fetching)?;
            let order = build::Order {
                uv: &uv,
                python,
                digest,
                lock: DEFAULT_LOCK,
                cache: &self.cache,
                offline: self.offline,
                folder,
            };
            build::build(&order, progress)
        })
    }
}

fn digest_of(lock: &str, identity: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [lock, identity, &LAYOUT_VERSION.to_string()] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_manifest(root: &Path) -> Result<Manifest, EnvironmentError> {
    let failed = |source| EnvironmentError::host("read the environment's manifest", source);
    let text = fs::read(root.join(MANIFEST)).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

fn summary_of(path: PathBuf) -> Option<Summary> {
    let Manifest {
        digest,
        python,
        packages,
    } = read_manifest(&path).ok()?;
    let bytes = build::size_of_tree(&path);
    Some(Summary {
        digest,
        python,
        packages: packages.len(),
        bytes,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_has_a_hash_for_every_package_and_names_no_host() {
        let pins: Vec<&str> = DEFAULT_LOCK
            .lines()
            .filter(|line| line.contains("==") && !line.starts_with('#'))
            .collect();
        assert!(pins.len() >= 17, "{}", pins.len());
        assert!(!DEFAULT_LOCK.contains("://"));
        assert!(
            pins.iter().all(|line| line.trim_end().ends_with('\\')),
            "every pin goes on with its hashes"
        );
    }

    #[test]
    fn a_digest_follows_lock_and_interpreter() {
        assert_eq!(digest_of("a", "b"), digest_of("a", "b"));
        assert_ne!(digest_of("a", "b"), digest_of("a", "c"));
        assert_ne!(digest_of("ab", ""), digest_of("a", "b"));
    }

    #[test]
    fn a_digest_is_named_by_a_beginning_that_no_other_has() {
        let state = tempfile::tempdir().unwrap();
        for digest in ["ab1", "ab2"] {
            let folder = state.path().join("environments").join(digest);
            fs::create_dir_all(&folder).unwrap();
            let manifest =
                format!(r#"{{"digest": "{digest}", "python": "3.11.7", "packages": []}}"#);
            fs::write(folder.join(MANIFEST), manifest).unwrap();
        }
        let environments = Environments::new(state.path());
        assert_eq!(environments.show("ab2").unwrap().digest, "ab2");
        for (prefix, told) in [
            ("ab", "several environments begin with `ab`"),
            ("", "several environments begin with ``"),
            ("x", "there is no environment `x`"),
        ] {
            let error = environments.show(prefix).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn a_folder_without_environments_lists_none() {
        let state = tempfile::tempdir().unwrap();
        let environments = Environments::new(state.path());
        assert_eq!(environments.list().unwrap(), []);
        assert!(matches!(
            environments.show("ab"),
            Err(EnvironmentError::Unknown { .. })
        ));
    }
}
