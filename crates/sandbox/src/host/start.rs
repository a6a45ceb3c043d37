//! Starting the spawner: the only place where the host starts a process of the kit.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::plan::SpawnerPlan;
use crate::sys::{fd, socket};

/// A started spawner.
#[derive(Debug)]
pub struct StartedSpawner {
    /// The process. It leaves when `control` is closed.
    pub process: Child,
    /// The supervisor's end of its socket.
    pub control: OwnedFd,
}

/// Starts the spawner with a plan it can never change.
///
/// Its own children become ours (`CLONE_PARENT`), so that the supervisor reaps them. It holds
/// `lock`, too: the block is free only when neither of us uses it.
pub fn start_spawner(
    executable: &Path,
    plan: &SpawnerPlan,
    lock: BorrowedFd<'_>,
) -> io::Result<StartedSpawner> {
    let (control, theirs) = socket::pair()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one start of a kit process on the host"
    )]
    let process = Command::new(executable)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::from(fd::sealed_memory(&plan.encode())?))
        .spawn()?;
    socket::send(control.as_fd(), &[0], &[lock])?;
    Ok(StartedSpawner { process, control })
}
