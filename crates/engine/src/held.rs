//! A folder that stays reachable when its owner gives up root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use sandbox::sys::fd;

/// An open folder. Programs that this process starts find it under the same path.
#[derive(Debug)]
pub struct HeldFolder {
    _folder: File,
    /// Opened by itself and not handed on: a program that outlives us does not keep it locked.
    /// Source: flock(2), "open file description".
    lock: File,
    path: PathBuf,
}

impl HeldFolder {
    /// Opens it. Whoever may pass the folders above now does not matter later.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let held = File::open(folder)?;
        fd::keep_across_exec(held.as_fd())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
        Ok(Self {
            lock: File::open(&path)?,
            _folder: held,
            path,
        })
    }

    /// A path to it that needs no right on the folders above.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for nobody: whether we now hold its lock, which goes with this value.
    #[must_use]
    pub fn try_lock(&self) -> bool {
        self.lock.try_lock().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_program_that_was_started_meanwhile_does_not_keep_it_locked() {
        let folder = tempfile::tempdir().unwrap();
        let first = HeldFolder::open(folder.path()).unwrap();
        assert!(first.try_lock());
        let second = HeldFolder::open(folder.path()).unwrap();
        assert!(!second.try_lock());
        #[expect(clippy::disallowed_methods, reason = "a program of a test")]
        let mut cat = Command::new("cat");
        let started = cat.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut program = started.unwrap();
        drop(first);
        assert!(second.try_lock());
        program.kill().unwrap();
        program.wait().unwrap();
    }
}
