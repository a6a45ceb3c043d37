//! Resource limits: the second belt behind cgroups, and the first one without them.

use std::io;

use crate::control::{ForkRequest, LeaseHeader};
use crate::sys::process::{limit, limits_of};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What holds for every guest. Source: security/REPORT.md, section 6.
pub(super) fn apply(request: &ForkRequest) -> io::Result<()> {
    limit(libc::RLIMIT_CORE, 0, 0)?;
    limit(libc::RLIMIT_NOFILE, 1024, 1024)?;
    limit(libc::RLIMIT_STACK, 8 * MIB, 64 * MIB)?;
    limit(libc::RLIMIT_MEMLOCK, 64 * KIB, 64 * KIB)?;
    limit(libc::RLIMIT_MSGQUEUE, 0, 0)?;
    limit(libc::RLIMIT_SIGPENDING, 1024, 1024)?;
    limit(libc::RLIMIT_NICE, 0, 0)?;
    limit(libc::RLIMIT_RTPRIO, 0, 0)?;
    // The namespace counts its own processes; init is not among them. Source: clone3(2), EAGAIN.
    limit(
        libc::RLIMIT_NPROC,
        request.processes.into(),
        request.processes.into(),
    )?;
    if request.data_bytes > 0 {
        limit(libc::RLIMIT_DATA, request.data_bytes, request.data_bytes)?;
    }
    Ok(())
}

/// What the caller decides, lowered when the child is given away.
pub(super) fn lower(header: &LeaseHeader) -> io::Result<()> {
    limit(libc::RLIMIT_FSIZE, header.file_bytes, header.file_bytes)?;
    // The host may have been started below a bound of its own, which nobody can raise.
    let (_, bound) = limits_of(libc::RLIMIT_CPU)?;
    let most = header.cpu_most_seconds.min(bound);
    limit(libc::RLIMIT_CPU, header.cpu_seconds.min(most), most)?;
    limit(libc::RLIMIT_NPROC, header.processes, header.processes)?;
    if header.data_bytes > 0 {
        limit(libc::RLIMIT_DATA, header.data_bytes, header.data_bytes)?;
    }
    Ok(())
}
