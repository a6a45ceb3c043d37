//! Pid 1 of a slot's pid namespace: it waits for its lifeline to end, and takes all with it.
//!
//! The lifeline is a pipe whose other end only the supervisor holds. When the supervisor closes
//! it, or dies by whatever means, this process leaves and the kernel kills the whole namespace.

use std::os::fd::{AsFd, OwnedFd};

use crate::sys::{fd, identity, process};

/// Runs in a fresh fork that is pid 1 of its namespace; never returns.
///
/// `uid` is a uid no guest has, or `None` where there is only one.
pub fn run(lifeline: OwnedFd, uid: Option<u32>) -> ! {
    let _ = hold(&lifeline, uid);
    process::exit(0)
}

fn hold(lifeline: &OwnedFd, uid: Option<u32>) -> std::io::Result<()> {
    process::set_name(c"hognose-init")?;
    process::new_session()?;
    process::ignore_children();
    let lifeline = fd::duplicate_above(lifeline.as_fd(), 3)?;
    // Everything else of the spawner's is closed: only the lifeline may keep this process alive.
    fd::move_to(lifeline, 0)?;
    fd::close_from(1)?;
    if let Some(uid) = uid {
        identity::become_user(uid, uid)?;
    }
    identity::keep_capabilities(0)?;
    process::no_new_privileges()?;
    // After the last change of credentials, which would set it back.
    process::set_dumpable(false)?;
    let lifeline = fd::adopt(0)?;
    let mut byte = [0];
    while matches!(fd::read(lifeline.as_fd(), &mut byte), Err(error) if error.kind() == std::io::ErrorKind::Interrupted)
    {
    }
    Ok(())
}
