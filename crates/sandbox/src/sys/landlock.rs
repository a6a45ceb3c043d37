//! Landlock: a process gives up rights over files, TCP and signals for good.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check_long;

/// File-system rights. Source: linux/landlock.h.
#[expect(missing_docs, reason = "the kernel's names")]
pub mod right {
    pub const EXECUTE: u64 = 1;
    pub const WRITE_FILE: u64 = 1 << 1;
    pub const READ_FILE: u64 = 1 << 2;
    pub const READ_DIR: u64 = 1 << 3;
    pub const REMOVE_DIR: u64 = 1 << 4;
    pub const REMOVE_FILE: u64 = 1 << 5;
    pub const MAKE_DIR: u64 = 1 << 7;
    pub const MAKE_REG: u64 = 1 << 8;
    pub const MAKE_SOCK: u64 = 1 << 9;
    pub const MAKE_FIFO: u64 = 1 << 10;
    pub const MAKE_SYM: u64 = 1 << 12;
    pub const REFER: u64 = 1 << 13;
    pub const TRUNCATE: u64 = 1 << 14;
}

#[repr(C)]
struct RulesetAttributes {
    access_fs: u64,
    access_net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: RawFd,
}

/// The kernel's Landlock ABI; 0 when it has none. Source: landlock_create_ruleset(2).
#[must_use]
pub fn abi() -> i64 {
    // SAFETY: null attributes with LANDLOCK_CREATE_RULESET_VERSION (1) only asks for the version.
    unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0,
            1,
        )
    }
    .max(0)
}

/// Every file-system right that `abi` knows.
#[must_use]
pub fn all_rights(abi: i64) -> u64 {
    let bits = match abi {
        ..=0 => 0,
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        5.. => 16,
    };
    (1 << bits) - 1
}

/// A ruleset that handles everything `abi` can: files, TCP, abstract sockets and signals.
/// Without a rule all of it is denied.
pub fn create(abi: i64) -> io::Result<OwnedFd> {
    let attributes = RulesetAttributes {
        access_fs: all_rights(abi),
        access_net: if abi >= 4 { 3 } else { 0 },
        scoped: if abi >= 6 { 3 } else { 0 },
    };
    let size = match abi {
        ..=3 => 8,
        4 | 5 => 16,
        6.. => 24,
    };
    // SAFETY: the kernel reads `size` bytes of an initialised struct.
    let fd = check_long(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size,
            0,
        )
    })?;
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows `rights` on everything below `directory`.
pub fn allow(ruleset: BorrowedFd<'_>, directory: BorrowedFd<'_>, rights: u64) -> io::Result<()> {
    let rule = PathBeneath {
        allowed: rights,
        parent: directory.as_raw_fd(),
    };
    // SAFETY: rule type 1 is LANDLOCK_RULE_PATH_BENEATH, whose struct is initialised.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            1,
            &raw const rule,
            0,
        )
    })?;
    Ok(())
}

/// Puts this process and what it starts under the ruleset. Irreversible; needs no-new-privileges.
pub fn restrict(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes integers.
    check_long(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })?;
    Ok(())
}
