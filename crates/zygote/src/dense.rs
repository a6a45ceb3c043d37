//! A small heap that puts CPython's objects side by side.
//!
//! A child copies every page it writes, and CPython writes to the count of each object it meets.
//! CPython's own allocator keeps pages apart by size, so that what is made and used together lies
//! on dozens of them. Our own code's objects and what a child allocates first lie here instead.
//! CPython's allocator serves all that is larger, and all when this heap is used up.
//!
//! Only the thread that installed it is served, without a lock: interpreters that hold a lock of
//! their own may run in others. What another thread frees of it is not used again.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::ptr;

use crate::raw;

/// Unit of length and alignment. Source: Objects/obmalloc.c, `ALIGNMENT`.
const GRANULE: usize = 16;
/// Granules in all: 1 MiB.
const GRANULES: usize = 1 << 16;
/// Blocks of at most this many granules are used again when they are freed. Source: as above,
/// `SMALL_REQUEST_THRESHOLD`.
const SMALL: usize = 32;
/// Domains that CPython serves from its own heap. Source: pymem.h, `PYMEM_DOMAIN_MEM` and `_OBJ`.
const DOMAINS: [c_int; 2] = [1, 2];

/// Source: `PyMemAllocatorEx` in CPython's pymem.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct Allocator {
    context: *mut c_void,
    allocate: extern "C" fn(*mut c_void, usize) -> *mut c_void,
    allocate_zeroed: extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    resize: extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    free: extern "C" fn(*mut c_void, *mut c_void),
}

/// `PyMem_GetAllocator` and `PyMem_SetAllocator`, which have one type.
pub(crate) type Exchange = extern "C" fn(c_int, *mut c_void);

#[repr(C, align(4096))]
struct Room([u8; GRANULES * GRANULE]);

struct Heap {
    room: UnsafeCell<Room>,
    /// Of each block, at its first granule: how many granules it has.
    lengths: UnsafeCell<[u16; GRANULES]>,
    state: UnsafeCell<State>,
    /// What served each of the domains before; written once.
    before: UnsafeCell<[Option<Allocator>; DOMAINS.len()]>,
}

struct State {
    /// The one thread that is served, by its thread pointer; 0 before the installation.
    thread: usize,
    /// The longest block that is given, in granules.
    longest: usize,
    /// Granules used so far; all behind them are free.
    used: usize,
    /// By length, the first free block: the number of its granule, and 1; 0 for none. A free block
    /// holds the same of the next one.
    free: [u32; SMALL + 1],
}

// SAFETY: `before` is written while there is one thread; all else is used by one thread alone.
unsafe impl Sync for Heap {}

static HEAP: Heap = Heap {
    room: UnsafeCell::new(Room([0; GRANULES * GRANULE])),
    lengths: UnsafeCell::new([0; GRANULES]),
    state: UnsafeCell::new(State {
        thread: 0,
        longest: 0,
        used: 0,
        free: [0; SMALL + 1],
    }),
    before: UnsafeCell::new([None; DOMAINS.len()]),
};

/// Serves from now on blocks of up to `longest` bytes for the calling thread; 0 for none. The first
/// call installs the heap in the interpreter whose functions it is given.
///
/// Must be called with the GIL held, the first time with one thread.
pub(crate) fn serve(longest: usize, get: Exchange, set: Exchange) {
    // SAFETY: `state` is this thread's, or nobody's yet; the borrow ends with this function, which
    // calls nothing that allocates.
    let state = unsafe { &mut *HEAP.state.get() };
    state.longest = longest / GRANULE;
    if state.thread != 0 {
        return;
    }
    state.thread = raw::thread_pointer();
    // SAFETY: there is one thread, and no allocator of ours is installed that would read it.
    let before = unsafe { &mut *HEAP.before.get() };
    for (domain, place) in DOMAINS.into_iter().zip(before) {
        let mut found = std::mem::MaybeUninit::<Allocator>::uninit();
        get(domain, found.as_mut_ptr().cast());
        // SAFETY: the interpreter has written its allocator, and functions in it are never null.
        let found = place.insert(unsafe { found.assume_init() });
        let mut ours = Allocator {
            context: ptr::from_mut(found).cast(),
            allocate,
            allocate_zeroed,
            resize,
            free,
        };
        set(domain, (&raw mut ours).cast());
    }
}

/// The allocator that served a domain before, by the context that was given for ours.
fn before(context: *mut c_void) -> Allocator {
    // SAFETY: the context is a place in `HEAP.before`, which is not written any more.
    unsafe { *context.cast::<Allocator>() }
}

/// The state, if the calling thread is the one that is served.
fn own_state() -> Option<&'static mut State> {
    let state = HEAP.state.get();
    // SAFETY: `thread` does not change once an allocator of ours can be called. Only that thread
    // goes on, and every borrow ends before any other function of this module is called.
    unsafe { ((*state).thread == raw::thread_pointer()).then(|| &mut *state) }
}

fn granules(size: usize) -> usize {
    size.div_ceil(GRANULE).max(1)
}

/// The number of the granule at which a block of this heap begins.
fn index_of(block: *mut c_void) -> Option<usize> {
    let offset = block.addr().wrapping_sub(HEAP.room.get().addr());
    (offset < GRANULES * GRANULE).then_some(offset / GRANULE)
}

fn block_at(index: usize) -> *mut c_void {
    // SAFETY: every index in use is below `GRANULES`.
    unsafe { HEAP.room.get().cast::<u8>().add(index * GRANULE).cast() }
}

/// How many granules a block has.
fn length_of(index: usize) -> usize {
    // SAFETY: an entry is written before its block is given away, and by whoever owns the block.
    unsafe { usize::from((*HEAP.lengths.get())[index]) }
}

fn set_length(index: usize, length: usize) {
    // SAFETY: as in `length_of`. A length is at most `longest`, which is far below the type's end.
    unsafe { (*HEAP.lengths.get())[index] = u16::try_from(length).unwrap_or(u16::MAX) };
}

/// A block, if this heap gives one.
fn take(size: usize) -> Option<*mut c_void> {
    let state = own_state()?;
    let length = granules(size);
    if length > state.longest {
        return None;
    }
    if let Some(first) = state.free.get_mut(length)
        && *first != 0
    {
        let block = block_at(*first as usize - 1);
        // SAFETY: a free block holds the number of the next one.
        *first = unsafe { *block.cast::<u32>() };
        return Some(block);
    }
    let index = state.used;
    if length > GRANULES - index {
        return None;
    }
    state.used += length;
    set_length(index, length);
    Some(block_at(index))
}

/// Lengthens the last block where it is.
fn extend(index: usize, length: usize) -> bool {
    let Some(state) = own_state() else {
        return false;
    };
    let is_last = index + length_of(index) == state.used;
    let fits = length <= state.longest && length <= GRANULES - index;
    if is_last && fits {
        state.used = index + length;
        set_length(index, length);
    }
    is_last && fits
}

extern "C" fn allocate(context: *mut c_void, size: usize) -> *mut c_void {
    take(size).unwrap_or_else(|| {
        let before = before(context);
        (before.allocate)(before.context, size)
    })
}

extern "C" fn allocate_zeroed(context: *mut c_void, count: usize, size: usize) -> *mut c_void {
    let whole = count.checked_mul(size);
    if let Some(whole) = whole
        && let Some(block) = take(whole)
    {
        // SAFETY: the block is at least that long, and nobody else has it.
        unsafe { block.cast::<u8>().write_bytes(0, whole) };
        return block;
    }
    let before = before(context);
    (before.allocate_zeroed)(before.context, count, size)
}

extern "C" fn resize(context: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
    let Some(index) = index_of(block) else {
        if block.is_null() {
            return allocate(context, size);
        }
        let before = before(context);
        return (before.resize)(before.context, block, size);
    };
    let (has, wants) = (length_of(index), granules(size));
    if wants <= has || extend(index, wants) {
        return block;
    }
    let new = allocate(context, size);
    if !new.is_null() {
        // SAFETY: the new block is longer than the old one, and they are two.
        unsafe { ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), has * GRANULE) };
        free(context, block);
    }
    new
}

extern "C" fn free(context: *mut c_void, block: *mut c_void) {
    let Some(index) = index_of(block) else {
        let before = before(context);
        return (before.free)(before.context, block);
    };
    let length = length_of(index);
    if let Some(state) = own_state()
        && let Some(first) = state.free.get_mut(length)
    {
        // SAFETY: the block is free from here on, and long enough for a number.
        unsafe { *block.cast::<u32>() = *first };
        // An index is far below the type's end.
        *first = u32::try_from(index + 1).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Blocks that the allocator before ours has given.
    static OTHERS: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn other_allocate(_: *mut c_void, size: usize) -> *mut c_void {
        OTHERS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(size) }
    }
    extern "C" fn other_zeroed(_: *mut c_void, count: usize, size: usize) -> *mut c_void {
        OTHERS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: any size may be asked for.
        unsafe { libc::calloc(count, size) }
    }
    extern "C" fn other_resize(_: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: the block is one of `other_allocate`.
        unsafe { libc::realloc(block, size) }
    }
    extern "C" fn other_free(_: *mut c_void, block: *mut c_void) {
        // SAFETY: the block is one of `other_allocate`.
        unsafe { libc::free(block) }
    }
    extern "C" fn get(_: c_int, place: *mut c_void) {
        let other = Allocator {
            context: ptr::null_mut(),
            allocate: other_allocate,
            allocate_zeroed: other_zeroed,
            resize: other_resize,
            free: other_free,
        };
        // SAFETY: `serve` gives a place for one.
        unsafe { place.cast::<Allocator>().write(other) };
    }
    extern "C" fn set(_: c_int, ours: *mut c_void) {
        // SAFETY: `serve` gives its allocator.
        let ours = unsafe { *ours.cast::<Allocator>() };
        OURS.with(|place| place.set(Some(ours)));
    }
    thread_local! {
        static OURS: std::cell::Cell<Option<Allocator>> = const { std::cell::Cell::new(None) };
    }

    fn others() -> usize {
        OTHERS.load(Ordering::Relaxed)
    }

    // One test: the heap is one, and serves the thread that installed it.
    #[test]
    fn blocks_lie_side_by_side_are_used_again_and_everything_else_is_left_to_the_one_before() {
        serve(512, get, set);
        let Allocator { context, .. } = OURS.with(std::cell::Cell::get).unwrap();
        let new = |size| allocate(context, size);
        let blocks = [new(0), new(1), new(16), new(17), new(512)];
        let places = blocks.map(|block| block.addr() - blocks[0].addr());
        assert_eq!(places, [0, 16, 32, 48, 80]);
        assert_eq!((blocks[0].addr() % GRANULE, others()), (0, 0));

        // The last one of a length that was freed comes first, and only for that length.
        free(context, blocks[1]);
        free(context, blocks[3]);
        free(context, blocks[2]);
        let again = [new(10), new(10), new(20)];
        assert_eq!(again, [blocks[2], blocks[1], blocks[3]]);

        // SAFETY: the block has 32 bytes.
        unsafe { again[2].cast::<u8>().write_bytes(7, 32) };
        assert_eq!(resize(context, again[2], 5), again[2]);
        let moved = resize(context, again[2], 200);
        // SAFETY: the block has 200 bytes, of which 32 were copied.
        let kept = unsafe { std::slice::from_raw_parts(moved.cast::<u8>(), 32) };
        assert_eq!(kept, [7; 32]);
        assert_eq!(
            resize(context, moved, 400),
            moved,
            "the last block grows in place"
        );
        free(context, moved);
        let zeroed = allocate_zeroed(context, 25, 16);
        assert_eq!(zeroed, moved);
        // SAFETY: the block has 400 bytes.
        let content = unsafe { std::slice::from_raw_parts(zeroed.cast::<u8>(), 400) };
        assert_eq!(content, [0; 400]);
        assert_eq!(others(), 0);

        // Too long; grown too long; asked for by another thread.
        let long = new(513);
        let grown = resize(context, zeroed, 1000);
        assert_eq!((index_of(long), index_of(grown), others()), (None, None, 2));
        free(context, long);
        free(context, grown);
        let (context_number, lost) = (context.expose_provenance(), blocks[4].expose_provenance());
        std::thread::spawn(move || {
            let context = ptr::with_exposed_provenance_mut(context_number);
            assert_eq!(index_of(allocate(context, 16)), None);
            free(context, ptr::with_exposed_provenance_mut(lost));
        })
        .join()
        .unwrap();
        assert_ne!(new(512), blocks[4]);

        // Used up: nothing fails.
        while index_of(new(512)).is_some() {}
        assert!(!new(512).is_null());
        serve(0, get, set);
        assert_eq!(index_of(new(16)), None);
    }
}
