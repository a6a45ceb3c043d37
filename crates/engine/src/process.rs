//! A child process as the supervisor sees it: a pidfd that becomes readable when it ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox::sys::process::{self, Reaped};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::watch;

/// A child of ours. It is reaped whatever happens: by who waits for it, or in the background.
#[derive(Debug)]
pub(crate) struct Watched {
    pidfd: AsyncFd<OwnedFd>,
    reaped: AtomicBool,
}

impl Watched {
    pub(crate) fn new(pidfd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pidfd: watch(pidfd, Interest::READABLE)?,
            reaped: AtomicBool::new(false),
        })
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it has ended; it stays to be reaped.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(process::peek(self.pidfd.as_fd()), Ok(None))
    }

    /// Waits until it has ended; `/proc` tells of it until it is reaped.
    pub(crate) async fn over(&self) -> io::Result<Reaped> {
        loop {
            let mut ready = self.pidfd.readable().await?;
            match process::peek(self.pidfd.as_fd())? {
                Some(seen) => return Ok(seen),
                None => ready.clear_ready(),
            }
        }
    }

    /// Waits until it has ended and reaps it.
    pub(crate) async fn ended(&self) -> io::Result<Reaped> {
        loop {
            let mut ready = self.pidfd.readable().await?;
            match process::reap(self.pidfd.as_fd())? {
                Some(reaped) => {
                    self.reaped.store(true, Ordering::Release);
                    return Ok(reaped);
                }
                None => ready.clear_ready(),
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.reaped.load(Ordering::Acquire) {
            return;
        }
        // Nobody waits any more, but the kernel keeps the dead until somebody has asked.
        let pidfd = self.pidfd.get_ref().try_clone();
        if let (Ok(pidfd), Ok(runtime)) = (pidfd, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Ok(process) = Self::new(pidfd) {
                    let _ = process.ended().await;
                    process.reaped.store(true, Ordering::Release);
                }
            });
        }
    }
}
