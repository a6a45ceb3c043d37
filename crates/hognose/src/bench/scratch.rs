//! Where a run keeps what it makes, below the state folder: `/tmp` is often mounted without
//! execution. One run at a time has it, for two would measure each other; what a killed run left
//! there goes when the next one begins.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// An empty folder that goes with this value.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Errors: another run measures with this state folder.
    pub(crate) fn make(state: &Path) -> Result<Self> {
        let place = state.join("bench");
        let opened = make_folder(&place).and_then(|()| File::create(place.join("lock")));
        let lock = opened.context("cannot make a folder in the state folder")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another `hognose bench` runs with this state folder: wait for its end")
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the folder of the measurement");
            }
        }
        let folder = place.join("run");
        remove(&folder)
            .and_then(|()| make_folder(&folder))
            .context("cannot empty the folder of the measurement")?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run tries again.
        let _ = remove(&self.folder);
    }
}

/// A server that gave up root passes through; nobody else lists it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Links in it are removed, never followed: environments are shared by links.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_run_has_it_and_what_was_left_goes_without_what_it_links_to() {
        let state = tempfile::tempdir().unwrap();
        let shared = state.path().join("environments");
        fs::create_dir(&shared).unwrap();
        fs::write(shared.join("kept"), "").unwrap();
        let left = state.path().join("bench/run/plain");
        fs::create_dir_all(&left).unwrap();
        symlink(&shared, left.join("environments")).unwrap();
        let scratch = Scratch::make(state.path()).unwrap();
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
        let refused = Scratch::make(state.path()).unwrap_err().to_string();
        assert!(refused.contains("another `hognose bench`"), "{refused}");
        let folder = scratch.path().to_owned();
        drop(scratch);
        assert!(!folder.exists() && shared.join("kept").exists());
        drop(Scratch::make(state.path()).unwrap());
    }
}
