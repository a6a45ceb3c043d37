//! The sampler: looks at trees that no cgroup bounds, for a supervisor that may not.
//!
//! In the tier `nested` guests have uids of their own, and the supervisor has given up root: the
//! kernel shows it their times, but not their memory. This process keeps the one capability that
//! shows both. It takes process ids and answers with sums, so a supervisor that is taken over
//! learns numbers from it and nothing else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::control::{Plain, SampleReply, SampleRequest};
use crate::sample;
use crate::sys::{self, fd, identity, process, socket};

/// Runs in a fresh fork until the supervisor closes its end; never returns. `uid` is one that no
/// guest has.
pub fn run(supervisor: OwnedFd, uid: u32) -> ! {
    let status = i32::from(serve(&supervisor, uid).is_err());
    process::exit(status)
}

fn serve(supervisor: &OwnedFd, uid: u32) -> io::Result<()> {
    process::set_name(c"hognose-sampler")?;
    // Nothing of the spawner's may stay open, its socket and the block's lock least of all.
    let high = fd::duplicate_above(supervisor.as_fd(), 64)?;
    fd::move_to(high, 0)?;
    fd::close_from(1)?;
    let supervisor = fd::adopt(0)?;
    identity::keep_permitted_across_user_change()?;
    identity::become_user(uid, uid)?;
    identity::keep_capabilities(1 << identity::capability::SYS_PTRACE)?;
    process::no_new_privileges()?;
    process::set_dumpable(false)?;
    let mut request = SampleRequest::zeroed();
    while socket::receive(supervisor.as_fd(), request.bytes_mut())?.is_some() {
        socket::send(supervisor.as_fd(), answer(request).bytes(), &[])?;
    }
    Ok(())
}

fn answer(request: SampleRequest) -> SampleReply {
    match sample::tree(request.first, request.init, request.memory_bytes) {
        Ok(sample) => SampleReply {
            memory_bytes: sample.memory_bytes,
            cpu_us: u64::try_from(sample.cpu.as_micros()).unwrap_or(u64::MAX),
            ..SampleReply::zeroed()
        },
        Err(error) => SampleReply {
            errno: sys::errno_of(&error),
            ..SampleReply::zeroed()
        },
    }
}
