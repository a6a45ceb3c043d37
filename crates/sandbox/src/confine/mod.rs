//! The one order in which a child is confined, for root and for an ordinary user.
//!
//! Runs between `clone3` and the first Python instruction: it allocates nothing, parses nothing
//! and fails closed. Whoever wants to know whether untrusted code can get out reads [`confine`].
//! Between [`confine`] and [`await_lease`] only our own Python runs, and it reads nothing.

mod cgroup;
mod descriptors;
mod holder;
mod identity;
mod landlock;
mod limits;
mod text;
mod workdir;

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::control::{ChildStatus, ForkRequest, LeaseHeader, Plain, step};
use crate::plan::ConfinePlan;
use crate::sys::{self, fd, process, socket};

pub use identity::INSIDE;
pub use text::Text;

/// Hierarchies a child can be told to join.
pub const MOST_CGROUPS: usize = 4;

/// Descriptors handed to a child, before they have their final numbers.
#[derive(Debug)]
pub struct Descriptors {
    /// Becomes 0.
    pub stdin: OwnedFd,
    /// Becomes 1.
    pub stdout: OwnedFd,
    /// Becomes 2.
    pub stderr: OwnedFd,
    /// Becomes 3: the report pipe, write end.
    pub report: OwnedFd,
    /// Becomes 4: the request pipe, read end. The runner closes it before user code.
    pub request: OwnedFd,
    /// Where the child says how far it came; closed before user code.
    pub status: OwnedFd,
    /// What joins each pooled cgroup.
    pub procs: [Option<OwnedFd>; MOST_CGROUPS],
}

/// Why a child could not be confined. It must leave at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// One of [`step`].
    pub step: u32,
    /// What the kernel said.
    pub errno: i32,
}

/// Names the step in which an error happened.
fn at<T>(step: u32, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure {
        step,
        errno: sys::errno_of(&error),
    })
}

/// Confines this process for good. What is left of its limits is lowered in [`await_lease`].
///
/// The order, and why each line is not earlier:
/// 1. cgroups first, so that everything after is charged to the slot;
/// 2. the cgroup namespace shows the slot as its root, so after joining;
/// 3. mounts while we still may mount; the output folder is opened while its path is certain;
/// 4. a private `/proc`, which the user namespace's maps need;
/// 5. a session of its own, so that no signal to a group reaches the host;
/// 6. the holder of this memory, which takes another uid and so needs root;
/// 7. the slot's uid, for which mounts would be too late;
/// 8. a user namespace with that one id: needs the uid, and `/proc` to write the map;
/// 9. no capabilities, in the namespace that has just given them all;
/// 10. limits, counted from here on in the namespace's own counters;
/// 11. Landlock forbids mounting, so after all mounts, and needs no-new-privileges (the launcher's);
/// 12. descriptors, when nothing else needs one;
/// 13. the filter takes away every call used so far, so it is the last layer;
/// 14. the self-test, which needs the filter;
/// 15. what only the supervisor keeps leaves, the filter's listener among it.
pub fn confine(
    plan: &ConfinePlan,
    request: &ForkRequest,
    given: Descriptors,
) -> Result<(), Failure> {
    // `arrange` closes this copy with all others, whatever its number.
    let status = ManuallyDrop::new(at(
        step::DESCRIPTORS,
        fd::duplicate_above(given.status.as_fd(), 64),
    )?);
    let result = steps(plan, request, given, status.as_fd());
    if let Err(failure) = result {
        let told = ChildStatus {
            errno: failure.errno,
            step: failure.step,
        };
        let early = socket::send(status.as_fd(), told.bytes(), &[]);
        let _ = early.or_else(|_| fd::write_all(descriptors::take_status()?.as_fd(), told.bytes()));
    }
    result
}

fn steps(
    plan: &ConfinePlan,
    request: &ForkRequest,
    given: Descriptors,
    status: BorrowedFd<'_>,
) -> Result<(), Failure> {
    at(step::CGROUP, cgroup::join(&given.procs))?;
    at(
        step::CGROUP_NAMESPACE,
        process::unshare(libc::CLONE_NEWCGROUP),
    )?;
    if plan.landlock_abi < landlock::SCOPES_ABI {
        // Siblings share their zygote's network namespace; only Landlock's scopes keep abstract
        // sockets apart in it.
        at(step::NETWORK, process::unshare(libc::CLONE_NEWNET))?;
    }
    let output = at(step::WORKDIR, workdir::mount(request))?;
    at(step::PROC, workdir::mount_proc())?;
    let mounts = at(step::PROC, workdir::own_mounts())?;
    at(step::SESSION, process::new_session())?;
    at(
        step::HOLDER,
        holder::start(request.holder_uid, &plan.holder_filter),
    )?;
    at(
        step::IDENTITY,
        identity::become_slot(plan.privilege, request.uid),
    )?;
    at(step::PROC, cgroup::prefer_for_oom())?;
    at(
        step::USER_NAMESPACE,
        identity::enter_user_namespace(plan.privilege, request.uid),
    )?;
    at(step::CAPABILITIES, identity::drop_capabilities())?;
    at(step::RLIMITS, limits::apply(request))?;
    at(step::LANDLOCK, landlock::restrict(plan.landlock_abi))?;
    let leaving = at(
        step::DESCRIPTORS,
        descriptors::arrange(given, status, [output, mounts]),
    )?;
    let listener = at(step::SECCOMP, filter(plan))?;
    at(step::SELF_TEST, self_test())?;
    at(step::DESCRIPTORS, give_away(leaving, listener))
}

/// Installs the last filter; its listener, where it may have one.
fn filter(plan: &ConfinePlan) -> io::Result<Option<OwnedFd>> {
    if plan.listener {
        process::install_announcing_filter(&plan.child_filter).map(Some)
    } else {
        process::install_filter(&plan.child_filter).map(|()| None)
    }
}

/// Sends the supervisor what only it keeps, and closes it here.
fn give_away(leaving: [OwnedFd; 2], listener: Option<OwnedFd>) -> io::Result<()> {
    let told = ChildStatus {
        errno: 0,
        step: step::DESCRIPTORS,
    };
    let [output, mounts] = &leaving;
    let both = [output.as_fd(), mounts.as_fd()];
    descriptors::with_status(|status| match &listener {
        None => socket::send(status, told.bytes(), &both),
        Some(listener) => socket::send(status, told.bytes(), &[both[0], both[1], listener.as_fd()]),
    })
}

/// Tries what a confined process must not be able to do.
///
/// Errors: `ENOTRECOVERABLE` when one of them worked.
fn self_test() -> io::Result<()> {
    let escaped = process::unshare(libc::CLONE_NEWUSER).is_ok()
        || sys::mount::detach(c"/code").is_ok()
        || sys::identity::become_user(0, 0).is_ok();
    if escaped {
        Err(io::Error::from_raw_os_error(libc::ENOTRECOVERABLE))
    } else {
        Ok(())
    }
}

/// Says that this child is ready, waits until the supervisor gives it away, then lowers what only
/// the caller decides.
///
/// The last native step before the first byte of the request is read. The status socket is closed
/// when this returns.
pub fn await_lease() -> Result<(), Failure> {
    let told = ChildStatus {
        errno: 0,
        step: step::READY,
    };
    let status = at(step::READY, descriptors::take_status())?;
    at(step::READY, fd::write_all(status.as_fd(), told.bytes()))?;
    drop(status);
    let mut header = LeaseHeader::zeroed();
    // Descriptor 4 is the request pipe since `arrange`; the header stands before the request.
    at(
        step::LEASE,
        descriptors::with_request(|pipe| fd::read_exact(pipe, header.bytes_mut())),
    )?;
    at(step::LEASE, limits::lower(&header))
}
