//! Who a process is: uids, gids and capabilities.

use std::io;

use super::{check, check_long};

/// Capability numbers that the kit keeps for a while. Source: capabilities(7).
#[expect(missing_docs, reason = "the kernel's names")]
pub mod capability {
    pub const CHOWN: u32 = 0;
    pub const SETGID: u32 = 6;
    pub const SETUID: u32 = 7;
    pub const SETPCAP: u32 = 8;
    pub const SYS_PTRACE: u32 = 19;
    pub const SYS_ADMIN: u32 = 21;
}

/// Effective uid.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

/// Effective gid.
#[must_use]
pub fn effective_gid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::getegid() }
}

/// Becomes `uid` and `gid` for good (real, effective, saved), with no supplementary groups.
///
/// In the raw calls only this thread changes: the caller has one thread.
/// Source: setresuid(2), setgroups(2).
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: no group is read from the null list of length 0; the others take integers.
    unsafe {
        check_long(libc::syscall(
            libc::SYS_setgroups,
            0,
            std::ptr::null::<libc::gid_t>(),
        ))?;
        check_long(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        check_long(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
    }
    Ok(())
}

/// Becomes `uid` and `gid` for good in every thread of this process. Not async-signal-safe.
pub fn become_user_everywhere(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: glibc's wrappers change all threads; no group is read from the list of length 0.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(gid, gid, gid))?;
        check(libc::setresuid(uid, uid, uid))?;
    }
    Ok(())
}

/// Takes every capability outside `kept` (a bit per number) from the bounding set.
pub fn shrink_bounding_set(kept: u64) -> io::Result<()> {
    for number in 0..64_u32 {
        if kept & (1 << number) != 0 {
            continue;
        }
        // SAFETY: takes integers.
        match check(unsafe {
            libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0)
        }) {
            Ok(_) => {}
            // Past the last capability of this kernel.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `cap_user_header_t`.
#[repr(C)]
pub(crate) struct Header {
    version: u32,
    pid: i32,
}

/// `cap_user_data_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// This process, in the version with two blocks of 32 bits: `_LINUX_CAPABILITY_VERSION_3`.
const HEADER: Header = Header {
    version: 0x2008_0522,
    pid: 0,
};

/// The arguments with which capset(2) gives up everything.
pub(crate) static NO_CAPABILITIES: (Header, [Sets; 2]) = (
    HEADER,
    [Sets {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2],
);

/// Sets permitted and effective capabilities to `kept` and inheritable to none. Source: capset(2).
pub fn keep_capabilities(kept: u64) -> io::Result<()> {
    set_capabilities(kept, 0)
}

/// Keeps the permitted capabilities when root becomes another user; the effective ones go all the
/// same. Source: PR_SET_KEEPCAPS(2const).
pub fn keep_permitted_across_user_change() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })?;
    Ok(())
}

/// Keeps `kept` across the next exec although we are not root there: ambient capabilities.
/// Source: capabilities(7), PR_CAP_AMBIENT(2const).
pub fn keep_across_exec(kept: u64) -> io::Result<()> {
    set_capabilities(kept, kept)?;
    for number in (0..64_u32).filter(|number| kept & (1 << number) != 0) {
        let raise = libc::PR_CAP_AMBIENT_RAISE;
        // SAFETY: takes integers.
        check(unsafe {
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                raise,
                libc::c_ulong::from(number),
                0,
                0,
            )
        })?;
    }
    Ok(())
}

fn set_capabilities(kept: u64, inheritable: u64) -> io::Result<()> {
    let header = HEADER;
    let half =
        |set: u64, index: u32| u32::try_from((set >> (32 * index)) & 0xffff_ffff).unwrap_or(0);
    let sets = [0, 1].map(|index| Sets {
        effective: half(kept, index),
        permitted: half(kept, index),
        inheritable: half(inheritable, index),
    });
    // SAFETY: header and the two blocks that version 3 demands are initialised.
    check_long(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) })?;
    Ok(())
}
