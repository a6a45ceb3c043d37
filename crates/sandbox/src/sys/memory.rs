//! Anonymous memory, and how faults on memory are served.

use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use super::{check, check_long};

/// Gives freed memory back to the kernel for good, instead of keeping it after a burst.
///
/// By itself glibc takes the largest block that was ever freed, up to 32 MiB, for the usual size:
/// from then on blocks of that size come from its heaps, each of which keeps twice that much. A
/// threshold that is set stays. Units: blocks from 128 KiB on, the threshold it begins with.
/// Source: mallopt(3), `M_MMAP_THRESHOLD`.
pub fn keep_heaps_small() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes integers, and may be called at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
    }
}

/// Gives the kernel back what lies free in this process's heaps: small blocks that a burst has left
/// between others. Takes the locks of all heaps. Source: malloc_trim(3).
pub fn trim_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes an integer, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Room for one `T`, zeroed, in a shared mapping of its own. Unmapped when dropped.
#[derive(Debug)]
pub struct SharedMemory<T> {
    address: NonNull<libc::c_void>,
    content: PhantomData<T>,
}

impl<T> SharedMemory<T> {
    /// Maps it. Pages cost memory once they are written. Source: mmap(2).
    pub fn new() -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: asks for new memory at a place of the kernel's choice.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), size_of::<T>(), access, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            address,
            content: PhantomData,
        })
    }

    /// What is there.
    ///
    /// # Safety
    /// All zeroes must be a `T`, and its alignment at most a page's.
    pub unsafe fn get_mut(&mut self) -> &mut T {
        // SAFETY: the mapping is as large as `T`, ours alone, and starts as zeroes; the rest is the
        // caller's promise.
        unsafe { self.address.cast().as_mut() }
    }
}

impl<T> Drop for SharedMemory<T> {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length and no borrow outlives `self`.
        unsafe { libc::munmap(self.address.as_ptr(), size_of::<T>()) };
    }
}

/// While this lives, a fault on the ranges given to it brings in one page and not its neighbours.
///
/// A side effect of watching memory with userfaultfd, asked for with nothing to watch.
/// Source: userfaultfd(2); `should_fault_around` in the kernel's mm/memory.c.
#[derive(Debug)]
pub struct ExactFaults(OwnedFd);

/// `struct uffdio_api` and `struct uffdio_register` of linux/userfaultfd.h.
#[repr(C)]
struct UffdApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct UffdRegister {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

const UFFD_USER_MODE_ONLY: libc::c_int = 1;
const UFFD_API: u64 = 0xaa;
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
/// Reports of writes to protected pages; none is ever protected.
const REGISTER_WRITES: u64 = 2;

impl ExactFaults {
    /// For no range yet.
    pub fn new() -> io::Result<Self> {
        let flags = libc::O_CLOEXEC | UFFD_USER_MODE_ONLY;
        // SAFETY: takes an integer and makes a descriptor.
        let fd = check_long(unsafe { libc::syscall(libc::SYS_userfaultfd, flags) })?;
        let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        // SAFETY: the kernel has just made it.
        let faults = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut api = UffdApi {
            api: UFFD_API,
            features: 0,
            ioctls: 0,
        };
        // SAFETY: the struct is the one this request takes.
        check(unsafe { libc::ioctl(faults.0.as_raw_fd(), UFFDIO_API, &raw mut api) })?;
        Ok(faults)
    }

    /// Adds whole mappings of this process. Unit: bytes, at page borders.
    pub fn add(&self, range: Range<usize>) -> io::Result<()> {
        let mut register = UffdRegister {
            start: range.start as u64,
            length: range.len() as u64,
            mode: REGISTER_WRITES,
            ioctls: 0,
        };
        // SAFETY: the struct is the one this request takes. Nothing is ever protected, so no fault
        // waits for an answer.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), UFFDIO_REGISTER, &raw mut register) })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_can_be_added_and_is_usable_afterwards() {
        let mut memory = SharedMemory::<[u8; 1 << 16]>::new().unwrap();
        // SAFETY: bytes.
        let bytes = unsafe { memory.get_mut() };
        let Ok(faults) = ExactFaults::new() else {
            return; // A kernel without userfaultfd; nothing depends on it.
        };
        let start = bytes.as_ptr().addr();
        faults.add(start..start + (1 << 16)).unwrap();
        bytes[5000] = 1;
        drop(faults);
        bytes[9000] = 2;
        assert_eq!((bytes[5000], bytes[9000], bytes[0]), (1, 2, 0));
    }
}
