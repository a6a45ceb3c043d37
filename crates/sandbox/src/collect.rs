//! The collector: walks an output folder as its owner and streams what it finds.
//!
//! A disposable process with the guest's uid and no capability, so that neither the server nor
//! root ever opens a file a guest made. It starts after the whole guest tree is dead. It never
//! follows a link, never blocks on a FIFO, never trusts a size.
//!
//! Shape of the stream: repeated 32-byte little-endian headers (magic, kind, reason, name length as
//! `u32`, content length as `u64`, `u64` 0), name, content. `wire::collect` decodes it.
//! Source: security/REPORT.md, section 8.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use crate::sys::{fd, identity, process};

const MAGIC: u32 = 0x4347_4f48;
const MAX_DEPTH: usize = 16;
const MAX_ENTRIES: usize = 1_000;

/// `RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH`.
const RESOLVE: u64 = 0x01 | 0x02 | 0x04 | 0x08;

/// Why an entry stays behind; the numbers of `wire::collect`.
#[derive(Debug, Clone, Copy)]
enum Skip {
    Symlink = 1,
    NotRegular = 2,
    HardLink = 3,
    TooLarge = 4,
    TooMany = 5,
    TooDeep = 6,
    ForeignOwner = 8,
    Unreadable = 9,
}

/// What may be collected.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Most files.
    pub files: u32,
    /// Most bytes of one file.
    pub file_bytes: u64,
}

/// Runs in a fresh fork; never returns. `uid` is the guest's, or `None` where there is only one.
pub fn run(folder: OwnedFd, stream: OwnedFd, uid: Option<u32>, caps: Caps) -> ! {
    let status = i32::from(collect(&folder, &stream, uid, caps).is_err());
    process::exit(status)
}

fn collect(folder: &OwnedFd, stream: &OwnedFd, uid: Option<u32>, caps: Caps) -> io::Result<()> {
    // Nothing of the spawner's may stay open under the guest's uid, its socket least of all.
    let high = |fd: &OwnedFd| fd::duplicate_above(fd.as_fd(), 64);
    let (high_folder, high_stream) = (high(folder)?, high(stream)?);
    fd::move_to(high_folder, 0)?;
    fd::move_to(high_stream, 1)?;
    fd::close_from(2)?;
    let (folder, stream) = (fd::adopt(0)?, fd::adopt(1)?);
    if let Some(uid) = uid {
        identity::become_user(uid, uid)?;
    }
    identity::keep_capabilities(0)?;
    process::no_new_privileges()?;
    process::limit(libc::RLIMIT_CPU, 10, 10)?;
    let device = fd::stat(folder.as_fd())?.st_dev;
    let mut walk = Walk {
        root: folder.as_fd(),
        stream: stream.as_fd(),
        caps,
        device,
        files: 0,
        seen: 0,
    };
    walk.folder(&mut Vec::new())?;
    walk.header(2, 0, 0, 0)
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    stream: BorrowedFd<'a>,
    caps: Caps,
    device: u64,
    files: u32,
    seen: usize,
}

impl Walk<'_> {
    fn header(&self, kind: u32, reason: u32, name: usize, content: u64) -> io::Result<()> {
        let name = u32::try_from(name).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut bytes = [0; 32];
        for (place, value) in [MAGIC, kind, reason, name].into_iter().enumerate() {
            bytes[place * 4..place * 4 + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes[16..24].copy_from_slice(&content.to_le_bytes());
        fd::write_all(self.stream, &bytes)
    }

    fn skip(&self, name: &[u8], reason: Skip) -> io::Result<()> {
        self.header(1, reason as u32, name.len(), 0)?;
        fd::write_all(self.stream, name)
    }

    /// Walks the folder at `path` (components below the root), names in byte order.
    fn folder(&mut self, path: &mut Vec<u8>) -> io::Result<()> {
        let shown = if path.is_empty() {
            b".".to_vec()
        } else {
            path.clone()
        };
        let Ok(opened) = self.open(&shown, libc::O_RDONLY | libc::O_DIRECTORY) else {
            return self.skip(&shown, Skip::Unreadable);
        };
        for name in names_in(opened, MAX_ENTRIES + 1)? {
            self.seen += 1;
            let before = path.len();
            if before > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            if self.seen > MAX_ENTRIES {
                return self.skip(path, Skip::TooMany);
            }
            self.entry(path)?;
            path.truncate(before);
        }
        Ok(())
    }

    fn open(&self, path: &[u8], flags: i32) -> io::Result<OwnedFd> {
        let path = CString::new(path)?;
        // openat2 refuses flags that O_PATH would ignore.
        let harmless = if flags & libc::O_PATH == 0 {
            libc::O_NONBLOCK | libc::O_NOCTTY
        } else {
            0
        };
        let flags = flags | libc::O_NOFOLLOW | harmless;
        fd::open_beneath(self.root, &path, flags, RESOLVE)
    }

    fn entry(&mut self, path: &mut Vec<u8>) -> io::Result<()> {
        // O_PATH opens nothing: no FIFO blocks and no device acts while we look at the type.
        let Ok(found) = self
            .open(path, libc::O_PATH)
            .and_then(|file| fd::stat(file.as_fd()))
        else {
            return self.skip(path, Skip::Unreadable);
        };
        match found.st_mode & libc::S_IFMT {
            libc::S_IFLNK => self.skip(path, Skip::Symlink),
            libc::S_IFDIR if path.iter().filter(|b| **b == b'/').count() + 1 >= MAX_DEPTH => {
                self.skip(path, Skip::TooDeep)
            }
            libc::S_IFDIR => self.folder(path),
            libc::S_IFREG => self.file(path),
            _ => self.skip(path, Skip::NotRegular),
        }
    }

    fn file(&mut self, path: &[u8]) -> io::Result<()> {
        let Ok(file) = self.open(path, libc::O_RDONLY) else {
            return self.skip(path, Skip::Unreadable);
        };
        let found = fd::stat(file.as_fd())?;
        let own = identity::effective_uid();
        let skip = match () {
            () if found.st_mode & libc::S_IFMT != libc::S_IFREG => Some(Skip::NotRegular),
            () if found.st_dev != self.device || found.st_uid != own => Some(Skip::ForeignOwner),
            () if found.st_nlink != 1 => Some(Skip::HardLink),
            () if self.files >= self.caps.files => Some(Skip::TooMany),
            () if u64::try_from(found.st_size).unwrap_or(u64::MAX) > self.caps.file_bytes => {
                Some(Skip::TooLarge)
            }
            () => None,
        };
        if let Some(reason) = skip {
            return self.skip(path, reason);
        }
        // Every process of the guest is dead, so the size holds; it is still only a promise to the
        // reader that we keep by padding or cutting, never a length we allocate.
        self.files += 1;
        let size = u64::try_from(found.st_size).unwrap_or(0);
        self.header(0, 0, path.len(), size)?;
        fd::write_all(self.stream, path)?;
        let mut left = size;
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let room = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let count = fd::read(file.as_fd(), &mut buffer[..room])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            fd::write_all(self.stream, &buffer[..count])?;
            left -= count as u64;
        }
        Ok(())
    }
}

/// At most `most` names of a folder, sorted by bytes.
fn names_in(folder: OwnedFd, most: usize) -> io::Result<Vec<CString>> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)?.take(most) {
        let name: &OsStr = &entry?.file_name();
        names.push(CString::new(name.as_bytes())?);
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream_of(folder: &std::path::Path, caps: Caps) -> Vec<u8> {
        let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let root = fd::open_at(None, &path, libc::O_PATH | libc::O_DIRECTORY, 0).unwrap();
        let (reader, writer) = fd::pipe().unwrap();
        let device = fd::stat(root.as_fd()).unwrap().st_dev;
        let mut walk = Walk {
            root: root.as_fd(),
            stream: writer.as_fd(),
            caps,
            device,
            files: 0,
            seen: 0,
        };
        walk.folder(&mut Vec::new()).unwrap();
        drop(writer);
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(reader), &mut all).unwrap();
        all
    }

    #[test]
    fn links_fifos_and_large_files_stay_behind() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), b"hello").unwrap();
        std::fs::write(folder.path().join("big"), vec![0; 100]).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let caps = Caps {
            files: 10,
            file_bytes: 50,
        };
        let stream = stream_of(folder.path(), caps);
        let text = String::from_utf8_lossy(&stream);
        assert!(text.contains("a.txthello"), "{text:?}");
        assert!(!text.contains("root:"), "a link was followed");
        let kinds: Vec<u32> = [0, 32 + 10, 32 + 10 + 32 + 3]
            .iter()
            .map(|at| u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap()))
            .collect();
        assert_eq!(kinds, [0, 1, 1]);
    }

    #[test]
    fn no_more_files_than_the_cap_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let stream = stream_of(
            folder.path(),
            Caps {
                files: 2,
                file_bytes: 50,
            },
        );
        assert!(stream.windows(2).any(|w| w == b"aa") && stream.windows(2).any(|w| w == b"bb"));
        assert!(!stream.windows(2).any(|w| w == b"cc"));
    }
}
