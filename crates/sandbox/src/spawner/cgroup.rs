//! Pooled cgroups, made and removed by the spawner; the supervisor gets only open files.
//!
//! v1 is proven. v2 is written after cgroup-v2.rst and tested with a fake tree only.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::control::CgroupFile;
use crate::plan::CgroupParents;

/// The most all guests of one server may hold together, as a share of the host's memory.
const MEMORY_SHARE: (u64, u64) = (4, 5);

/// Makes this server's own folders; the result names those below which slots are made.
///
/// The controllers of processor time get none: there a slot lies beside the host's own groups, so
/// that one which is told to give way gives way to all of them.
pub(super) fn prepare(parents: &CgroupParents, block: &str) -> io::Result<CgroupParents> {
    let own = |parent: &str| -> io::Result<String> {
        let folder = Path::new(parent).join(block);
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(folder.to_string_lossy().into_owned())
    };
    Ok(match parents {
        CgroupParents::None => CgroupParents::None,
        CgroupParents::V1 {
            memory,
            pids,
            cpuacct,
            cpu,
        } => {
            let memory = own(memory)?;
            bound_all(&Path::new(&memory).join("memory.limit_in_bytes"))?;
            CgroupParents::V1 {
                memory,
                pids: own(pids)?,
                cpuacct: cpuacct.clone(),
                cpu: cpu.clone(),
            }
        }
        CgroupParents::V2 { parent } => {
            let folder = own(parent)?;
            fs::write(
                Path::new(&folder).join("cgroup.subtree_control"),
                "+memory +pids +cpu",
            )?;
            bound_all(&Path::new(&folder).join("memory.max"))?;
            CgroupParents::V2 { parent: folder }
        }
    })
}

/// Bounds what all slots hold together: guests run out of memory before the host does.
fn bound_all(file: &Path) -> io::Result<()> {
    let told = fs::read_to_string("/proc/meminfo")?;
    let total_kib: u64 = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    let (part, whole) = MEMORY_SHARE;
    fs::write(file, (total_kib * 1024 / whole * part).to_string())
}

/// The folder of one slot below each parent.
fn folders(parents: &CgroupParents, block: &str, slot: u32) -> Vec<PathBuf> {
    let nested = |parent: &String| Path::new(parent).join(format!("slot-{slot}"));
    let beside = |parent: &String| Path::new(parent).join(format!("{block}-slot-{slot}"));
    match parents {
        CgroupParents::None => vec![],
        CgroupParents::V1 {
            memory,
            pids,
            cpuacct,
            cpu,
        } => [nested(memory), nested(pids), beside(cpuacct)]
            .into_iter()
            .chain(cpu.as_ref().map(beside))
            .collect(),
        CgroupParents::V2 { parent } => vec![nested(parent)],
    }
}

/// What a child of one thread writes itself to. `cgroup.procs` would lock every fork and exit of the
/// host, and wait for the kernel's grace period whenever that lock was idle: 12 ms on ours.
/// Source: `cgroup_procs_write_start` in Linux.
const JOIN_V1: &str = "tasks";

/// The control files of each layout: index of the folder, file name, whether it must exist.
///
/// With v1 and both controllers of processor time in one hierarchy, the files of cpu are in the
/// folder of cpuacct.
fn files_of(parents: &CgroupParents) -> Vec<(CgroupFile, usize, &'static str, bool)> {
    use CgroupFile::{
        CpuIdle, CpuUsage, Kill, MemoryLimit, MemoryPeak, MemoryReclaim, MemoryUsage, OomEvents,
        PidsEvents, PidsLimit, PidsUsage, ProcsCpu, ProcsCpuacct, ProcsMemory, ProcsPids,
        SwapLimit,
    };
    match parents {
        CgroupParents::None => vec![],
        CgroupParents::V1 { cpu, .. } => {
            let mut files = vec![
                (ProcsMemory, 0, JOIN_V1, true),
                (ProcsPids, 1, JOIN_V1, true),
                (ProcsCpuacct, 2, JOIN_V1, true),
            ];
            files.extend(cpu.iter().map(|_| (ProcsCpu, 3, JOIN_V1, true)));
            files.extend([
                (MemoryLimit, 0, "memory.limit_in_bytes", true),
                // Only kernels with swap accounting have it.
                (SwapLimit, 0, "memory.memsw.limit_in_bytes", false),
                (MemoryPeak, 0, "memory.max_usage_in_bytes", true),
                (MemoryUsage, 0, "memory.usage_in_bytes", true),
                (OomEvents, 0, "memory.oom_control", true),
                (MemoryReclaim, 0, "memory.force_empty", true),
                (PidsLimit, 1, "pids.max", true),
                (PidsEvents, 1, "pids.events", true),
                (PidsUsage, 1, "pids.current", true),
                (CpuUsage, 2, "cpuacct.usage", true),
                // Only kernels from 5.15 on have it.
                (
                    CpuIdle,
                    if cpu.is_some() { 3 } else { 2 },
                    "cpu.idle",
                    false,
                ),
            ]);
            files
        }
        CgroupParents::V2 { .. } => vec![
            (ProcsMemory, 0, "cgroup.procs", true),
            (MemoryLimit, 0, "memory.max", true),
            (SwapLimit, 0, "memory.swap.max", false),
            (MemoryPeak, 0, "memory.peak", true),
            (MemoryUsage, 0, "memory.current", true),
            (OomEvents, 0, "memory.events", true),
            (MemoryReclaim, 0, "memory.reclaim", false),
            (PidsLimit, 0, "pids.max", true),
            (PidsEvents, 0, "pids.events", true),
            (PidsUsage, 0, "pids.current", true),
            (CpuUsage, 0, "cpu.stat", true),
            (CpuIdle, 0, "cpu.idle", false),
            (Kill, 0, "cgroup.kill", false),
        ],
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    // Some files are read-only, `force_empty` and `cgroup.kill` are write-only.
    let both = OpenOptions::new().read(true).write(true).open(path);
    let opened = both
        .or_else(|_| OpenOptions::new().read(true).open(path))
        .or_else(|_| OpenOptions::new().write(true).open(path));
    opened.map(OwnedFd::from)
}

/// Makes a slot's cgroups and opens their files, in the order of [`CgroupFile`].
pub(super) fn create(
    parents: &CgroupParents,
    block: &str,
    slot: u32,
) -> io::Result<Vec<(CgroupFile, OwnedFd)>> {
    let folders = folders(parents, block, slot);
    for folder in &folders {
        fs::create_dir(folder)?;
    }
    let mut opened = Vec::new();
    for (file, folder, name, required) in files_of(parents) {
        match open(&folders[folder].join(name)) {
            Ok(descriptor) => opened.push((file, descriptor)),
            Err(error) if required => return Err(error),
            Err(_) => {}
        }
    }
    Ok(opened)
}

/// Removes a slot's cgroups.
pub(super) fn remove(parents: &CgroupParents, block: &str, slot: u32) -> io::Result<()> {
    folders(parents, block, slot)
        .iter()
        .try_for_each(|folder| gone(folder))
}

/// Removes the slots below `count` and this server's own folders.
pub(super) fn remove_all(parents: &CgroupParents, block: &str, count: u32) -> io::Result<()> {
    (0..count).try_for_each(|slot| remove(parents, block, slot))?;
    match parents {
        CgroupParents::None => Ok(()),
        CgroupParents::V1 { memory, pids, .. } => [memory, pids]
            .into_iter()
            .try_for_each(|folder| remove_tree(Path::new(folder))),
        CgroupParents::V2 { parent } => remove_tree(Path::new(parent)),
    }
}

/// Removes a cgroup folder with the cgroups below it; control files go with their folder.
pub(crate) fn remove_tree(folder: &Path) -> io::Result<()> {
    let children: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
            .map(|e| e.path())
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    children.iter().try_for_each(|child| gone(child))?;
    gone(folder)
}

fn gone(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a v2 tree's files, as the kernel would make them in every slot.
    #[test]
    fn a_v2_slot_hands_out_its_files_in_order_and_misses_none_that_are_required() {
        let root = tempfile::tempdir().unwrap();
        let parents = CgroupParents::V2 {
            parent: root.path().to_string_lossy().into_owned(),
        };
        fs::create_dir(root.path().join("slot-9")).unwrap();
        assert!(
            create(&parents, "b", 9).is_err(),
            "a slot that exists belongs to someone else"
        );
        // A plain folder has no control files: the first required one is missed.
        assert_eq!(
            create(&parents, "b", 3).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn files_travel_in_the_order_of_their_bits_in_every_layout() {
        let text = |text: &str| text.to_owned();
        let v1 = |cpu| CgroupParents::V1 {
            memory: text("/m"),
            pids: text("/p"),
            cpuacct: text("/a"),
            cpu,
        };
        for parents in [
            v1(None),
            v1(Some(text("/c"))),
            CgroupParents::V2 { parent: text("/u") },
        ] {
            let files = files_of(&parents);
            let count = folders(&parents, "hognose-1", 7).len();
            assert!(files.is_sorted_by_key(|(file, ..)| file.bit()));
            assert!(files.iter().all(|(_, folder, ..)| *folder < count));
        }
        assert_eq!(
            folders(&v1(Some(text("/c"))), "hognose-1", 7),
            [
                "/m/slot-7",
                "/p/slot-7",
                "/a/hognose-1-slot-7",
                "/c/hognose-1-slot-7"
            ]
            .map(PathBuf::from)
        );
    }
}
