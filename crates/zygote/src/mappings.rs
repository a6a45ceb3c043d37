//! Which of this process's mappings a snapshot takes: a pure choice from the text of `smaps`.
//!
//! Taken is private memory that may be copied. What lies side by side becomes one run with one
//! protection, because a fork pays for every mapping. The price: within a run that holds code, no
//! page is write-protected any more. The program is native code there anyway.

/// Anonymous memory from this size on is a run of its own and never executable.
const DATA_BYTES: usize = 4 << 20;

/// Kernel flags of memory that a fork treats in a special way, or that is no memory.
/// Source: proc_pid_smaps(5): not copied, wiped, droppable, devices, huge pages, growing stacks.
const SPECIAL_FLAGS: [&[u8]; 7] = [b"dc", b"wf", b"dp", b"io", b"pf", b"ht", b"gd"];

/// Neighbouring mappings that become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether any of it was executable; then all of it will be.
    pub(crate) executable: bool,
    /// Whether it is large anonymous data.
    data: bool,
}

#[cfg(test)]
impl Run {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end,
            executable: false,
            data: false,
        }
    }
}

/// One entry of `smaps`.
struct Mapping<'a> {
    start: usize,
    end: usize,
    rights: &'a [u8],
    name: &'a [u8],
    flags: &'a [u8],
}

/// Fills `runs`, in the order of their addresses, and returns how many there are.
///
/// A mapping that holds one of the `pinned` addresses stays as it is. `None` when the text is not
/// understood or has more runs than there is room for.
pub(crate) fn choose(smaps: &[u8], pinned: &[usize], runs: &mut [Run]) -> Option<usize> {
    let mut count = 0;
    let mut lines = smaps.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let mut mapping = header(line)?;
        while let Some(detail) = lines.next_if(|line| !is_header(line) && !line.is_empty()) {
            if let Some(flags) = detail.strip_prefix(b"VmFlags:") {
                mapping.flags = flags;
            }
        }
        if mapping.flags.is_empty() {
            return None;
        }
        if mapping.is_taken(pinned) {
            count = add(&mapping, runs, count)?;
        }
    }
    (count > 0).then_some(count)
}

/// Appends a mapping to the last run if it continues it, else as a new run.
fn add(mapping: &Mapping<'_>, runs: &mut [Run], count: usize) -> Option<usize> {
    let (data, executable) = (mapping.is_data(), mapping.rights.get(2) == Some(&b'x'));
    if let Some(last) = runs[..count].last_mut()
        && last.end == mapping.start
        && last.data == data
    {
        last.end = mapping.end;
        last.executable |= executable;
        return Some(count);
    }
    *runs.get_mut(count)? = Run {
        start: mapping.start,
        end: mapping.end,
        executable,
        data,
    };
    Some(count + 1)
}

impl Mapping<'_> {
    fn is_taken(&self, pinned: &[usize]) -> bool {
        let is_private = self.rights.first() == Some(&b'r') && self.rights.get(3) == Some(&b'p');
        let is_pinned = pinned
            .iter()
            .any(|address| (self.start..self.end).contains(address));
        let flags = self.flags.split(|byte| *byte == b' ');
        let is_special = flags.into_iter().any(|flag| SPECIAL_FLAGS.contains(&flag));
        // [stack], [vdso], [vvar] and whatever else the kernel makes.
        let is_kernels = self.name.starts_with(b"[")
            && self.name != b"[heap]"
            && !self.name.starts_with(b"[anon:");
        is_private && !is_pinned && !is_special && !is_kernels && !self.stays()
    }

    /// libc and the loader, which gain nothing; locale files, which nobody writes and which may be
    /// large.
    fn stays(&self) -> bool {
        let file = self.name.rsplit(|byte| *byte == b'/').next();
        let is_runtime = file.is_some_and(|file| {
            let names: [&[u8]; 4] = [b"libc.", b"libc-", b"ld-", b"ld."];
            self.name.starts_with(b"/") && names.iter().any(|name| file.starts_with(name))
        });
        is_runtime || self.name.starts_with(b"/usr/lib/locale/")
    }

    fn is_data(&self) -> bool {
        self.name == b"[heap]"
            || (!self.name.starts_with(b"/")
                && self.rights.starts_with(b"rw-")
                && self.end - self.start >= DATA_BYTES)
    }
}

/// A header begins with a lower-case hexadecimal address, every other line with a capital.
fn is_header(line: &[u8]) -> bool {
    line.first()
        .is_some_and(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

/// `START-END RIGHTS OFFSET DEVICE INODE NAME`.
fn header(line: &[u8]) -> Option<Mapping<'_>> {
    let mut words = line.split(|byte| *byte == b' ').filter(|w| !w.is_empty());
    let range = words.next()?;
    let dash = range.iter().position(|byte| *byte == b'-')?;
    let (start, end) = (address(&range[..dash])?, address(&range[dash + 1..])?);
    let rights = words.next().filter(|rights| rights.len() == 4)?;
    let name = words.nth(3).map_or(b"".as_slice(), |first| {
        // A name may hold blanks; it is the rest of the line.
        let begin = first.as_ptr().addr() - line.as_ptr().addr();
        &line[begin..]
    });
    (start < end).then_some(Mapping {
        start,
        end,
        rights,
        name,
        flags: b"",
    })
}

fn address(digits: &[u8]) -> Option<usize> {
    usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(smaps: &str, pinned: &[usize]) -> Vec<(usize, usize, bool)> {
        let mut runs = [Run::new(0, 0); 16];
        let count = choose(smaps.as_bytes(), pinned, &mut runs).unwrap_or(0);
        runs[..count]
            .iter()
            .map(|run| (run.start, run.end, run.executable))
            .collect()
    }

    fn smaps(lines: &[(&str, &str)]) -> String {
        lines
            .iter()
            .map(|(head, flags)| {
                format!("{head}\nSize:   4 kB\nAnonHugePages: 0 kB\nVmFlags: {flags} \n")
            })
            .collect()
    }

    #[test]
    fn neighbours_become_one_run_and_large_data_stays_without_execution() {
        let text = smaps(&[
            (
                "1000-2000 r--p 00000000 fe:00 7   /lib/my library.so",
                "rd mr",
            ),
            (
                "2000-3000 r-xp 00001000 fe:00 7   /lib/my library.so",
                "rd ex",
            ),
            ("3000-4000 rw-p 00000000 00:00 0 ", "rd wr"),
            ("4000-404000 rw-p 00000000 00:00 0 ", "rd wr"),
            ("404000-405000 ---p 00000000 00:00 0 ", "mr"),
            (
                "405000-406000 rw-p 00000000 00:00 0          [heap]",
                "rd wr",
            ),
        ]);
        assert_eq!(
            chosen(&text, &[]),
            [
                (0x1000, 0x4000, true),
                (0x4000, 0x404000, false),
                (0x405000, 0x406000, false)
            ]
        );
    }

    #[test]
    fn what_is_shared_special_pinned_or_the_kernels_stays() {
        let text = smaps(&[
            (
                "1000-2000 rw-s 00000000 00:01 7 /dev/zero (deleted)",
                "rd wr sh",
            ),
            ("2000-3000 rw-p 00000000 00:00 0 ", "rd wr wf"),
            ("3000-4000 rw-p 00000000 00:00 0 ", "rd wr dc"),
            ("4000-5000 rw-p 00000000 00:00 0 ", "rd wr"),
            ("5000-6000 rw-p 00000000 00:00 0 [stack]", "rd wr"),
            ("6000-7000 r-xp 00000000 00:00 0 [vdso]", "rd ex de"),
            (
                "7000-8000 rw-p 00000000 fe:00 9 /usr/lib/x/libc.so.6",
                "rd wr",
            ),
            (
                "8000-9000 rw-p 00000000 fe:00 9 /lib64/ld-linux-x86-64.so.2",
                "rd wr",
            ),
            (
                "9000-a000 r--p 00000000 fe:00 9 /usr/lib/locale/C.utf8/LC_CTYPE",
                "rd",
            ),
            ("b000-c000 rw-p 00000000 00:00 0 ", "rd wr"),
        ]);
        assert_eq!(chosen(&text, &[0x4fff]), [(0xb000, 0xc000, false)]);
    }

    #[test]
    fn a_text_that_is_not_understood_gives_nothing() {
        let good = smaps(&[("1000-2000 rw-p 00000000 00:00 0 ", "rd wr")]);
        assert_eq!(chosen(&good, &[]).len(), 1);
        for bad in [
            "".to_owned(),
            good.replace("VmFlags", "Flags"),
            good.replace("1000-", "1000 "),
            good.replace("2000", "zzzz"),
            good.replace("rw-p", "rw"),
        ] {
            assert_eq!(chosen(&bad, &[]), [], "{bad}");
        }
        let many: String = (1..18)
            .map(|n| {
                smaps(&[(
                    &format!("{:x}-{:x} rw-p 0 00:00 0", n * 0x2000, n * 0x2000 + 0x1000),
                    "rd",
                )])
            })
            .collect();
        assert_eq!(chosen(&many, &[]), []);
    }
}
