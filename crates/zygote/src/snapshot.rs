//! Moves the zygote's private memory into one sealed memory file, mapped back where it was.
//!
//! A fork then has a few dozen mappings to copy and no anonymous pages, and what a child writes is
//! its own as before. Until the first mapping is replaced any failure leaves the process as it was;
//! from there on a failure ends it.
//!
//! Between the copy and the last mapping nothing but this file runs: no allocation, no libc, state
//! on the stack, in registers and in the scratch area, none of which is replaced. Everything is
//! copied and compared before anything is mapped.
//!
//! The file has no holes. A child that reads one would fill it for good: with memory that is
//! charged to its slot and outlives it, and in a way that a sibling could measure.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use sandbox::sys::memory::{ExactFaults, SharedMemory};
use sandbox::sys::{self, fd, process};

use crate::mappings::{self, Run};
use crate::raw;

/// What is looked at at once, and the least memory of zeroes that is left out of the file.
const WINDOW: usize = 256 << 10;
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

/// Memory that is replaced by one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: usize,
    end: usize,
    executable: bool,
    /// Whether it is nothing but zeroes: it becomes fresh memory.
    is_zero: bool,
    /// Where its copy lies in the file, if it is not.
    place: usize,
}

impl Piece {
    fn length(&self) -> usize {
        self.end - self.start
    }
}

/// Working memory of a snapshot. Its mapping is shared, so that it is not taken itself.
struct Scratch {
    smaps: [u8; 16 << 20],
    window: [u8; WINDOW],
    copy: [u8; WINDOW],
    runs: [Run; 4096],
    pieces: [Piece; 8192],
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
    let (memory_number, file_number) = (memory.as_raw_fd(), file.as_raw_fd());
    let copied = copy(scratch, count, memory_number, file_number).and_then(|count| {
        compare(scratch, count, memory_number, file_number)?;
        Ok(&scratch.pieces[..count])
    });
    if let Ok(pieces) = copied {
        replace(pieces, file_number);
    }
    let unblocked = process::restore_signals(&signals);
    drop(memory);
    let bytes = copied?.iter().filter(|p| !p.is_zero).map(Piece::length);
    if let Err(error) = unblocked.and_then(|()| close_for_good(file, bytes.sum())) {
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

/// A memory file as long as all runs together, which is more than will be needed.
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
    let address = map(0, WINDOW, true, Some((file.as_raw_fd(), 0)));
    let address = address.map_err(io::Error::from_raw_os_error)?;
    // SAFETY: this was just mapped and nobody uses it.
    let unmapped = unsafe { raw::call(libc::SYS_munmap, [address, WINDOW, 0, 0, 0, 0]) };
    unmapped.map(drop).map_err(io::Error::from_raw_os_error)
}

/// Copies every run into the file, leaving windows of zeroes out. Returns how many pieces there are.
///
/// Reads through `/proc/self/mem`, where a page without content is an error and no signal.
fn copy(scratch: &mut Scratch, count: usize, memory: i32, file: i32) -> Result<usize, Refused> {
    let Scratch {
        window,
        runs,
        pieces,
        ..
    } = scratch;
    let (mut found, mut place) = (0, 0);
    for run in &runs[..count] {
        let mut at = run.start;
        while at < run.end {
            let window = &mut window[..WINDOW.min(run.end - at)];
            raw_step("read its own memory", read_whole(memory, window, at))?;
            let piece = Piece {
                start: at,
                end: at + window.len(),
                executable: run.executable,
                is_zero: is_zero(window),
                place,
            };
            if !piece.is_zero {
                raw_step("write the copy", write_whole(file, window, place))?;
                place += window.len();
            }
            found = raw_step("count the pieces", add(pieces, found, piece))?;
            at = piece.end;
        }
    }
    Ok(found)
}

/// Appends a piece to the last one if it continues it, else as a new one.
fn add(pieces: &mut [Piece], count: usize, piece: Piece) -> Result<usize, i32> {
    if let Some(last) = pieces[..count].last_mut()
        && last.end == piece.start
        && (last.executable, last.is_zero) == (piece.executable, piece.is_zero)
    {
        last.end = piece.end;
        return Ok(count);
    }
    *pieces.get_mut(count).ok_or(libc::E2BIG)? = piece;
    Ok(count + 1)
}

/// Looks whether every piece is what was copied: nothing may have been written meanwhile.
fn compare(scratch: &mut Scratch, count: usize, memory: i32, file: i32) -> Result<(), Refused> {
    let Scratch {
        window,
        copy,
        pieces,
        ..
    } = scratch;
    for piece in &pieces[..count] {
        let mut done = 0;
        while done < piece.length() {
            let length = WINDOW.min(piece.length() - done);
            let (window, copy) = (&mut window[..length], &mut copy[..length]);
            let read = read_whole(memory, window, piece.start + done);
            raw_step("read its own memory", read)?;
            let is_same = if piece.is_zero {
                is_zero(window)
            } else {
                let read = read_whole(file, copy, piece.place + done);
                raw_step("read the copy", read)?;
                window == copy
            };
            let same = if is_same { Ok(()) } else { Err(libc::EAGAIN) };
            raw_step("find the copy equal", same)?;
            done += length;
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

fn write_whole(file: i32, bytes: &[u8], offset: usize) -> Result<(), i32> {
    let mut done = 0;
    while done < bytes.len() {
        match raw::write_at(file, &bytes[done..], offset + done)? {
            0 => return Err(libc::EIO),
            count => done += count,
        }
    }
    Ok(())
}

/// Whether there is nothing but zeroes; lengths are whole pages.
fn is_zero(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().all(|word| u64::from_ne_bytes(*word) == 0)
}

/// Maps every piece over itself. There is no way back from the first one.
fn replace(pieces: &[Piece], file: i32) {
    for piece in pieces {
        let source = (!piece.is_zero).then_some((file, piece.place));
        if map(piece.start, piece.length(), piece.executable, source) != Ok(piece.start) {
            raw::abandon(b"hognose: the snapshot cannot be mapped\n", FAILED);
        }
    }
}

/// Maps a part of a file, or zeroes, privately, readable and writable; at `place` if it is not 0.
fn map(place: usize, length: usize, executable: bool, source: Option<(i32, usize)>) -> raw::Answer {
    let fixed = if place == 0 { 0 } else { libc::MAP_FIXED };
    let execution = if executable { libc::PROT_EXEC } else { 0 };
    let bits = |bits: i32| usize::try_from(bits).map_err(|_| libc::EINVAL);
    let (kind, file, offset) = match source {
        Some((file, offset)) => (0, bits(file)?, offset),
        // mmap(2) wants -1 for the descriptor.
        None => (libc::MAP_ANONYMOUS, usize::MAX, 0),
    };
    let arguments = [
        place,
        length,
        bits(libc::PROT_READ | libc::PROT_WRITE | execution)?,
        bits(libc::MAP_PRIVATE | fixed | kind)?,
        file,
        offset,
    ];
    // SAFETY: without a place the kernel chooses free memory. With one, the very bytes that are
    // replaced come there: `compare` has looked, and nothing has run since that writes to memory
    // outside of the stack.
    unsafe { raw::call(libc::SYS_mmap, arguments) }
}

/// Cuts the file to what was used, seals it, sees that the seals hold and that it has no holes,
/// closes it, and sees that nothing else is open.
///
/// A child that could write to it would rewrite every later sibling.
fn close_for_good(file: OwnedFd, bytes: usize) -> io::Result<()> {
    fd::set_length(file.as_fd(), bytes as u64)?;
    fd::seal(file.as_fd())?;
    let state = fd::stat(file.as_fd())?;
    // Source: stat(2), blocks of 512 bytes.
    if state.st_blocks * 512 < state.st_size {
        return Err(io::Error::other("the file has holes"));
    }
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

    const PAGE: usize = 4096;

    #[test]
    fn windows_of_zeroes_become_fresh_memory_and_the_file_has_no_holes() {
        let file = fd::memory_file().unwrap();
        let mut scratch = SharedMemory::<Scratch>::new().unwrap();
        // SAFETY: as in `take`.
        let scratch = unsafe { scratch.get_mut() };
        // Zeroes, a window with one byte, zeroes twice, and a last window that is shorter.
        let content = fd::memory_file().unwrap();
        let end = 4 * WINDOW + PAGE;
        fd::set_length(content.as_fd(), end as u64).unwrap();
        write_whole(content.as_raw_fd(), b"x", WINDOW + 17).unwrap();
        write_whole(content.as_raw_fd(), b"x", 4 * WINDOW).unwrap();
        scratch.runs[0] = Run::new(0, end);
        let numbers = (content.as_raw_fd(), file.as_raw_fd());
        let count = copy(scratch, 1, numbers.0, numbers.1).unwrap();
        let found: Vec<_> = scratch.pieces[..count]
            .iter()
            .map(|piece| (piece.start, piece.end, piece.is_zero, piece.place))
            .collect();
        let expected = [
            (0, WINDOW, true, 0),
            (WINDOW, 2 * WINDOW, false, 0),
            (2 * WINDOW, 4 * WINDOW, true, WINDOW),
            (4 * WINDOW, end, false, WINDOW),
        ];
        assert_eq!(found, expected);
        let state = fd::stat(file.as_fd()).unwrap();
        assert_eq!(state.st_blocks * 512, state.st_size);
        compare(scratch, count, numbers.0, numbers.1).unwrap();
        write_whole(content.as_raw_fd(), b"y", 3 * WINDOW).unwrap();
        assert!(compare(scratch, count, numbers.0, numbers.1).is_err());
    }

    #[test]
    fn a_sealed_file_is_mapped_privately_but_never_written_or_shared() {
        let file = fd::memory_file().unwrap();
        fd::set_length(file.as_fd(), PAGE as u64).unwrap();
        let address = map(0, PAGE, false, Some((file.as_raw_fd(), 0))).unwrap();
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
