//! A folder that stays reachable when its owner gives up root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use sandbox::sys::fd;

/// An open folder. Programs that this process starts find it under the same path.
#[derive(Debug)]
pub struct HeldFolder {
    folder: File,
    path: PathBuf,
}

impl HeldFolder {
    /// Opens it. Whoever may pass the folders above now does not matter later.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let held = File::open(folder)?;
        fd::keep_across_exec(held.as_fd())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
        Ok(Self { folder: held, path })
    }

    /// A path to it that needs no right on the folders above.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for nobody: whether we now hold its lock, which goes with this value.
    #[must_use]
    pub fn try_lock(&self) -> bool {
        self.folder.try_lock().is_ok()
    }
}
