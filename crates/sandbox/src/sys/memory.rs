//! Anonymous memory.

use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;

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
