//! Collects what an execution left in `output/`, after its tree is dead.
//!
//! The walking is done by a disposable process with the guest's uid; here its stream is decoded,
//! hashed and stored. Nothing here opens a path that a guest chose.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sandbox::sys::fd;
use wire::collect::{CollectCaps, CollectDecoder, CollectFrame, DisplayName};

use crate::error::ExecutionError;
use crate::limits::Limits;
use crate::outcome::{Artifact, SkippedArtifact};
use crate::spawner::{Spawner, host};
use crate::store::{Incoming, Store};

/// Entries in a stream: the 1 000 a collector looks at and one `too_many` per open level.
const MAX_ENTRIES: u32 = 1_100;
/// How long a walk may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) skipped: Vec<SkippedArtifact>,
}

/// Whether the folder has the size it had when it was empty.
pub(crate) fn is_empty(folder: BorrowedFd<'_>, empty_size: i64) -> bool {
    fd::stat(folder).is_ok_and(|found| found.st_size == empty_size)
}

/// Whether the workdir has no room left, in bytes or in inodes.
pub(crate) fn is_full(folder: BorrowedFd<'_>) -> bool {
    fd::file_system_room(folder).is_ok_and(|room| room.free_blocks == 0 || room.free_inodes == 0)
}

/// Collects `folder` into the store, within the limits.
pub(crate) async fn collect(
    spawner: &Spawner,
    store: &Arc<Store>,
    uid: u32,
    folder: BorrowedFd<'_>,
    limits: &Limits,
) -> Result<Collected, ExecutionError> {
    let (stream, their_stream) = fd::pipe().map_err(|error| host("make a pipe", &error))?;
    let walker = spawner
        .collect(
            uid,
            limits.artifacts,
            limits.artifact_bytes,
            folder,
            their_stream.as_fd(),
        )
        .await?;
    drop(their_stream);
    let caps = CollectCaps {
        entries: MAX_ENTRIES,
        file_bytes: limits.artifact_bytes,
        total_bytes: limits
            .artifact_bytes
            .saturating_mul(limits.artifacts.into()),
    };
    let store = Arc::clone(store);
    let reading = tokio::task::spawn_blocking(move || read(File::from(stream), caps, &store));
    let read = tokio::time::timeout(TIMEOUT, reading).await;
    let walked = walker
        .ended()
        .await
        .map_err(|error| host("reap the collector", &error))?;
    match read {
        Ok(Ok(Ok(collected))) if walked.exited == Some(0) => Ok(collected),
        Ok(Ok(Err(error))) => Err(ExecutionError::Host {
            operation: "collect the artifacts".into(),
            reason: error,
        }),
        Ok(_) | Err(_) => Err(ExecutionError::Lost {
            what: "the collector",
        }),
    }
}

fn read(mut stream: File, caps: CollectCaps, store: &Store) -> Result<Collected, String> {
    let mut decoder = CollectDecoder::new(caps);
    let mut sink = Sink {
        store,
        collected: Collected::default(),
        open: None,
        failure: None,
    };
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = stream
            .read(&mut buffer)
            .map_err(|error| error.to_string())?;
        if count == 0 {
            break;
        }
        decoder
            .push(&buffer[..count], |event| sink.take(event))
            .map_err(|error| error.to_string())?;
        if let Some(failure) = sink.failure.take() {
            return Err(failure.to_string());
        }
    }
    decoder.finish().map_err(|error| error.to_string())?;
    Ok(sink.collected)
}

struct Sink<'a> {
    store: &'a Store,
    collected: Collected,
    open: Option<(DisplayName, Incoming)>,
    failure: Option<std::io::Error>,
}

impl Sink<'_> {
    fn take(&mut self, event: CollectFrame<'_>) {
        if let Err(error) = self.try_take(event) {
            self.failure.get_or_insert(error);
        }
    }

    fn try_take(&mut self, event: CollectFrame<'_>) -> std::io::Result<()> {
        match event {
            CollectFrame::File { name, .. } => self.open = Some((name, self.store.incoming()?)),
            CollectFrame::Content(bytes) => {
                if let Some((_, incoming)) = &mut self.open {
                    incoming.write(bytes)?;
                }
            }
            CollectFrame::FileEnd => {
                if let Some((name, incoming)) = self.open.take() {
                    let size_bytes = incoming.size_bytes;
                    let sha256 = self.store.finish(incoming)?;
                    self.collected.artifacts.push(Artifact {
                        media_type: mime_guess::from_path(&name.text)
                            .first_or_octet_stream()
                            .to_string(),
                        name: name.text,
                        size_bytes,
                        sha256,
                        escaped: name.escaped,
                        collected_at: SystemTime::now(),
                    });
                }
            }
            CollectFrame::Skipped { name, reason } => {
                self.collected.skipped.push(SkippedArtifact {
                    name: name.text,
                    reason,
                });
            }
            CollectFrame::End => {}
        }
        Ok(())
    }
}
