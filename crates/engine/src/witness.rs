//! Who sent a SIGKILL: the program itself or somebody outside.
//!
//! `waitid` does not say. But every call by which a program can make the kernel send that signal is
//! refused to it, leaves a trace on its limits, or is announced to the host before it happens
//! (decision 7). So a kill that nobody announced came from outside; one that could have been the
//! program's own is taken for it.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandbox::sys::listener;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::watch;

/// Least time between two answers, so that a program which kills without end costs little.
const PAUSE: Duration = Duration::from_millis(1);

/// Hears of the SIGKILLs that one program's processes send.
#[derive(Debug)]
pub(crate) struct Witness {
    /// `None` where no filter of ours may have a listener.
    listener: Option<AsyncFd<OwnedFd>>,
    heard: AtomicBool,
}

impl Witness {
    pub(crate) fn new(listener: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            listener: listener
                .map(|fd| watch(fd, Interest::READABLE))
                .transpose()?,
            heard: AtomicBool::new(false),
        })
    }

    /// Hears every announced kill and then lets it happen.
    pub(crate) async fn listen(&self) -> Infallible {
        if let Some(listener) = &self.listener {
            // It fails when nobody is left who could announce anything.
            let _ = self.hear(listener).await;
        }
        std::future::pending().await
    }

    async fn hear(&self, listener: &AsyncFd<OwnedFd>) -> io::Result<()> {
        loop {
            let mut ready = listener.readable().await?;
            match listener::next(listener.as_fd())? {
                None => ready.clear_ready(),
                Some(call) => {
                    self.heard.store(true, Ordering::Relaxed);
                    // Whoever waited may be gone by now.
                    let _ = listener::let_through(listener.as_fd(), call);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether a SIGKILL may be the program's own doing.
    ///
    /// `pid` has ended and is not reaped; `cpu_most_seconds` is the hard `RLIMIT_CPU` it was given.
    pub(crate) fn may_be_its_own(&self, pid: i32, cpu_most_seconds: u64) -> bool {
        self.listener.is_none()
            || self.heard.load(Ordering::Relaxed)
            || hard_cpu_seconds(&limits_of(pid)).is_none_or(|hard| hard < cpu_most_seconds)
    }
}

fn limits_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default()
}

/// The hard limit of the CPU time in `/proc/PID/limits`; without bound before the lease lowers it.
/// Unit: seconds. Source: proc_pid_limits(5).
fn hard_cpu_seconds(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max cpu time"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        seconds => seconds.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_without_a_listener_every_kill_may_be_its_own() {
        let own = "Limit   Soft Limit  Hard Limit  Units\nMax cpu time   31    9216   seconds\n\
                   Max file size   unlimited unlimited bytes\n";
        assert_eq!(hard_cpu_seconds(own), Some(9216));
        let unlimited = hard_cpu_seconds("Max cpu time 1 unlimited seconds");
        assert_eq!(unlimited, Some(u64::MAX));
        assert_eq!(hard_cpu_seconds(""), None);
        let deaf = Witness::new(None).unwrap();
        assert!(deaf.may_be_its_own(i32::MAX, 1));
    }
}
