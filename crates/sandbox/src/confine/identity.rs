//! Who the guest is: a uid nobody else has, in a user namespace with that one id.

use std::io;
use std::os::fd::AsFd;

use super::Text;
use crate::plan::Privilege;
use crate::sys::{fd, identity, process};

/// The guest's uid and gid as it sees them; an ordinary user's, too, in the namespace around it.
pub const INSIDE: u32 = 1000;

/// Takes the slot's uid. In the rootless tier there is only one, which we have.
pub(super) fn become_slot(privilege: Privilege, uid: u32) -> io::Result<()> {
    match privilege {
        Privilege::Root if uid == 0 => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        Privilege::Root => identity::become_user(uid, uid)?,
        Privilege::User => {}
    }
    // A change of uid makes /proc/self root's; the maps below are written through it.
    process::set_dumpable(true)
}

/// A user namespace of its own: the slot's uid is 1000 inside, and no other id exists.
/// Source: user_namespaces(7).
pub(super) fn enter_user_namespace(privilege: Privilege, uid: u32) -> io::Result<()> {
    let outside = match privilege {
        Privilege::Root => uid,
        Privilege::User => INSIDE,
    };
    process::unshare(libc::CLONE_NEWUSER)?;
    process::set_dumpable(true)?;
    let map = Text::format(format_args!("{INSIDE} {outside} 1"))?;
    for (path, content) in [
        (c"/proc/self/setgroups", b"deny".as_slice()),
        (c"/proc/self/uid_map", map.as_bytes()),
        (c"/proc/self/gid_map", map.as_bytes()),
    ] {
        let file = fd::open_at(None, path, libc::O_WRONLY, 0)?;
        fd::write_all(file.as_fd(), content)?;
    }
    Ok(())
}

/// Gives up every capability the new namespace has just given, for good.
pub(super) fn drop_capabilities() -> io::Result<()> {
    identity::shrink_bounding_set(0)?;
    identity::keep_capabilities(0)?;
    process::set_umask(0o022);
    process::set_dumpable(true)
}
