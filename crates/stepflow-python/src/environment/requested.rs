//! The folder of environments that callers ask for, and the tools to build in it.
//!
//! One process has it at a time. It is opened before root is given up and then belongs to the uid
//! that serves; every path below it is reached through the open folder, as are the tools.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};

use engine::{HeldFolder, RequestedEnvironments};

use super::catalog::{Catalog, Handle};
use super::config::EnvironmentId;
use super::interpreter::{self, Resolved};
use super::service::EnvironmentDescription;
use super::uv::{self, Fetching, Uv};
use super::{EnvironmentError, Manifest, Progress, read_manifest};

/// The folder, open and locked.
#[derive(Debug)]
pub struct Requested {
    held: HeldFolder,
    /// As the spawner, which keeps its rights, finds it.
    path: PathBuf,
    pub(super) interpreters: Vec<Resolved>,
    pub(super) uv: Uv,
}

impl Requested {
    /// Opens the folder below `state`, or `folder` instead, and finds what builds need.
    ///
    /// With root, only interpreters count that every user may run: builds do not run as root.
    ///
    /// Errors: another process has it; another user owns it; there is no interpreter or no `uv`.
    pub fn open(
        state: &Path,
        folder: Option<&Path>,
        progress: &dyn Fn(Progress),
    ) -> Result<Self, EnvironmentError> {
        Self::open_with(state, folder, &Fetching::Allowed(progress))
    }

    /// The same without fetching `uv` where there is none: that is an error, too.
    pub fn open_offline(state: &Path, folder: Option<&Path>) -> Result<Self, EnvironmentError> {
        Self::open_with(state, folder, &Fetching::Offline)
    }

    fn open_with(
        state: &Path,
        folder: Option<&Path>,
        fetching: &Fetching<'_>,
    ) -> Result<Self, EnvironmentError> {
        let at = |doing: &'static str| move |source| EnvironmentError::host(doing, source);
        let own = uv::own_uid().map_err(at("ask for our own uid"))?;
        let is_root = own == 0;
        let path = place(state, folder).map_err(at("name the folder of environments"))?;
        make_private(&path).map_err(at("make the folder of environments"))?;
        let owner =
            fs::symlink_metadata(&path).map_err(at("look at the folder of environments"))?;
        if !is_root && owner.uid() != own {
            let reason = format!("the folder of environments belongs to uid {}", owner.uid());
            return Err(EnvironmentError::Refused { reason });
        }
        let held = HeldFolder::open(&path).map_err(at("open the folder of environments"))?;
        if !held.try_lock() {
            return Err(EnvironmentError::Held);
        }
        for name in ["trees", "cache", "wheels"] {
            make_private(&path.join(name)).map_err(at("make the folder of environments"))?;
        }
        let interpreters = interpreter::installed(is_root);
        let Some(first) = interpreters.first() else {
            return Err(EnvironmentError::Interpreter {
                reason: "no interpreter can be run by the user who serves; install CPython 3.9 to 3.14 for all users (apt install python3)".into(),
            });
        };
        let tools = state.join("tools");
        let program = uv::find(&tools, &first.interpreter.executable, fetching)?;
        let uv = Uv::hold(&program).map_err(at("open uv"))?;
        Ok(Self {
            held,
            path,
            interpreters,
            uv,
        })
    }

    /// The environments of that folder, the oldest first, whoever has it now.
    ///
    /// Errors: the list is there and cannot be read.
    pub fn list(
        state: &Path,
        folder: Option<&Path>,
    ) -> Result<Vec<EnvironmentDescription>, EnvironmentError> {
        let read = place(state, folder).and_then(|path| Ok((Catalog::load(&path)?, path)));
        let (catalog, path) =
            read.map_err(|source| EnvironmentError::host("read the list of environments", source))?;
        let describe = |(id, handle): (&EnvironmentId, &Handle)| {
            let Manifest {
                python, packages, ..
            } = read_manifest(&path.join("trees").join(&handle.digest)).ok()?;
            catalog.describe(*id, python, packages)
        };
        let mut all: Vec<_> = catalog.handles.iter().filter_map(describe).collect();
        all.sort_by_key(|one| one.created_ms);
        Ok(all)
    }

    /// What an engine has to know of it at its start.
    #[must_use]
    pub fn for_engine(&self) -> RequestedEnvironments {
        let interpreters = self.interpreters.iter().map(|one| one.interpreter.clone());
        RequestedEnvironments {
            folder: self.path.join("trees"),
            interpreters: interpreters.collect(),
        }
    }

    /// Makes the folder another user's, who builds in it from now on.
    pub fn give_to(&self, uid: u32) -> io::Result<()> {
        if fs::symlink_metadata(&self.path)?.uid() != uid {
            give_tree(&self.path, uid)?;
        }
        Ok(())
    }

    /// A path to it for this process and its children.
    pub(super) fn folder(&self) -> &Path {
        self.held.path()
    }

    pub(super) fn tree(&self, digest: &str) -> PathBuf {
        self.folder().join("trees").join(digest)
    }

    /// A tree's path as people know it.
    pub(super) fn shown_tree(&self, digest: &str) -> PathBuf {
        self.path.join("trees").join(digest)
    }

    /// The first interpreter of a version: `3.11`, `3.11.7`, or any for an empty text.
    pub(super) fn interpreter(&self, version: &str) -> Result<&Resolved, EnvironmentError> {
        let is_wanted = |one: &&Resolved| {
            let have = one.interpreter.version_text();
            let rest = have.strip_prefix(version);
            version.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let found = self.interpreters.iter().find(is_wanted);
        found.ok_or_else(|| {
            let have = self
                .interpreters
                .iter()
                .map(|one| one.interpreter.version_text());
            let have = have.collect::<Vec<_>>().join(", ");
            EnvironmentError::Refused {
                reason: format!("there is no Python {version} here, only {have}"),
            }
        })
    }

    /// Removes what killed builds and removals left: also trees that `catalog` does not know.
    pub(super) fn sweep(&self, catalog: &Catalog) {
        let entries = fs::read_dir(self.folder().join("trees"));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name
                .to_str()
                .is_none_or(|name| !catalog.trees.contains_key(name))
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn place(state: &Path, folder: Option<&Path>) -> io::Result<PathBuf> {
    let folder = folder.map_or_else(|| state.join("requested"), Path::to_owned);
    std::path::absolute(&folder)
}

/// Only its owner may look in. Guests see an environment through a mount of their zygote.
fn make_private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(_) if folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Nobody else works in it, for it is locked; links are given away, never followed.
fn give_tree(path: &Path, uid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_tree(&entry?.path(), uid)?;
        }
    }
    lchown(path, Some(uid), Some(uid))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{MANIFEST, catalog::Tree};
    use super::*;

    #[test]
    fn a_folder_is_listed_without_being_opened() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Requested::list(state.path(), None).unwrap(), []);
        let folder = state.path().join("requested");
        let tree = folder.join("trees/ab");
        fs::create_dir_all(&tree).unwrap();
        let handle = |digest: &str, created_ms| Handle {
            digest: digest.into(),
            requirements: vec!["numpy".into()],
            created_ms,
            is_active: false,
        };
        let (newer, older) = (EnvironmentId::new(), EnvironmentId::new());
        let catalog = Catalog {
            handles: BTreeMap::from([
                (newer, handle("ab", 2)),
                (older, handle("ab", 1)),
                (EnvironmentId::new(), handle("gone", 3)),
            ]),
            trees: BTreeMap::from([(
                "ab".to_owned(),
                Tree {
                    interpreter: "x".into(),
                    bytes: 7,
                    used_ms: 0,
                },
            )]),
            ..Default::default()
        };
        catalog.save(&folder).unwrap();
        let manifest = r#"{"digest": "ab", "python": "3.11.7", "packages": [["numpy", "2.0"]]}"#;
        fs::write(tree.join(MANIFEST), manifest).unwrap();
        let found = Requested::list(state.path(), None).unwrap();
        let ids: Vec<_> = found.iter().map(|one| one.id).collect();
        assert_eq!(ids, [older, newer]);
        assert_eq!((found[0].bytes, found[0].packages.len()), (7, 1));
        assert_eq!(Requested::list("/".as_ref(), Some(&folder)).unwrap(), found);
        fs::write(folder.join("environments.json"), "{").unwrap();
        assert!(Requested::list(state.path(), None).is_err());
    }
}
