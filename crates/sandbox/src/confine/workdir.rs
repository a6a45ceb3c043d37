//! The private, writable part of the tree: one tmpfs behind `/code`, `/tmp` and `/dev/shm`.
//!
//! One tmpfs, so that one cap on bytes and one on inodes holds for all three. No execution, no
//! set-uid, no devices. It is reached only through its binds; dropping the mount namespace frees it.

use std::io;
use std::os::fd::OwnedFd;

use super::Text;
use crate::control::ForkRequest;
use crate::sys::{fd, mount};

/// Where the tmpfs is put together; an empty directory of the read-only root.
const STAGE: &std::ffi::CStr = c"/mnt";

/// Mounts the workdir and opens its output folder, whose path is certain only now.
pub(super) fn mount(request: &ForkRequest) -> io::Result<OwnedFd> {
    let flags = mount::flag::NO_SUID | mount::flag::NO_DEVICES | mount::flag::NO_EXEC;
    let options = Text::format(format_args!(
        "size={},nr_inodes={},mode=0755",
        request.workdir_bytes, request.workdir_inodes
    ))?;
    mount::mount(
        Some(c"workdir"),
        STAGE,
        Some(c"tmpfs"),
        flags,
        Some(options.as_c_str()?),
    )?;
    let folders = [
        c"/mnt/code",
        c"/mnt/code/input",
        c"/mnt/code/output",
        c"/mnt/tmp",
        c"/mnt/shm",
    ];
    for folder in folders {
        mount::make_directory(folder, 0o755)?;
    }
    mount::make_directory(c"/mnt/empty", 0o555)?;
    // Once given away, a folder is closed to us: the zygote cannot override file permissions.
    for folder in folders.into_iter().filter(|_| request.uid != 0) {
        mount::change_owner(folder, request.uid, request.uid)?;
    }
    // The last one covers the tmpfs itself. Taking it down would wait for the whole kernel.
    for (folder, place) in [
        (c"/mnt/code", c"/code"),
        (c"/mnt/tmp", c"/tmp"),
        (c"/mnt/shm", c"/dev/shm"),
        (c"/mnt/empty", STAGE),
    ] {
        mount::mount(Some(folder), place, None, mount::flag::BIND, None)?;
    }
    let output = fd::open_at(
        None,
        c"/code/output",
        libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW,
        0,
    )?;
    mount::change_directory(c"/code")?;
    Ok(output)
}

/// A proc that shows this pid namespace alone, and in it only what this uid may trace.
/// Source: proc(5), `hidepid` and `subset`.
pub(super) fn mount_proc() -> io::Result<()> {
    let flags = mount::flag::NO_SUID | mount::flag::NO_DEVICES | mount::flag::NO_EXEC;
    mount::mount(
        Some(c"proc"),
        c"/proc",
        Some(c"proc"),
        flags,
        Some(c"hidepid=2,subset=pid"),
    )
}

/// The mount namespace itself, for the supervisor to hold: taking its mounts down waits for the
/// whole kernel, which would keep the end of this process from being seen.
pub(super) fn own_mounts() -> io::Result<OwnedFd> {
    fd::open_at(None, c"/proc/self/ns/mnt", libc::O_RDONLY, 0)
}
