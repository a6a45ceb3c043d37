//! A block of uids that no other server on this host uses, held by a file lock.
//!
//! The same lock names the server's cgroup folders. A start cleans only folders whose lock is
//! free, so two servers never disturb each other.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Uids in a block: the init's, one per slot, the server's own.
pub const BLOCK_UIDS: u32 = 256;

/// First uid of the first block: above what distributions hand out, below 2^31.
const FIRST_UID: u32 = 0x7000_0000;

/// Blocks that are tried.
const BLOCKS: u32 = 4096;

/// A leased block; dropping it gives it back.
#[derive(Debug)]
pub struct Block {
    /// Name of its lock and of its cgroup folders, `hognose-N`.
    pub name: String,
    /// Its first uid: the init's. Slots have those after it.
    pub first_uid: u32,
    lock: File,
}

impl AsFd for Block {
    /// The open lock; whoever has a copy holds the block.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Block {
    /// The uid the server itself takes after its start: the last of the block.
    #[must_use]
    pub fn server_uid(&self) -> u32 {
        self.first_uid + BLOCK_UIDS - 1
    }
}

/// Leases the first free block whose uids nobody owns. `folder` holds the locks.
///
/// Errors: the folder cannot be written, or every block is taken.
pub fn lease(folder: &Path) -> io::Result<Block> {
    fs::create_dir_all(folder)?;
    let owned = owned_ranges(
        &read("/etc/passwd"),
        &[read("/etc/subuid"), read("/etc/subgid")],
    );
    for number in 0..BLOCKS {
        let first_uid = FIRST_UID + number * BLOCK_UIDS;
        if owned
            .iter()
            .any(|(first, count)| overlaps(*first, *count, first_uid))
        {
            continue;
        }
        let name = format!("hognose-{number}");
        let lock = open_lock(folder, &name)?;
        if lock.try_lock().is_ok() {
            return Ok(Block {
                name,
                first_uid,
                lock,
            });
        }
    }
    Err(io::Error::other(
        "every block of uids on this host is taken; stop another hognose first",
    ))
}

/// The lock of a block whose server is gone. While it is held, no server can lease that block.
pub(super) fn hold_if_free(folder: &Path, name: &str) -> Option<File> {
    let lock = open_lock(folder, name).ok()?;
    lock.try_lock().is_ok().then_some(lock)
}

fn open_lock(folder: &Path, name: &str) -> io::Result<File> {
    let path: PathBuf = folder.join(format!("{name}.lock"));
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn overlaps(first: u64, count: u64, block: u32) -> bool {
    let block = u64::from(block);
    first < block + u64::from(BLOCK_UIDS) && block < first.saturating_add(count)
}

/// (first uid, count) of every passwd entry and every subordinate range.
fn owned_ranges(passwd: &str, subordinate: &[String]) -> Vec<(u64, u64)> {
    let field = |line: &str, index: usize| line.split(':').nth(index)?.trim().parse::<u64>().ok();
    let users = passwd.lines().filter_map(|line| Some((field(line, 2)?, 1)));
    let ranges = subordinate
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| Some((field(line, 1)?, field(line, 2)?)));
    users.chain(ranges).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_never_share_a_block_and_a_dropped_one_is_free_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = lease(folder.path()).unwrap();
        let second = lease(folder.path()).unwrap();
        assert_ne!(first.first_uid, second.first_uid);
        assert!(hold_if_free(folder.path(), &first.name).is_none());
        let name = first.name.clone();
        drop(first);
        let held = hold_if_free(folder.path(), &name);
        assert!(held.is_some());
        assert_ne!(lease(folder.path()).unwrap().name, name);
    }

    #[test]
    fn owned_uids_are_skipped() {
        let passwd = format!(
            "root:x:0:0::/root:/bin/sh\nodd:x:{}:0::/:/bin/sh\n",
            FIRST_UID + 300
        );
        let owned = owned_ranges(&passwd, &[format!("a:{}:65536\n", FIRST_UID + 512)]);
        let taken = |block: u32| {
            owned
                .iter()
                .any(|(first, count)| overlaps(*first, *count, block))
        };
        assert!(!taken(FIRST_UID) && taken(FIRST_UID + 256) && taken(FIRST_UID + 512));
    }
}
