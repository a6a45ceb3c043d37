//! Mounts.

use std::ffi::CStr;
use std::io;

use super::{check, check_long, pointer};

/// Mount flags by their kernel names. Source: mount(2).
#[expect(missing_docs, reason = "the kernel's names")]
pub mod flag {
    pub const READ_ONLY: u64 = libc::MS_RDONLY;
    pub const NO_SUID: u64 = libc::MS_NOSUID;
    pub const NO_DEVICES: u64 = libc::MS_NODEV;
    pub const NO_EXEC: u64 = libc::MS_NOEXEC;
    pub const REMOUNT: u64 = libc::MS_REMOUNT;
    pub const BIND: u64 = libc::MS_BIND;
    pub const RECURSIVE: u64 = libc::MS_REC;
    pub const PRIVATE: u64 = libc::MS_PRIVATE;
}

/// Mounts `source` of type `kind` on `target`. Source: mount(2).
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> io::Result<()> {
    // SAFETY: every string is NUL-terminated and outlives the call, or null where that is allowed.
    check(unsafe {
        libc::mount(
            pointer(source),
            target.as_ptr(),
            pointer(kind),
            flags,
            pointer(data).cast(),
        )
    })?;
    Ok(())
}

/// Takes a mount out of the tree; what still uses it keeps it. Source: umount2(2), MNT_DETACH.
pub fn detach(target: &CStr) -> io::Result<()> {
    // SAFETY: NUL-terminated and outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })?;
    Ok(())
}

/// Makes the working directory the root and stacks the old root on it. Source: pivot_root(2), Notes.
pub fn pivot_here() -> io::Result<()> {
    // SAFETY: both strings are static.
    check_long(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    Ok(())
}

/// Changes the working directory.
pub fn change_directory(path: &CStr) -> io::Result<()> {
    // SAFETY: NUL-terminated and outlives the call.
    check(unsafe { libc::chdir(path.as_ptr()) })?;
    Ok(())
}

/// Makes a directory.
pub fn make_directory(path: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: NUL-terminated and outlives the call.
    check(unsafe { libc::mkdir(path.as_ptr(), mode) })?;
    Ok(())
}

/// Gives a path to another owner; links are not followed.
pub fn change_owner(path: &CStr, uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: NUL-terminated and outlives the call.
    check(unsafe { libc::lchown(path.as_ptr(), uid, gid) })?;
    Ok(())
}

/// Flags that the mount holding `path` has and that a rootless remount must repeat.
/// Source: statvfs(3), mount_namespaces(7) (locked flags).
pub fn flags_of(path: &CStr) -> io::Result<u64> {
    // SAFETY: plain integers that the call fills.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is NUL-terminated; `found` has room.
    check(unsafe { libc::statvfs(path.as_ptr(), &raw mut found) })?;
    // ST_RDONLY, ST_NOSUID, ST_NODEV, ST_NOEXEC, ST_NOATIME, ST_NODIRATIME, ST_RELATIME have the
    // values of their MS_ namesakes except the last.
    let same = found.f_flag
        & (libc::ST_RDONLY
            | libc::ST_NOSUID
            | libc::ST_NODEV
            | libc::ST_NOEXEC
            | libc::ST_NOATIME
            | libc::ST_NODIRATIME);
    let relatime = if found.f_flag & libc::ST_RELATIME != 0 {
        libc::MS_RELATIME
    } else {
        0
    };
    Ok(same | relatime)
}
