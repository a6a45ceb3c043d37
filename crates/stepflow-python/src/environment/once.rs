//! One build per digest, whoever asks and however often they are killed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::error::{EnvironmentError, at};
use super::progress::{Progress, Step};

/// Beginning of the names of trees that are being built.
const BUILDING: &str = ".build-";

/// Fills a fresh folder with `fill` and gives it the name `folder/name`, unless another process
/// did it while we waited for the lock.
pub(super) fn build(
    folder: &Path,
    name: &str,
    progress: &dyn Fn(Progress),
    fill: impl FnOnce(&Path) -> Result<(), EnvironmentError>,
) -> Result<(), EnvironmentError> {
    fs::create_dir_all(folder).map_err(at("create", folder))?;
    let _lock = lock(folder, name, progress)?;
    let place = folder.join(name);
    if place.exists() {
        return Ok(());
    }
    sweep(folder, name);
    let temporary = tempfile::Builder::new()
        .prefix(&format!("{BUILDING}{name}-"))
        .tempdir_in(folder)
        .map_err(at("create a folder in", folder))?;
    fill(temporary.path())?;
    fs::rename(temporary.path(), &place).map_err(at("rename the finished tree to", &place))?;
    // It has another name now, so there is nothing left to remove.
    let _ = temporary.keep();
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("write to disk", folder))
}

/// Waits for the lock of `name`; the kernel frees it when its holder dies.
fn lock(folder: &Path, name: &str, progress: &dyn Fn(Progress)) -> Result<File, EnvironmentError> {
    let path = folder.join(format!("{name}.lock"));
    let file = open_lock(&path).map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(Progress::step(Step::Waiting, "another process is building this environment"));
            file.lock().map_err(at("lock", &path))?;
        }
        Err(TryLockError::Error(source)) => return Err(at("lock", &path)(source)),
    }
    Ok(file)
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// Removes what killed builds left: ours, since we hold the lock, and those whose lock is free.
fn sweep(folder: &Path, ours: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let Some(rest) = file_name.to_str().and_then(|name| name.strip_prefix(BUILDING)) else { continue };
        let Some((name, _)) = rest.rsplit_once('-') else { continue };
        let is_free = || open_lock(&folder.join(format!("{name}.lock"))).is_ok_and(|file| file.try_lock().is_ok());
        if name == ours || is_free() {
            // What cannot be removed now is met again by the next build.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn two_builders_at_once_build_once_and_the_second_says_that_it_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (built, waited, begun) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                build(folder.path(), "a", &|_| (), |tree| {
                    begun.wait();
                    while waited.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    built.fetch_add(1, Ordering::SeqCst);
                    fs::write(tree.join("file"), "whole").map_err(at("write", tree))
                })
                .unwrap();
            });
            begun.wait();
            let told = |progress: Progress| {
                assert_eq!(progress.step, Step::Waiting);
                waited.fetch_add(1, Ordering::SeqCst);
            };
            build(folder.path(), "a", &told, |_| panic!("built twice")).unwrap();
        });
        assert_eq!(built.into_inner(), 1);
        assert_eq!(fs::read_to_string(folder.path().join("a/file")).unwrap(), "whole");
    }

    #[test]
    fn a_failed_build_leaves_nothing_and_the_next_one_works() {
        let folder = tempfile::tempdir().unwrap();
        let failing = |_: &Path| Err(EnvironmentError::VenvMissing);
        assert!(build(folder.path(), "a", &|_| (), failing).is_err());
        assert!(!folder.path().join("a").exists());
        build(folder.path(), "a", &|_| (), |_| Ok(())).unwrap();
        assert!(folder.path().join("a").is_dir());
    }

    #[test]
    fn leftovers_of_dead_builds_are_swept_and_those_of_living_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".build-a-xyz", ".build-b-xyz", ".build-c-xyz"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let living = open_lock(&folder.path().join("c.lock")).unwrap();
        living.try_lock().unwrap();
        build(folder.path(), "a", &|_| (), |_| Ok(())).unwrap();
        let exists = |name: &str| folder.path().join(name).exists();
        assert_eq!((exists(".build-a-xyz"), exists(".build-b-xyz"), exists(".build-c-xyz")), (false, false, true));
    }
}
