//! Joining the slot's pooled cgroups.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::fd;

/// Moves this process, which has one thread, into every cgroup whose `tasks` (v1) or `cgroup.procs`
/// was handed over.
///
/// Source: cgroups(7): "0" stands for the writer.
pub(super) fn join(procs: &[Option<OwnedFd>]) -> io::Result<()> {
    for file in procs.iter().flatten() {
        fd::write_all(file.as_fd(), b"0")?;
    }
    Ok(())
}

/// Makes the kernel choose guests before any of the host's processes when memory runs out.
/// Source: proc_pid_oom_score_adj(5).
pub(super) fn prefer_for_oom() -> io::Result<()> {
    let file = fd::open_at(None, c"/proc/self/oom_score_adj", libc::O_WRONLY, 0)?;
    fd::write_all(file.as_fd(), b"1000")
}
