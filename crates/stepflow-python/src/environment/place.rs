//! An environment comes to its place whole, and once: of two processes the second waits.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
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
        let path = self.folder.join(format!(".{digest}.lock"));
        let _lock = lock(
            &path,
            "another hognose is building this environment",
            progress,
        )?;
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

    /// Removes what a killed build left. The lock is ours, so nobody is using it.
    fn remove_remains(&self, digest: &str) {
        for (path, of) in self.remains() {
            if of == digest {
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    /// Removes what killed builds left, of environments that nobody builds now.
    pub(super) fn sweep(&self) {
        for (path, digest) in self.remains() {
            let lock = File::open(self.folder.join(format!(".{digest}.lock")));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    /// Folders of builds that have not come to their place, and the digests they are for.
    fn remains(&self) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let of_build = |entry: fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (digest, process) = name.strip_prefix('.')?.split_once('.')?;
            (process != "lock").then(|| (entry.path(), digest.to_owned()))
        };
        entries.filter_map(of_build).collect()
    }
}

/// Waits until no other process has a lock, telling why once if there is one.
pub(super) fn lock(
    path: &Path,
    why: &str,
    progress: &dyn Fn(Progress),
) -> Result<File, EnvironmentError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = opened.map_err(|source| EnvironmentError::host("open a lock", source))?;
    if file.try_lock().is_err() {
        progress(Progress {
            step: "wait",
            done: 0,
            total: 1,
            text: why.to_owned(),
        });
        wait_for(&file).map_err(|source| EnvironmentError::host("wait for a lock", source))?;
    }
    Ok(file)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remains_of_a_killed_build_go_and_locks_stay() {
        let state = tempfile::tempdir().unwrap();
        let environments = Environments::new(state.path());
        let folder = state.path().join("environments");
        fs::create_dir_all(folder.join(".d.1/lib")).unwrap();
        fs::write(folder.join(".d.lock"), "").unwrap();
        environments.remove_remains("d");
        let left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        assert_eq!(left, [".d.lock"]);
    }

    #[test]
    fn what_killed_builds_left_goes_and_what_is_built_stays() {
        let state = tempfile::tempdir().unwrap();
        let environments = Environments::new(state.path());
        let folder = state.path().join("environments");
        for name in [".aa.7", ".bb.8", "cc"] {
            fs::create_dir_all(folder.join(name).join("lib")).unwrap();
        }
        for name in [".aa.lock", ".bb.lock"] {
            File::create(folder.join(name)).unwrap();
        }
        let building = File::open(folder.join(".bb.lock")).unwrap();
        building.lock().unwrap();
        environments.sweep();
        let is_there = [".aa.7", ".bb.8", "cc", ".aa.lock"].map(|name| folder.join(name).exists());
        assert_eq!(is_there, [false, true, true, true]);
    }
}
