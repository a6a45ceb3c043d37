//! SEQPACKET socket pairs that carry fixed-size messages and descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// The most descriptors one message may carry.
pub const MAX_DESCRIPTORS: usize = 24;

/// Room for one control message with that many descriptors, aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
struct ControlRoom([u8; 128]);

/// A pair of connected sockets that keep message borders, close-on-exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors the kernel writes.
    check(unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC,
            0,
            ends.as_mut_ptr(),
        )
    })?;
    // SAFETY: both were just made and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Sends one message with descriptors, whole or not at all. A closed peer is `EPIPE`, no signal.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut numbers: [RawFd; MAX_DESCRIPTORS] = [-1; MAX_DESCRIPTORS];
    for (number, fd) in numbers.iter_mut().zip(descriptors) {
        *number = fd.as_raw_fd();
    }
    let payload = size_of::<RawFd>() * descriptors.len();
    let mut room = ControlRoom([0; 128]);
    let mut vector = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: `msghdr` is plain data; all zeroes is its empty value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    if payload > 0 {
        let length =
            u32::try_from(payload).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        message.msg_control = room.0.as_mut_ptr().cast();
        // SAFETY: the CMSG macros compute within `room`, which holds MAX_DESCRIPTORS numbers, as
        // CMSG_SPACE(4 * 24) = 112 <= 128; header and data are written before the kernel reads.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(length) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as usize;
            std::ptr::copy_nonoverlapping(
                numbers.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                payload,
            );
        }
    }
    // SAFETY: every pointer in `message` outlives the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    match usize::try_from(sent) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EMSGSIZE)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Descriptors that came with a message, in their order.
#[derive(Debug, Default)]
pub struct Received {
    slots: [Option<OwnedFd>; MAX_DESCRIPTORS],
    next: usize,
}

impl Received {
    /// Takes the next one.
    ///
    /// Errors: `EBADMSG` when the message carried fewer.
    pub fn take(&mut self) -> io::Result<OwnedFd> {
        let found = self.slots.get_mut(self.next).and_then(Option::take);
        self.next += 1;
        found.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADMSG))
    }

    /// Whether another one is there.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.slots.get(self.next).is_some_and(Option::is_some)
    }
}

/// Receives one message; `Ok(None)` when the peer is gone.
///
/// Errors: `EBADMSG` when it has not exactly the buffer's length or was cut.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Received>> {
    let mut room = ControlRoom([0; 128]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `msghdr` is plain data; all zeroes is its empty value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = room.0.as_mut_ptr().cast();
    message.msg_controllen = room.0.len();
    let count = loop {
        // SAFETY: every pointer in `message` outlives the call and has the length given.
        let count =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
        match usize::try_from(count) {
            Ok(count) => break count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    };
    let received = take_descriptors(&message);
    if count == 0 {
        return Ok(None);
    }
    if count != buffer.len() || message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADMSG));
    }
    Ok(Some(received))
}

/// Adopts every descriptor of a received message, so that none leaks even if it is refused.
fn take_descriptors(message: &libc::msghdr) -> Received {
    let mut received = Received::default();
    let mut filled = 0;
    // SAFETY: the kernel filled `message`; the CMSG macros stay within its control length, and
    // every number in an SCM_RIGHTS payload is a fresh descriptor of ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*header).cmsg_len - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(header).cast::<RawFd>();
                for index in 0..bytes / size_of::<RawFd>() {
                    let fd = OwnedFd::from_raw_fd(data.add(index).read_unaligned());
                    if let Some(slot) = received.slots.get_mut(filled) {
                        *slot = Some(fd);
                        filled += 1;
                    }
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    received
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::fd;

    #[test]
    fn descriptors_travel_with_their_message_and_in_order() {
        let (here, there) = pair().unwrap();
        let (read_end, write_end) = fd::pipe().unwrap();
        send(
            here.as_fd(),
            b"four",
            &[read_end.as_fd(), write_end.as_fd()],
        )
        .unwrap();
        let mut buffer = [0; 4];
        let mut received = receive(there.as_fd(), &mut buffer).unwrap().unwrap();
        let (first, second) = (received.take().unwrap(), received.take().unwrap());
        assert!(!received.has_more() && received.take().is_err());
        fd::write_all(second.as_fd(), b"x").unwrap();
        let mut byte = [0];
        fd::read_exact(first.as_fd(), &mut byte).unwrap();
        assert_eq!((&buffer, &byte), (b"four", b"x"));
    }

    #[test]
    fn a_message_of_another_size_is_refused_and_a_gone_peer_is_none() {
        let (here, there) = pair().unwrap();
        send(here.as_fd(), b"five!", &[]).unwrap();
        assert!(receive(there.as_fd(), &mut [0; 4]).is_err());
        drop(here);
        assert!(receive(there.as_fd(), &mut [0; 4]).unwrap().is_none());
    }
}
