//! Moves the zygote's private memory into one sealed memory file, mapped back where it was.
//!
//! A fork then has a few dozen mappings to copy and no anonymous pages, and what a child writes is
//! its own as before. Until the first mapping is replaced any failure leaves the process as it was;
//! from there on a failure ends it.
//!
//! Between the copy and the last mapping nothing but this file runs: no allocation, no libc, state
//! on the stack, in registers and in the scratch area, none of which is replaced. Everything is
//! copied and compared before anything is mapped.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use sandbox::sys::memory::{ExactFaults, SharedMemory};
use sandbox::sys::{self, fd, process};

use crate::mappings::{self, Run};
use crate::raw;

const PAGE: usize = 4096;
const WINDOW: usize = 1 << 20;
/// What is open in a zygote: three streams and the control socket.
const DESCRIPTORS: i32 = 4;
/// Status of a zygote whose memory is half replaced.
const FAILED: usize = 71;

/// Why there is no snapshot; nothing was changed.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) what: &'static str,
    pub(crate) source: io::Error,
}

fn step<T>(what: &'static str, result: io::Result<T>) -> Result<T, Refused> {
    result.map_err(|source| Refused { what, source })
}

fn raw_step<T>(what: &'static str, result: Result<T, i32>) -> Result<T, Refused> {
    step(what, result.map_err(io::Error::from_raw_os_error))
}

/// Working memory of a snapshot. Its mapping is shared, so that it is not taken itself.
struct Scratch {
    smaps: [u8; 16 << 20],
    window: [u8; WINDOW],
    copy: [u8; WINDOW],
    runs: [Run; 4096],
}

/// Takes the snapshot. One thread, and no descriptor but 0-3.
///
/// Until what it returns is dropped, only pages that are really used become present; those are what
/// a fork has to copy. `None` where the kernel cannot do that.
///
/// Errors: nothing has changed, and the process can fork plainly.
pub(crate) fn take() -> Result<Option<ExactFaults>, Refused> {
    let mut scratch = step("map scratch memory", SharedMemory::<Scratch>::new())?;
    // SAFETY: fresh zeroes are a value of each of its fields, which are bytes, integers and false.
    let scratch = unsafe { scratch.get_mut() };
    let length = step("read its own mappings", read_smaps(&mut scratch.smaps))?;
    let here = 0_u8;
    let pinned = [std::ptr::from_ref(&here).addr(), raw::thread_pointer()];
    let count = mappings::choose(&scratch.smaps[..length], &pinned, &mut scratch.runs);
    let count = step(
        "understand its own mappings",
        count.ok_or_else(|| io::ErrorKind::InvalidData.into()),
    )?;
    let file = step("make a memory file", memory_for(&scratch.runs[..count]))?;
    step("map memory that is executable", probe(file.as_fd()))?;
    let memory = step(
        "open its own memory",
        fd::open_at(None, c"/proc/self/mem", libc::O_RDONLY, 0),
    )?;
    // A signal handler of the interpreter would write into memory that is being replaced.
    let signals = step("block signals", process::block_signals())?;
    let copied = copy(scratch, count, memory.as_raw_fd(), file.as_raw_fd());
    if copied.is_ok() {
        replace(&scratch.runs[..count], file.as_raw_fd());
    }
    let unblocked = process::restore_signals(&signals);
    drop(memory);
    copied?;
    if let Err(error) = unblocked.and_then(|()| close_for_good(file)) {
        let words = format!("hognose: the snapshot cannot be sealed: {error}\n");
        raw::abandon(words.as_bytes(), FAILED);
    }
    Ok(exact_faults(&scratch.runs[..count]).ok())
}

fn exact_faults(runs: &[Run]) -> io::Result<ExactFaults> {
    let faults = ExactFaults::new()?;
    runs.iter()
        .try_for_each(|run| faults.add(run.start..run.end))?;
    Ok(faults)
}

/// Reads the kernel's list of our mappings without allocating, which would change it.
fn read_smaps(buffer: &mut [u8]) -> io::Result<usize> {
    let file = fd::open_at(None, c"/proc/self/smaps", libc::O_RDONLY, 0)?;
    let mut length = 0;
    loop {
        match fd::read(file.as_fd(), &mut buffer[length..])? {
            0 if length == buffer.len() => return Err(io::ErrorKind::FileTooLarge.into()),
            0 => return Ok(length),
            count => length += count,
        }
    }
}

/// A memory file as long as all runs together.
fn memory_for(runs: &[Run]) -> io::Result<OwnedFd> {
    let bytes = runs.iter().map(|run| run.end - run.start).sum::<usize>() as u64;
    let (most, _) = process::limits_of(libc::RLIMIT_FSIZE)?;
    if bytes > most {
        // Asking would bring a deadly signal instead of an error.
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    let file = fd::memory_file()?;
    fd::set_length(file.as_fd(), bytes)?;
    Ok(file)
}

/// Whether the kernel would map this file as the snapshot needs it.
fn probe(file: BorrowedFd<'_>) -> io::Result<()> {
    let address = map(None, PAGE, true, file.as_raw_fd(), 0);
    let address = address.map_err(io::Error::from_raw_os_error)?;
    // SAFETY: the page was just mapped and nobody uses it.
    let unmapped = unsafe { raw::call(libc::SYS_munmap, [address, PAGE, 0, 0, 0, 0]) };
    unmapped.map(drop).map_err(io::Error::from_raw_os_error)
}

/// Copies every run into the file, leaving pages of zeroes out, and compares. Reads through
/// `/proc/self/mem`, where a page without content is an error and no signal.
fn copy(scratch: &mut Scratch, count: usize, memory: i32, file: i32) -> Result<(), Refused> {
    let Scratch {
        window, copy, runs, ..
    } = scratch;
    for is_second_look in [false, true] {
        let mut offset = 0;
        for run in &runs[..count] {
            let mut at = run.start;
            while at < run.end {
                let length = WINDOW.min(run.end - at);
                let window = &mut window[..length];
                raw_step("read its own memory", read_whole(memory, window, at))?;
                if is_second_look {
                    let copy = &mut copy[..length];
                    raw_step("read the copy", read_whole(file, copy, offset))?;
                    raw_step("find the copy equal", same(window, copy))?;
                } else {
                    raw_step("write the copy", write_pages(file, window, offset))?;
                }
                at += length;
                offset += length;
            }
        }
    }
    Ok(())
}

fn read_whole(file: i32, buffer: &mut [u8], offset: usize) -> Result<(), i32> {
    let mut done = 0;
    while done < buffer.len() {
        match raw::read_at(file, &mut buffer[done..], offset + done)? {
            0 => return Err(libc::EIO),
            count => done += count,
        }
    }
    Ok(())
}

fn same(one: &[u8], other: &[u8]) -> Result<(), i32> {
    if one == other {
        Ok(())
    } else {
        Err(libc::EAGAIN)
    }
}

/// Writes the pages that are not all zeroes, neighbours together.
fn write_pages(file: i32, window: &[u8], offset: usize) -> Result<(), i32> {
    let mut begin = 0;
    while begin < window.len() {
        let is_empty = is_zero(&window[begin..begin + PAGE]);
        let mut end = begin + PAGE;
        while end < window.len() && is_zero(&window[end..end + PAGE]) == is_empty {
            end += PAGE;
        }
        let mut done = if is_empty { end } else { begin };
        while done < end {
            match raw::write_at(file, &window[done..end], offset + done)? {
                0 => return Err(libc::EIO),
                count => done += count,
            }
        }
        begin = end;
    }
    Ok(())
}

fn is_zero(page: &[u8]) -> bool {
    let (words, rest) = page.as_chunks::<8>();
    words.iter().all(|word| u64::from_ne_bytes(*word) == 0) && rest.is_empty()
}

/// Maps every run over itself. There is no way back from the first one.
fn replace(runs: &[Run], file: i32) {
    let mut offset = 0;
    for run in runs {
        let length = run.end - run.start;
        if map(Some(run.start), length, run.executable, file, offset) != Ok(run.start) {
            raw::abandon(b"hognose: the snapshot cannot be mapped\n", FAILED);
        }
        offset += length;
    }
}

/// Maps a part of the file privately, readable and writable.
fn map(
    place: Option<usize>,
    length: usize,
    executable: bool,
    file: i32,
    offset: usize,
) -> raw::Answer {
    let fixed = if place.is_some() { libc::MAP_FIXED } else { 0 };
    let execution = if executable { libc::PROT_EXEC } else { 0 };
    let bits = |bits: i32| usize::try_from(bits).map_err(|_| libc::EINVAL);
    let arguments = [
        place.unwrap_or(0),
        length,
        bits(libc::PROT_READ | libc::PROT_WRITE | execution)?,
        bits(libc::MAP_PRIVATE | fixed)?,
        bits(file)?,
        offset,
    ];
    // SAFETY: without a place the kernel chooses free memory. With one, the file has there the very
    // bytes that are replaced: `copy` has compared them, and nothing has run since that writes to
    // memory outside of the stack.
    unsafe { raw::call(libc::SYS_mmap, arguments) }
}

/// Seals the file, sees that the seals hold, closes it, and sees that nothing else is open.
///
/// A child that could write to it would rewrite every later sibling.
fn close_for_good(file: OwnedFd) -> io::Result<()> {
    fd::seal(file.as_fd())?;
    if fd::seals_of(file.as_fd())? & fd::ALL_SEALS != fd::ALL_SEALS {
        return Err(io::Error::other("a seal is missing"));
    }
    match fd::write_at_start(file.as_fd(), b"x") {
        Err(error) if sys::errno_of(&error) == libc::EPERM => {}
        _ => return Err(io::Error::other("the seals do not hold")),
    }
    drop(file);
    let mut listed = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        listed.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()),
        );
    }
    // The listing's own descriptor is closed by now.
    listed.retain(|number| fd::is_open(*number));
    listed.sort_unstable();
    if listed.iter().copied().eq(0..DESCRIPTORS) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "descriptors {listed:?} are open instead of 0-3"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_zeroes_stay_holes_and_all_others_are_copied() {
        let file = fd::memory_file().unwrap();
        fd::set_length(file.as_fd(), 16 * PAGE as u64).unwrap();
        let mut window = vec![0_u8; 8 * PAGE];
        for page in [1, 2, 6] {
            window[page * PAGE + 17] = 1;
        }
        write_pages(file.as_raw_fd(), &window, 4 * PAGE).unwrap();
        let mut back = vec![9_u8; 8 * PAGE];
        read_whole(file.as_raw_fd(), &mut back, 4 * PAGE).unwrap();
        assert!(window == back);
        let blocks = fd::stat(file.as_fd()).unwrap().st_blocks;
        assert_eq!(blocks * 512, 3 * i64::try_from(PAGE).unwrap());
    }

    #[test]
    fn a_sealed_file_is_mapped_privately_but_never_written_or_shared() {
        let file = fd::memory_file().unwrap();
        fd::set_length(file.as_fd(), PAGE as u64).unwrap();
        let address = map(None, PAGE, false, file.as_raw_fd(), 0).unwrap();
        fd::seal(file.as_fd()).unwrap();
        let refused = fd::write_at_start(file.as_fd(), b"x").unwrap_err();
        assert_eq!(sys::errno_of(&refused), libc::EPERM);
        let shared = [
            0,
            PAGE,
            usize::try_from(libc::PROT_READ | libc::PROT_WRITE).unwrap(),
            usize::try_from(libc::MAP_SHARED).unwrap(),
            usize::try_from(file.as_raw_fd()).unwrap(),
            0,
        ];
        // SAFETY: asks for new memory anywhere.
        let answer = unsafe { raw::call(libc::SYS_mmap, shared) };
        assert_eq!(answer, Err(libc::EPERM));
        let byte = std::ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: the page was just mapped, writable.
        unsafe { byte.write_volatile(7) };
        let mut back = [9_u8];
        read_whole(file.as_raw_fd(), &mut back, 0).unwrap();
        assert_eq!(back, [0]);
    }
}
