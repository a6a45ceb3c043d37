//! Descriptors: opening, moving, closing, pipes and sealed memory files.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use super::{check, check_long};

/// Opens `path` below `directory` (`None`: the working directory), close-on-exec.
/// Source: openat(2).
pub fn open_at(
    directory: Option<BorrowedFd<'_>>,
    path: &CStr,
    flags: i32,
    mode: u32,
) -> io::Result<OwnedFd> {
    let at = directory.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    // SAFETY: `path` is NUL-terminated and outlives the call.
    let fd = check(unsafe { libc::openat(at, path.as_ptr(), flags | libc::O_CLOEXEC, mode) })?;
    // SAFETY: the kernel has just made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens `path` below `directory` under `resolve` rules, so that no link leads out of it.
/// Source: openat2(2).
pub fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    resolve: u64,
) -> io::Result<OwnedFd> {
    // SAFETY: `open_how` is plain integers; all zeroes is its documented empty value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
    how.resolve = resolve;
    // SAFETY: `path` is NUL-terminated, `how` is initialised, its size is given.
    let fd = check_long(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    })?;
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A pipe: (read end, write end), close-on-exec. Source: pipe2(2).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors the kernel writes.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: both were just made and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Moves `fd` to the number `target`, which is closed first and is not close-on-exec afterwards.
pub fn move_to(fd: OwnedFd, target: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == target {
        let raw = fd.into_raw_fd();
        // SAFETY: F_SETFD takes an integer; the descriptor is ours.
        check(unsafe { libc::fcntl(raw, libc::F_SETFD, 0) })?;
        return Ok(());
    }
    // SAFETY: dup2 takes two integers; what `target` was is closed by intent.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) })?;
    Ok(())
}

/// A copy of `fd` with a number of at least `lowest`, close-on-exec.
pub fn duplicate_above(fd: BorrowedFd<'_>, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer and makes a new descriptor.
    let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest) })?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes the descriptor with this number as ours, if it is open.
///
/// Errors: `EBADF` when it is not open.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only reads.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: it is open, and by the contract of the kit (docs in `control`) it was handed to us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from `first` on. Source: close_range(2).
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: closing takes integers; callers do this where they own every descriptor.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    Ok(())
}

/// Leaves a descriptor open in programs that this process executes. Source: fcntl(2), `F_SETFD`.
pub fn keep_across_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer; the descriptor is borrowed and stays open.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) }).map(drop)
}

/// Makes reads and writes return instead of waiting.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_GETFL and F_SETFL take integers.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

/// Reads once. Source: read(2).
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is ours and its length is given.
    let count = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Writes once. Source: write(2).
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are ours and their length is given.
    let count = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Waits until one of them has something to read or has lost its other side; what each has is its
/// `POLL…` bits, all 0 after `timeout_ms` (-1 for none) or a signal. Source: poll(2).
pub fn poll<const N: usize>(fds: [BorrowedFd<'_>; N], timeout_ms: i32) -> io::Result<[i16; N]> {
    let mut asked = fds.map(|fd| libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: `asked` holds N entries, which the kernel reads and fills; N is a small constant.
    match check(unsafe { libc::poll(asked.as_mut_ptr(), N as libc::nfds_t, timeout_ms) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(asked.map(|one| one.revents)),
    }
}

/// Reads until the buffer is full.
///
/// Errors: `UnexpectedEof` when the other side closed before that.
pub fn read_exact(fd: BorrowedFd<'_>, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match read(fd, buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => buffer = &mut buffer[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes everything.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a small kernel file from its start. Source: pread(2).
pub fn read_at_start(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is ours and its length is given.
    let count = unsafe { libc::pread(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Free and total blocks and inodes of the file system that holds `fd`. Source: fstatfs(2).
pub fn file_system_room(fd: BorrowedFd<'_>) -> io::Result<Room> {
    // SAFETY: `statfs` is plain integers; the kernel fills it.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `found` has room for what the kernel writes.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut found) })?;
    Ok(Room {
        free_blocks: found.f_bfree,
        free_inodes: found.f_ffree,
    })
}

/// What is left of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Blocks of `f_bsize` bytes.
    pub free_blocks: u64,
    /// Files and folders.
    pub free_inodes: u64,
}

/// Seals after which nobody can change a memory file any more, nor take the seals off.
pub const ALL_SEALS: i32 =
    libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

/// An empty memory file that can be sealed, close-on-exec. Source: memfd_create(2).
pub fn memory_file() -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is static and NUL-terminated.
    let fd = check(unsafe { libc::memfd_create(c"hognose".as_ptr(), flags) })?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts [`ALL_SEALS`] on a memory file. Source: F_ADD_SEALS(2const).
pub fn seal(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_ADD_SEALS takes an integer.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, ALL_SEALS) })?;
    Ok(())
}

/// The seals that are on a memory file. Source: F_GET_SEALS(2const).
pub fn seals_of(file: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: F_GET_SEALS takes nothing.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) })
}

/// Makes a file this long; what is added is a hole. Unit: bytes. Source: ftruncate(2).
///
/// Errors: beyond `RLIMIT_FSIZE` the signal SIGXFSZ comes first.
pub fn set_length(file: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    let bytes = i64::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    // SAFETY: takes integers.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), bytes) })?;
    Ok(())
}

/// Whether this number is an open descriptor.
#[must_use]
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD only reads.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// A memory file with this content that nobody can change any more, at its start.
pub fn sealed_memory(content: &[u8]) -> io::Result<OwnedFd> {
    use std::io::{Seek, Write};
    let mut file = std::fs::File::from(memory_file()?);
    file.write_all(content)?;
    file.rewind()?;
    let file = OwnedFd::from(file);
    seal(std::os::fd::AsFd::as_fd(&file))?;
    Ok(file)
}

/// Writes a small kernel file from its start. Source: pwrite(2).
pub fn write_at_start(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the bytes are ours and their length is given.
    let count = unsafe { libc::pwrite(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
    match usize::try_from(count) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// What `fstat` says that matters for collecting. Source: fstat(2).
pub fn stat(fd: BorrowedFd<'_>) -> io::Result<libc::stat> {
    // SAFETY: `stat` is plain integers; the kernel fills it.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: AT_EMPTY_PATH with an empty string means the descriptor itself, O_PATH ones too.
    check(unsafe {
        libc::fstatat(
            fd.as_raw_fd(),
            c"".as_ptr(),
            &raw mut found,
            libc::AT_EMPTY_PATH,
        )
    })?;
    Ok(found)
}
