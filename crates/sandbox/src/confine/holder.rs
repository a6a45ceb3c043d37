//! The holder of a child's memory, so that nobody waits for that memory's end.
//!
//! The kernel takes an address space down when its last process leaves, and tells the parent of a
//! process's end only after that: most of a millisecond for a child with the scientific stack. With
//! a second process in that memory the first one's end is told at once. The second goes with the
//! namespace, when the answer is out.
//!
//! It shares memory with hostile code, so it has nothing that code has not: no descriptor, no
//! capability, and two system calls. Its uid is init's, so a guest neither sees nor signals it.
#![expect(
    unsafe_code,
    reason = "hands addresses of its own data to another process of this memory"
)]

use std::ffi::CStr;
use std::io;

use crate::sys::holder::{self, Call};
use crate::sys::{identity, process};

/// What a host's list of processes calls it.
const NAME: &CStr = c"hognose-holder";

/// Starts it as `uid`, unless that is 0, and returns once it has given up everything. Before that,
/// no byte of a program may be in this memory.
pub(super) fn start(uid: u32, filter: &[u8]) -> io::Result<()> {
    if uid == 0 {
        return Ok(());
    }
    let filter = process::filter_program(filter)?;
    let id = usize::try_from(uid).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (header, no_sets) = &identity::NO_CAPABILITIES;
    let address = |thing: *const libc::c_void| thing.addr();
    let calls = [
        Call::new(libc::SYS_close_range, [0, u32::MAX as usize, 0, 0]),
        Call::new(libc::SYS_setgroups, [0; 4]),
        Call::new(libc::SYS_setresgid, [id, id, id, 0]),
        Call::new(libc::SYS_setresuid, [id, id, id, 0]),
        Call::new(
            libc::SYS_capset,
            [
                address(std::ptr::from_ref(header).cast()),
                address(no_sets.as_ptr().cast()),
                0,
                0,
            ],
        ),
        Call::new(
            libc::SYS_prctl,
            [libc::PR_SET_NAME as usize, NAME.as_ptr().addr(), 0, 0],
        ),
        Call::new(
            libc::SYS_seccomp,
            [
                libc::SECCOMP_SET_MODE_FILTER as usize,
                0,
                address((&raw const filter).cast()),
                0,
            ],
        ),
    ];
    // SAFETY: the calls change descriptors, credentials, name and filter of the new process alone,
    // and read only what lives in this frame or for ever.
    unsafe { holder::start(&calls) }
}
