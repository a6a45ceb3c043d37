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
/// Blocks that are tried from there.
const BLOCKS: u32 = 4096;

/// The same for a container that has only the usual 65 536 uids: above its people, below what
/// systemd hands out at run time.
const FIRST_SMALL_UID: u32 = 0x8000;
const SMALL_BLOCKS: u32 = 110;

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
    for (number, first_uid) in candidates(&id_maps()) {
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

/// Whether the uids and gids of any block exist in this user namespace.
#[must_use]
pub fn exists_here() -> bool {
    let maps = id_maps();
    all_candidates().any(|(_, first)| is_mapped(&maps, first))
}

/// Number and first uid of the blocks whose ids exist here; of all blocks where none does, for
/// there only the name and the lock of a block are used.
fn candidates(maps: &[String]) -> Vec<(u32, u32)> {
    let mapped: Vec<_> = all_candidates()
        .filter(|(_, first)| is_mapped(maps, *first))
        .collect();
    if mapped.is_empty() {
        all_candidates().collect()
    } else {
        mapped
    }
}

fn all_candidates() -> impl Iterator<Item = (u32, u32)> {
    let large = (0..BLOCKS).map(|number| (number, FIRST_UID + number * BLOCK_UIDS));
    let small =
        (0..SMALL_BLOCKS).map(|number| (BLOCKS + number, FIRST_SMALL_UID + number * BLOCK_UIDS));
    large.chain(small)
}

/// Source: user_namespaces(7): first id inside, first id outside, count.
fn id_maps() -> [String; 2] {
    [read("/proc/self/uid_map"), read("/proc/self/gid_map")]
}

fn is_mapped(maps: &[String], block: u32) -> bool {
    let (first, end) = (u64::from(block), u64::from(block) + u64::from(BLOCK_UIDS));
    maps.iter().all(|map| {
        map.lines().any(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (inside, count) = (numbers.next(), numbers.nth(1));
            matches!((inside, count), (Some(Ok(inside)), Some(Ok(count))) if inside <= first && end <= inside + count)
        })
    })
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
    fn a_container_of_few_uids_has_blocks_of_its_own() {
        let maps = |map: &str| [map.to_owned(), map.to_owned()];
        let whole = candidates(&maps("         0          0 4294967295\n"));
        assert_eq!(whole[0], (0, FIRST_UID));
        let small = candidates(&maps("         0     100000      65536\n"));
        assert_eq!(small[0], (BLOCKS, FIRST_SMALL_UID));
        assert!(small.iter().all(|(_, first)| first + BLOCK_UIDS <= 61_184));
        assert_eq!(u32::try_from(small.len()).unwrap(), SMALL_BLOCKS);
        // A block lies in one mapping.
        assert!(!is_mapped(&maps("0 1000 1\n1 100000 32900\n"), 0x8000));
        assert!(is_mapped(&maps("0 1000 1\n1 100000 65535\n"), 0x8000));
        assert!(!is_mapped(
            &["0 0 65536\n".into(), "0 0 1\n".into()],
            0x8000
        ));
        let all = candidates(&maps("0 1000 1\n")).len();
        assert_eq!(u32::try_from(all).unwrap(), BLOCKS + SMALL_BLOCKS);
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
