//! The least that this kernel takes for an isolated process: what no execution can undercut.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::sys::fd;
use crate::sys::process::{self, ForkOptions, Forked};

/// Each has its namespaces anew; those of a guest are as many.
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;
/// What it writes; the length that `print(1)` writes.
const WRITTEN: &[u8] = b"1\n";

/// The times of one process, from before it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Until what it wrote was read.
    pub first_output: Duration,
    /// Until it was reaped.
    pub reaped: Duration,
}

/// Makes a copy of this process in namespaces of its own, which writes two bytes into a pipe and leaves.
/// No program is started in it, and nothing but the namespaces confines it. How large this process is
/// counts with it.
///
/// Errors: namespaces are not allowed here; it did not write or end.
pub fn measure() -> io::Result<Floor> {
    let (ours, theirs) = fd::pipe()?;
    let options = ForkOptions {
        namespaces: NAMESPACES,
        ..ForkOptions::default()
    };
    let began = Instant::now();
    let pidfd = match process::fork_with(options)? {
        Forked::Child => {
            let written = fd::write_all(theirs.as_fd(), WRITTEN);
            process::exit(i32::from(written.is_err()));
        }
        Forked::Parent { pidfd, .. } => pidfd,
    };
    drop(theirs);
    let mut read = [0; WRITTEN.len()];
    let was_read = fd::read_exact(ours.as_fd(), &mut read);
    let first_output = began.elapsed();
    fd::poll([pidfd.as_fd()], -1)?;
    let reaped = process::reap(pidfd.as_fd())?;
    let times = Floor {
        first_output,
        reaped: began.elapsed(),
    };
    was_read?;
    match reaped {
        Some(reaped) if reaped.exited == Some(0) && read == WRITTEN => Ok(times),
        Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_before_it_ends() {
        let times = measure().unwrap();
        assert!(Duration::ZERO < times.first_output && times.first_output <= times.reaped);
    }
}
