//! One confined child, ready to be given a program. Dropping it kills its whole tree.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use sandbox::control::{ChildStatus, ForkRequest, Plain, step};
use sandbox::sys::{fd, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

use crate::channel::watch;
use crate::error::ExecutionError;
use crate::limits::Limits;
use crate::process::Watched;
use crate::slot::Slot;
use crate::spawner::{Spawner, host};
use crate::witness::Witness;
use crate::zygote::Zygote;

/// How long a child may take to confine itself.
const CONFINE_TIMEOUT: Duration = Duration::from_secs(20);

/// A confined child that waits for its lease header.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The child.
    pub(crate) child: Watched,
    /// Its number on the host.
    pub(crate) pid: i32,
    /// Pid 1 of its namespace.
    pub(crate) init: Watched,
    /// Pid 1's number on the host.
    pub(crate) init_pid: i32,
    /// As long as this is open, the tree lives.
    pub(crate) lifeline: Lifeline,
    /// Its standard input.
    pub(crate) stdin: pipe::Sender,
    /// Its standard output.
    pub(crate) stdout: pipe::Receiver,
    /// Its standard error.
    pub(crate) stderr: pipe::Receiver,
    /// Its report.
    pub(crate) report: pipe::Receiver,
    /// Lease header and request go here.
    pub(crate) request: pipe::Sender,
    /// The output folder, opened before any user code.
    pub(crate) output: OwnedFd,
    /// Size of that folder while it is empty.
    pub(crate) empty_size: i64,
    /// Keeps the child's mounts until its end has been seen.
    pub(crate) mounts: Mounts,
    /// Hears of the kills that the program does itself.
    pub(crate) witness: Witness,
    /// Opens a true report.
    pub(crate) nonce: [u8; 32],
}

impl Ready {
    /// Ends the child and waits until its whole tree is dead.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        self.lifeline.cut();
        self.child.ended().await?;
        self.init.ended().await?;
        self.mounts.gone().await;
        Ok(())
    }

    /// Whether child and init still wait.
    pub(crate) fn is_alive(&self) -> bool {
        !self.child.has_ended() && !self.init.has_ended()
    }
}

/// The write end of an init's pipe. Closing it kills the namespace.
#[derive(Debug)]
pub(crate) struct Lifeline(Option<OwnedFd>);

impl Lifeline {
    /// Kills the tree; what it wrote before stays readable.
    pub(crate) fn cut(&mut self) {
        self.0 = None;
    }

    /// Whether the tree was killed.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.is_none()
    }
}

/// Forks and confines a child of `zygote` in `slot`.
///
/// Only the size of the workdir is final; what the lease header lowers starts at `most`.
///
/// Errors: `Confine` names the layer that failed; nothing of the child is left then.
pub(crate) async fn ready(
    spawner: &Spawner,
    zygote: &Zygote,
    slot: &Slot,
    limits: &Limits,
    most: &Limits,
) -> Result<Ready, ExecutionError> {
    let pipes = Pipes::make().map_err(|error| host("make the child's pipes", &error))?;
    let (lifeline_end, lifeline) = fd::pipe().map_err(|error| host("make a pipe", &error))?;
    let (init, init_pid, namespace) = spawner.init(lifeline_end.as_fd()).await?;
    drop(lifeline_end);
    let lifeline = Lifeline(Some(lifeline));
    let nonce = random_nonce().map_err(|error| host("read random bytes", &error))?;
    let procs: Vec<BorrowedFd<'_>> = slot.procs().collect();
    let request = ForkRequest {
        uid: slot.uid,
        processes: rlimit_processes(slot, most),
        workdir_bytes: limits.workdir_bytes,
        workdir_inodes: limits.workdir_inodes,
        data_bytes: rlimit_data(slot, most),
        nonce,
        procs: u32::try_from(procs.len()).unwrap_or(0),
        holder_uid: slot.holder_uid(),
    };
    let (status, their_status) =
        socket::pair().map_err(|error| host("make a socket pair", &error))?;
    let mut descriptors = vec![namespace.as_fd()];
    descriptors.extend(pipes.theirs());
    descriptors.push(their_status.as_fd());
    descriptors.extend(procs);
    let (child, pid) = zygote.fork(&request, &descriptors).await?;
    drop(descriptors);
    drop(their_status);
    let ours = pipes
        .into_ours()
        .map_err(|error| host("watch the child's pipes", &error))?;
    let child = Watched::new(child).map_err(|error| host("watch the child", &error))?;
    let Kept {
        output,
        mounts,
        listener,
    } = confined(status).await?;
    let witness =
        Witness::new(listener).map_err(|error| host("watch the child's filter", &error))?;
    let empty_size = fd::stat(output.as_fd())
        .map_err(|error| host("look at the output folder", &error))?
        .st_size;
    Ok(Ready {
        child,
        pid,
        init,
        init_pid,
        lifeline,
        stdin: ours.0,
        stdout: ours.1,
        stderr: ours.2,
        report: ours.3,
        request: ours.4,
        output,
        empty_size,
        mounts: Mounts(Some(mounts)),
        witness,
        nonce,
    })
}

/// Where a cgroup counts processes its event must come first, or nobody could tell why a fork
/// failed; the rlimit then stands a little higher.
pub(crate) fn rlimit_processes(slot: &Slot, limits: &Limits) -> u32 {
    if slot.has_cgroups() {
        limits.processes.saturating_add(32)
    } else {
        limits.processes
    }
}

/// `RLIMIT_DATA` where no cgroup bounds the tree; 0 for none. The zygote's own data is inherited
/// and counted, so that is allowed on top.
pub(crate) fn rlimit_data(slot: &Slot, limits: &Limits) -> u64 {
    if slot.has_cgroups() {
        0
    } else {
        limits.memory_bytes.saturating_add(PRELOAD_DATA_BYTES)
    }
}

/// Private data of a zygote with the full preload, rounded up. Source: `VmData` of such a zygote.
const PRELOAD_DATA_BYTES: u64 = 640 << 20;

struct Pipes {
    stdin: (OwnedFd, OwnedFd),
    stdout: (OwnedFd, OwnedFd),
    stderr: (OwnedFd, OwnedFd),
    report: (OwnedFd, OwnedFd),
    request: (OwnedFd, OwnedFd),
}

type Ours = (
    pipe::Sender,
    pipe::Receiver,
    pipe::Receiver,
    pipe::Receiver,
    pipe::Sender,
);

impl Pipes {
    fn make() -> io::Result<Self> {
        Ok(Self {
            stdin: fd::pipe()?,
            stdout: fd::pipe()?,
            stderr: fd::pipe()?,
            report: fd::pipe()?,
            request: fd::pipe()?,
        })
    }

    /// The child's ends, in the order of `ForkRequest`.
    fn theirs(&self) -> [BorrowedFd<'_>; 5] {
        [
            self.stdin.0.as_fd(),
            self.stdout.1.as_fd(),
            self.stderr.1.as_fd(),
            self.report.1.as_fd(),
            self.request.0.as_fd(),
        ]
    }

    /// Closes the child's ends here, so that its death is an end of file.
    fn into_ours(self) -> io::Result<Ours> {
        Ok((
            pipe::Sender::from_owned_fd(self.stdin.1)?,
            pipe::Receiver::from_owned_fd(self.stdout.0)?,
            pipe::Receiver::from_owned_fd(self.stderr.0)?,
            pipe::Receiver::from_owned_fd(self.report.0)?,
            pipe::Sender::from_owned_fd(self.request.1)?,
        ))
    }
}

fn random_nonce() -> io::Result<[u8; 32]> {
    let mut nonce = [0; 32];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut nonce)?;
    Ok(nonce)
}

/// A child's mount namespace. Dropping it takes the mounts down, on a thread that may wait.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Option<OwnedFd>);

impl Mounts {
    /// Takes them down; returns when they are gone.
    pub(crate) async fn gone(mut self) {
        let namespace = self.0.take();
        let _ = tokio::task::spawn_blocking(move || drop(namespace)).await;
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        if let (Some(namespace), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn_blocking(move || drop(namespace));
        }
    }
}

/// What a child sends and does not keep.
struct Kept {
    output: OwnedFd,
    mounts: OwnedFd,
    /// Of its filter, where that may have one.
    listener: Option<OwnedFd>,
}

/// Waits until the child says that every step is done.
async fn confined(status: OwnedFd) -> Result<Kept, ExecutionError> {
    let failed = |step: u32, reason: String| ExecutionError::Confine {
        step: step::name(step).into(),
        reason,
    };
    fd::set_nonblocking(status.as_fd())
        .map_err(|error| host("watch the child's status", &error))?;
    let status = watch(status, Interest::READABLE)
        .map_err(|error| host("watch the child's status", &error))?;
    let mut came = None;
    let waiting = async {
        loop {
            let (told, mut received) = message(&status).await?;
            if told.errno != 0 {
                return Err(failed(
                    told.step,
                    io::Error::from_raw_os_error(told.errno).to_string(),
                ));
            }
            if let (Ok(output), Ok(mounts)) = (received.take(), received.take()) {
                came = Some(Kept {
                    output,
                    mounts,
                    listener: received.take().ok(),
                });
            }
            if told.step == step::READY {
                return came
                    .take()
                    .ok_or_else(|| failed(step::READY, "no output folder came along".into()));
            }
        }
    };
    tokio::time::timeout(CONFINE_TIMEOUT, waiting)
        .await
        .unwrap_or_else(|_| {
            Err(failed(
                step::READY,
                format!("not confined after {CONFINE_TIMEOUT:?}"),
            ))
        })
}

async fn message(
    status: &AsyncFd<OwnedFd>,
) -> Result<(ChildStatus, socket::Received), ExecutionError> {
    let mut told = ChildStatus::zeroed();
    loop {
        let mut ready = status
            .readable()
            .await
            .map_err(|error| host("watch the child's status", &error))?;
        match socket::receive(status.as_fd(), told.bytes_mut()) {
            Ok(Some(received)) => return Ok((told, received)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Ok(None) | Err(_) => return Err(ExecutionError::Lost { what: "the child" }),
        }
    }
}
