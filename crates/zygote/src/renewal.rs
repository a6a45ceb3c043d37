//! What every child is given of its own before any Python runs in it: random states and files.
//!
//! `guest/randomness.py` and `guest/prepare.py` say in the zygote what that is. The same done in
//! Python would make each child copy dozens of pages. Failing ends the child: a random state that
//! was not renewed is shared by all.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, PoisonError};

/// Noted by the zygote, in order.
static NOTED: Mutex<Vec<Renewal>> = Mutex::new(Vec::new());

enum Renewal {
    /// Fresh random bytes at this address, so many.
    Random {
        address: usize,
        length: usize,
    },
    Folder(CString),
    Link {
        target: CString,
        name: CString,
    },
}

fn note(renewal: Renewal) {
    let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    noted.push(renewal);
}

/// Fills this memory with random bytes in every child.
///
/// # Safety
/// The memory stays where it is, is writable, and any content is a valid one.
pub(crate) unsafe fn note_memory(address: usize, length: usize) {
    note(Renewal::Random { address, length });
}

/// Makes this folder in every child.
pub(crate) fn note_folder(name: CString) {
    note(Renewal::Folder(name));
}

/// Makes this symbolic link in every child.
pub(crate) fn note_link(target: CString, name: CString) {
    note(Renewal::Link { target, name });
}

/// Does it all, in a confined child. Allocates nothing.
pub(crate) fn renew() -> io::Result<()> {
    let noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    noted.iter().try_for_each(|renewal| match renewal {
        Renewal::Random { address, length } => fill(*address, *length),
        Renewal::Folder(name) => std::fs::create_dir(path(name)),
        Renewal::Link { target, name } => std::os::unix::fs::symlink(path(target), path(name)),
    })
}

fn path(text: &CString) -> &OsStr {
    OsStr::from_bytes(text.as_bytes())
}

/// Source: getrandom(2): up to 256 bytes come whole; more can be cut short by a signal.
fn fill(address: usize, length: usize) -> io::Result<()> {
    let mut done = 0;
    while done < length {
        let place = std::ptr::with_exposed_provenance_mut(address + done);
        // SAFETY: the promise of `note_memory`.
        match unsafe { libc::getrandom(place, length - done, 0) } {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            count => done += count.cast_unsigned(),
        }
    }
    Ok(())
}
