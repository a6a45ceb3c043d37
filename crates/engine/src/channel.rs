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

/// One peer, whose answers are all of one kind; they come in the order of the calls, so one call is
/// under way at a time.
#[derive(Debug)]
pub(crate) struct Channel {
    peer: Mutex<Peer>,
}

#[derive(Debug)]
struct Peer {
    socket: AsyncFd<OwnedFd>,
    /// Answers that were asked for and have not come.
    owed: u32,
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        fd::set_nonblocking(socket.as_fd())?;
        Ok(Self {
            peer: Mutex::new(Peer {
                socket: watch(socket, Interest::READABLE | Interest::WRITABLE)?,
                owed: 0,
            }),
        })
    }

    /// Sends a request with descriptors and waits for its answer. If the caller goes away before it
    /// has come, the next call throws it away.
    ///
    /// Errors: `BrokenPipe` when the peer is gone, `TimedOut` when it does not answer.
    pub(crate) async fn call<A: Plain>(
        &self,
        request: &impl Plain,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<(A, socket::Received)> {
        let mut peer = self.peer.lock().await;
        tokio::time::timeout(ANSWER_TIMEOUT, exchange(&mut peer, request, descriptors)).await?
    }

    /// Waits for a message nobody asked for, such as a zygote's first.
    pub(crate) async fn receive<A: Plain>(&self) -> io::Result<(A, socket::Received)> {
        receive(&self.peer.lock().await.socket).await
    }
}

async fn exchange<A: Plain>(
    peer: &mut Peer,
    request: &impl Plain,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<(A, socket::Received)> {
    while peer.owed > 0 {
        receive::<A>(&peer.socket).await?;
        peer.owed -= 1;
    }
    loop {
        match socket::send(peer.socket.as_fd(), request.bytes(), descriptors) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                peer.socket.writable().await?.clear_ready()
            }
            sent => break sent?,
        }
    }
    peer.owed += 1;
    let answer = receive(&peer.socket).await?;
    peer.owed -= 1;
    Ok(answer)
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

#[cfg(test)]
mod tests {
    use sandbox::control::{SampleReply, SampleRequest};

    use super::*;

    #[tokio::test]
    async fn who_goes_away_leaves_no_answer_to_the_next() {
        let (ours, theirs) = socket::pair().unwrap();
        let channel = Channel::new(ours).unwrap();
        let request = |memory_bytes| SampleRequest {
            memory_bytes,
            ..SampleRequest::zeroed()
        };
        let (first, second) = (request(1), request(2));
        // It asks, and there is nobody yet who could answer.
        let asked = channel.call::<SampleReply>(&first, &[]);
        assert!(tokio::time::timeout(Duration::ZERO, asked).await.is_err());
        let peer = std::thread::spawn(move || {
            for _ in 0..2 {
                let mut request = SampleRequest::zeroed();
                socket::receive(theirs.as_fd(), request.bytes_mut()).unwrap();
                let reply = SampleReply {
                    memory_bytes: request.memory_bytes,
                    ..SampleReply::zeroed()
                };
                socket::send(theirs.as_fd(), reply.bytes(), &[]).unwrap();
            }
        });
        let (reply, _) = channel.call::<SampleReply>(&second, &[]).await.unwrap();
        assert_eq!(reply.memory_bytes, 2);
        peer.join().unwrap();
    }
}
