//! The C heap of the zygote before its snapshot.

use std::ffi::c_void;

/// From large to small, so that a large hole is not cut into small ones.
const SIZES: [usize; 18] = [
    1 << 20,
    1 << 18,
    1 << 16,
    1 << 14,
    1 << 13,
    1 << 12,
    1 << 11,
    1 << 10,
    512,
    384,
    256,
    192,
    128,
    96,
    64,
    48,
    32,
    16,
];
/// Allocations of one size; a heap with more holes keeps the rest.
const MOST: usize = 200_000;

/// Allocates every free place below the top of the heap, for good.
///
/// A heap that has seen many imports has thousands of free places, each on another page and linked
/// to its neighbours on others. A child would be given those first and copy several pages for each.
/// Afterwards new memory comes from the top, side by side.
pub(crate) fn fill_holes() {
    for size in SIZES {
        // It stays until something is taken from it. To ask takes as long as there are holes.
        let top = heap_end().saturating_sub(top_bytes() + size + 64);
        for _ in 0..MOST {
            // SAFETY: any size may be asked for.
            let place = unsafe { libc::malloc(size) };
            if place.is_null() {
                return;
            }
            if place.addr() >= top {
                // From the top, or a mapping of its own: no hole of this size is left.
                // SAFETY: it was just allocated and nobody has it.
                unsafe { libc::free(place) };
                break;
            }
        }
    }
}

/// Where the heap ends. Source: sbrk(2).
fn heap_end() -> usize {
    // SAFETY: asks for no change.
    unsafe { libc::sbrk(0) }.cast::<c_void>().addr()
}

/// Free bytes at the top. Source: mallinfo2(3), `keepcost`.
fn top_bytes() -> usize {
    // SAFETY: takes nothing and reads the allocator's own numbers.
    unsafe { libc::mallinfo2() }.keepcost
}
