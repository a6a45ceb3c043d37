//! A zygote as the supervisor sees it: launched once, asked for children until it is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox::control::{ForkReply, ForkRequest, step};
use sandbox::sys::{fd, process, socket};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::channel::Channel;
use crate::error::ExecutionError;
use crate::metrics::ForkKind;
use crate::process::Watched;
use crate::spawner::{Launch, Spawner, host};

/// How long a zygote may take to import its preload.
const WARM_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a zygote's stderr that are kept for its error message.
const KEPT_ERRORS: usize = 4096;

/// A warmed CPython that forks.
#[derive(Debug)]
pub(crate) struct Zygote {
    channel: Channel,
    process: Watched,
    spawner: Arc<Spawner>,
    fork_kind: ForkKind,
    broken: AtomicBool,
}

impl Zygote {
    /// Launches a zygote and waits until it is warm.
    pub(crate) async fn launch(
        spawner: &Arc<Spawner>,
        launch: Launch,
    ) -> Result<Self, ExecutionError> {
        let (control, theirs) =
            socket::pair().map_err(|error| host("make a socket pair", &error))?;
        let (errors, errors_end) = fd::pipe().map_err(|error| host("make a pipe", &error))?;
        let process = spawner
            .launch(launch, theirs.as_fd(), errors_end.as_fd())
            .await?;
        drop((theirs, errors_end));
        let said = follow_errors(errors)?;
        let channel = Channel::new(control).map_err(|error| host("watch a zygote", &error))?;
        let mut zygote = Self {
            channel,
            process,
            spawner: Arc::clone(spawner),
            fork_kind: ForkKind::Plain,
            broken: AtomicBool::new(false),
        };
        let first = tokio::time::timeout(WARM_TIMEOUT, zygote.channel.receive::<ForkReply>()).await;
        match first {
            Ok(Ok((reply, _))) if reply.errno == 0 => {
                if reply.snapshot != 0 {
                    zygote.fork_kind = ForkKind::Snapshot;
                }
                Ok(zygote)
            }
            Ok(_) => {
                let _ = zygote.process.ended().await;
                // Its last words come through a pipe that ends with it.
                tokio::time::sleep(Duration::from_millis(20)).await;
                let words = said
                    .lock()
                    .map(|text| text.trim().to_owned())
                    .unwrap_or_default();
                Err(ExecutionError::Confine {
                    step: "warming a zygote".into(),
                    reason: words,
                })
            }
            Err(_) => {
                zygote.spawner.kill(zygote.process.pidfd()).await?;
                let _ = zygote.process.ended().await;
                Err(ExecutionError::Confine {
                    step: "warming a zygote".into(),
                    reason: format!("not ready after {WARM_TIMEOUT:?}"),
                })
            }
        }
    }

    /// Forks one child; returns its pidfd and its number.
    ///
    /// Errors: `Lost` when the zygote is gone; it is not asked again.
    pub(crate) async fn fork(
        &self,
        request: &ForkRequest,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(OwnedFd, i32), ExecutionError> {
        let answer = self.channel.call::<ForkReply>(request, descriptors).await;
        let Ok((reply, _)) = answer else {
            self.broken.store(true, Ordering::Release);
            // One that hangs would live on without an owner.
            let _ = self.spawner.kill(self.process.pidfd()).await;
            return Err(ExecutionError::Lost { what: "the zygote" });
        };
        if reply.errno != 0 {
            let reason = io::Error::from_raw_os_error(reply.errno).to_string();
            return Err(ExecutionError::Confine {
                step: step::name(reply.step).into(),
                reason,
            });
        }
        let pidfd =
            process::pidfd_of(reply.pid).map_err(|error| host("open the child's pidfd", &error))?;
        Ok((pidfd, reply.pid))
    }

    /// How its children come to be.
    pub(crate) fn fork_kind(&self) -> ForkKind {
        self.fork_kind
    }

    /// Whether it must not be asked again.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// Keeps the end of what a zygote says on stderr and logs it.
fn follow_errors(errors: OwnedFd) -> Result<Arc<Mutex<String>>, ExecutionError> {
    let mut pipe = pipe::Receiver::from_owned_fd(errors)
        .map_err(|error| host("read a zygote's errors", &error))?;
    let said = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&said);
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let words = String::from_utf8_lossy(&buffer[..count]);
            tracing::warn!(zygote = %words.trim(), "a zygote said something");
            if let Ok(mut text) = kept.lock() {
                text.push_str(&words);
                let surplus = text.len().saturating_sub(KEPT_ERRORS);
                let cut = text.ceil_char_boundary(surplus);
                text.drain(..cut);
            }
        }
    });
    Ok(said)
}
