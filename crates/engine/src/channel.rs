//! Request and answer over a SEQPACKET socket to a process of the kit, without blocking a worker.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use sandbox::control::Plain;
use sandbox::sys::{fd, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

/// How long a peer may take for one answer; it is a process of ours with nothing to wait for but the
/// processors, and a host full of hostile processes has starved it for 20 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// One peer; calls are answered in order, so one is under way at a time.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Mutex<AsyncFd<OwnedFd>>,
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        fd::set_nonblocking(socket.as_fd())?;
        Ok(Self {
            socket: Mutex::new(watch(socket, Interest::READABLE | Interest::WRITABLE)?),
        })
    }

    /// Sends a request with descriptors and waits for its answer.
    ///
    /// Errors: `BrokenPipe` when the peer is gone, `TimedOut` when it does not answer: it must not
    /// be asked again, or it would be taken at an older answer.
    pub(crate) async fn call<A: Plain>(
        &self,
        request: &impl Plain,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<(A, socket::Received)> {
        let peer = self.socket.lock().await;
        tokio::time::timeout(ANSWER_TIMEOUT, exchange(&peer, request, descriptors)).await?
    }

    /// Waits for a message nobody asked for, such as a zygote's first.
    pub(crate) async fn receive<A: Plain>(&self) -> io::Result<(A, socket::Received)> {
        receive(&*self.socket.lock().await).await
    }
}

async fn exchange<A: Plain>(
    peer: &AsyncFd<OwnedFd>,
    request: &impl Plain,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<(A, socket::Received)> {
    loop {
        match socket::send(peer.as_fd(), request.bytes(), descriptors) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                peer.writable().await?.clear_ready()
            }
            sent => break sent?,
        }
    }
    receive(peer).await
}

/// Watches a descriptor for readiness.
#[expect(
    deprecated,
    reason = "the constructor that replaces it is unsafe for types whose descriptor may change; an OwnedFd's does not"
)]
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

async fn receive<A: Plain>(peer: &AsyncFd<OwnedFd>) -> io::Result<(A, socket::Received)> {
    let mut answer = A::zeroed();
    loop {
        let mut ready = peer.readable().await?;
        match socket::receive(peer.as_fd(), answer.bytes_mut()) {
            Ok(Some(received)) => return Ok((answer, received)),
            Ok(None) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return Err(error),
        }
    }
}
