//! Pid 1 of a slot's pid namespace: it waits for its lifeline to end, and takes all with it.
//!
//! The lifeline is a pipe whose other end only the supervisor holds. When the supervisor closes
//! it, or dies by whatever means, this process leaves and the kernel kills the whole namespace.
//! Until then it waits for the orphans of the program one by one: the kernel adds the CPU time of a
//! child to its parent only when the parent waits, and without cgroups nobody else counts it.

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
    let lifeline = fd::duplicate_above(lifeline.as_fd(), 3)?;
    // Everything else of the spawner's is closed: only the lifeline may keep this process alive.
    fd::move_to(lifeline, 0)?;
    fd::close_from(1)?;
    // Whoever started us may have had it ignored, and then the kernel would count nothing.
    process::default_signal(libc::SIGCHLD);
    let ends = process::watch_children()?;
    if let Some(uid) = uid {
        identity::become_user(uid, uid)?;
    }
    identity::keep_capabilities(0)?;
    process::no_new_privileges()?;
    // After the last change of credentials, which would set it back.
    process::set_dumpable(false)?;
    let lifeline = fd::adopt(0)?;
    let mut more = false;
    loop {
        // The lifeline is looked at before each orphan: a program that makes them without end must
        // not keep this process from leaving.
        let timeout = if more { 0 } else { -1 };
        let [cut, ended] = fd::poll([lifeline.as_fd(), ends.as_fd()], timeout)?;
        if cut != 0 {
            return Ok(());
        }
        if ended != 0 {
            fd::read(ends.as_fd(), &mut [0; size_of::<libc::signalfd_siginfo>()])?;
        }
        more = process::reap_any();
    }
}
