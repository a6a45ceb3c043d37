//! An environment comes to its place whole, and once: of two processes the second waits.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{EnvironmentError, Environments, MANIFEST, Progress, ending};

/// How often a build that waits for another process looks again.
const LOCK_PULSE: Duration = Duration::from_millis(100);

impl Environments {
    /// Puts what `make` lays out in a folder where its digest says, unless another process has.
    pub(super) fn place(
        &self,
        digest: &str,
        progress: &dyn Fn(Progress),
        make: impl FnOnce(&Path) -> Result<(), EnvironmentError>,
    ) -> Result<(), EnvironmentError> {
        let _build = ending::Build::begin();
        fs::create_dir_all(&self.folder)
            .map_err(|source| EnvironmentError::host("make the environments folder", source))?;
        let _lock = self.lock(digest, progress)?;
        let root = self.folder.join(digest);
        if root.join(MANIFEST).exists() {
            return Ok(());
        }
        self.remove_remains(digest);
        let folder = self
            .folder
            .join(format!(".{digest}.{}", std::process::id()));
        let moved = make(&folder).and_then(|()| {
            fs::rename(&folder, &root).map_err(|source| {
                EnvironmentError::host("put the environment in its place", source)
            })
        });
        if moved.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        moved
    }

    /// Waits until no other process builds this environment.
    fn lock(&self, digest: &str, progress: &dyn Fn(Progress)) -> Result<File, EnvironmentError> {
        let path = self.folder.join(format!(".{digest}.lock"));
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = opened
            .map_err(|source| EnvironmentError::host("open the environment's lock", source))?;
        if file.try_lock().is_err() {
            let text = "another hognose is building this environment".to_owned();
            progress(Progress {
                step: "wait",
                done: 0,
                total: 1,
                text,
            });
            wait_for(&file).map_err(|source| {
                EnvironmentError::host("wait for the environment's lock", source)
            })?;
        }
        Ok(file)
    }

    /// Removes what a killed build left. The lock is ours, so nobody is using it.
    fn remove_remains(&self, digest: &str) {
        let prefix = format!(".{digest}.");
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) && !name.ends_with(".lock") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Waits for a lock, unless this process ends.
fn wait_for(file: &File) -> io::Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => ending::check()?,
        }
        std::thread::sleep(LOCK_PULSE);
    }
}
