//! Landlock: everything is denied but reading the tree and writing the workdir.
//!
//! Rules name inodes, so the fresh tmpfs needs its own; the ruleset is made per child. Without
//! Landlock (ABI 0) every other layer still holds, and the doctor says so.

use std::io;
use std::os::fd::AsFd;

use crate::sys::fd;
use crate::sys::landlock::{self, right};

/// From this ABI on abstract sockets and signals stay within the domain.
pub(super) const SCOPES_ABI: u32 = 6;

const READ: u64 = right::READ_FILE | right::READ_DIR | right::EXECUTE;

const WRITE: u64 = right::READ_FILE
    | right::READ_DIR
    | right::WRITE_FILE
    | right::TRUNCATE
    | right::REMOVE_FILE
    | right::REMOVE_DIR
    | right::MAKE_REG
    | right::MAKE_DIR
    | right::MAKE_SYM
    | right::MAKE_FIFO
    | right::MAKE_SOCK
    | right::REFER;

/// Restricts this process. TCP, abstract sockets and signals to the outside are denied whole where
/// the ABI knows them.
pub(super) fn restrict(abi: u32) -> io::Result<()> {
    if abi == 0 {
        return Ok(());
    }
    let abi = i64::from(abi);
    let ruleset = landlock::create(abi)?;
    let rules = [
        (c"/", READ),
        (c"/dev", READ | right::WRITE_FILE),
        (c"/code", WRITE),
        (c"/tmp", WRITE),
        (c"/dev/shm", WRITE),
    ];
    for (path, rights) in rules {
        let directory = fd::open_at(None, path, libc::O_PATH | libc::O_DIRECTORY, 0)?;
        landlock::allow(
            ruleset.as_fd(),
            directory.as_fd(),
            rights & landlock::all_rights(abi),
        )?;
    }
    landlock::restrict(ruleset.as_fd())
}
