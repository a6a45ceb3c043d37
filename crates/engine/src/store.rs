//! Collected files: content named by digest on disk, and which execution has which.
//!
//! Kept for a day and up to a number of executions; a start begins empty, since the index lives in
//! memory until records exist.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::execution::ExecutionId;
use crate::outcome::Artifact;

const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const KEPT_EXECUTIONS: usize = 10_000;

/// The artifact folder and its index.
#[derive(Debug)]
pub(crate) struct Store {
    /// By way of `held`: a server that gave up root may not pass the folders above any more.
    folder: PathBuf,
    _held: File,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    executions: HashMap<ExecutionId, Vec<Artifact>>,
    order: VecDeque<(Instant, ExecutionId)>,
}

/// A file that is being written; dropped before `finish`, it leaves nothing.
pub(crate) struct Incoming {
    file: NamedTempFile,
    digest: Sha256,
    pub(crate) size_bytes: u64,
}

impl Incoming {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Store {
    /// An empty store in `folder`, which is made if need be.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let held = File::open(&folder)?;
        let folder = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
        Ok(Self {
            folder,
            _held: held,
            index: Mutex::default(),
        })
    }

    /// Makes the folder another user's.
    pub(crate) fn give_to(&self, uid: u32) -> io::Result<()> {
        std::os::unix::fs::chown(&self.folder, Some(uid), Some(uid))
    }

    pub(crate) fn incoming(&self) -> io::Result<Incoming> {
        Ok(Incoming {
            file: NamedTempFile::new_in(&self.folder)?,
            digest: Sha256::new(),
            size_bytes: 0,
        })
    }

    /// Keeps what was written under its digest, which is returned in lower-case hexadecimal.
    pub(crate) fn finish(&self, incoming: Incoming) -> io::Result<String> {
        let name = hexadecimal(&incoming.digest.finalize());
        incoming
            .file
            .persist(self.folder.join(&name))
            .map_err(|error| error.error)?;
        Ok(name)
    }

    /// Remembers which files an execution left, and forgets the oldest ones.
    pub(crate) fn record(&self, id: ExecutionId, artifacts: &[Artifact]) {
        let Ok(mut index) = self.index.lock() else {
            return;
        };
        let mut forgotten = HashSet::new();
        while index.order.len() >= KEPT_EXECUTIONS
            || index
                .order
                .front()
                .is_some_and(|(at, _)| at.elapsed() > KEPT_FOR)
        {
            let Some((_, oldest)) = index.order.pop_front() else {
                break;
            };
            forgotten.extend(
                index
                    .executions
                    .remove(&oldest)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|a| a.sha256),
            );
        }
        if !artifacts.is_empty() {
            index.executions.insert(id, artifacts.to_vec());
            index.order.push_back((Instant::now(), id));
        }
        if !forgotten.is_empty() {
            let kept: HashSet<&String> = index
                .executions
                .values()
                .flatten()
                .map(|artifact| &artifact.sha256)
                .collect();
            for name in forgotten.iter().filter(|name| !kept.contains(name)) {
                let _ = fs::remove_file(self.folder.join(name));
            }
        }
    }

    /// An execution's file by name.
    pub(crate) fn get(&self, id: ExecutionId, name: &str) -> Option<(Artifact, Bytes)> {
        let artifact = self
            .index
            .lock()
            .ok()?
            .executions
            .get(&id)?
            .iter()
            .find(|a| a.name == name)?
            .clone();
        let content = fs::read(self.folder.join(&artifact.sha256)).ok()?;
        Some((artifact, content.into()))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn content_is_found_by_execution_and_name_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("artifacts")).unwrap();
        let mut incoming = store.incoming().unwrap();
        incoming.write(b"abc").unwrap();
        let sha256 = store.finish(incoming).unwrap();
        assert_eq!(
            sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let artifact = Artifact {
            name: "a.txt".into(),
            media_type: "text/plain".into(),
            size_bytes: 3,
            sha256,
            escaped: false,
            collected_at: SystemTime::now(),
        };
        let id = ExecutionId::random();
        store.record(id, std::slice::from_ref(&artifact));
        assert_eq!(
            store.get(id, "a.txt"),
            Some((artifact, Bytes::from_static(b"abc")))
        );
        assert_eq!(store.get(ExecutionId::random(), "a.txt"), None);
        assert_eq!(store.get(id, "../a.txt"), None);
    }

    #[test]
    fn files_are_reached_without_the_path_to_them() {
        let above = tempfile::tempdir().unwrap();
        let store = Store::open(above.path().join("one/artifacts")).unwrap();
        fs::rename(above.path().join("one"), above.path().join("other")).unwrap();
        let mut incoming = store.incoming().unwrap();
        incoming.write(b"abc").unwrap();
        let sha256 = store.finish(incoming).unwrap();
        let kept = above.path().join("other/artifacts").join(sha256);
        assert_eq!(fs::read(kept).unwrap(), b"abc");
    }

    #[test]
    fn a_file_that_was_never_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("artifacts")).unwrap();
        let mut incoming = store.incoming().unwrap();
        incoming.write(b"abc").unwrap();
        drop(incoming);
        assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 0);
    }
}
