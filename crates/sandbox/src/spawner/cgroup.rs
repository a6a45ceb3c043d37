//! Pooled cgroups, made and removed by the spawner; the supervisor gets only open files.
//!
//! v1 is proven. v2 is written after cgroup-v2.rst and tested with a fake tree only.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::control::CgroupFile;
use crate::plan::CgroupParents;

/// Makes this server's own folder below every parent; the result names those.
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
        } => CgroupParents::V1 {
            memory: own(memory)?,
            pids: own(pids)?,
            cpuacct: own(cpuacct)?,
        },
        CgroupParents::V2 { parent } => {
            let folder = own(parent)?;
            fs::write(
                Path::new(&folder).join("cgroup.subtree_control"),
                "+memory +pids +cpu",
            )?;
            CgroupParents::V2 { parent: folder }
        }
    })
}

fn folders(parents: &CgroupParents) -> Vec<&str> {
    match parents {
        CgroupParents::None => vec![],
        CgroupParents::V1 {
            memory,
            pids,
            cpuacct,
        } => vec![memory, pids, cpuacct],
        CgroupParents::V2 { parent } => vec![parent],
    }
}

fn slot_name(slot: u32) -> String {
    format!("slot-{slot}")
}

/// The control files of each layout: which folder, file name, whether it must exist.
fn files_of(parents: &CgroupParents) -> Vec<(CgroupFile, &Path, &'static str, bool)> {
    use CgroupFile::{
        CpuUsage, Kill, MemoryLimit, MemoryPeak, MemoryReclaim, MemoryUsage, OomEvents, PidsEvents,
        PidsLimit, PidsUsage, ProcsCpuacct, ProcsMemory, ProcsPids, SwapLimit,
    };
    match parents {
        CgroupParents::None => vec![],
        CgroupParents::V1 {
            memory,
            pids,
            cpuacct,
        } => {
            let (memory, pids, cpuacct) = (Path::new(memory), Path::new(pids), Path::new(cpuacct));
            vec![
                (ProcsMemory, memory, "cgroup.procs", true),
                (ProcsPids, pids, "cgroup.procs", true),
                (ProcsCpuacct, cpuacct, "cgroup.procs", true),
                (MemoryLimit, memory, "memory.limit_in_bytes", true),
                // Only kernels with swap accounting have it.
                (SwapLimit, memory, "memory.memsw.limit_in_bytes", false),
                (MemoryPeak, memory, "memory.max_usage_in_bytes", true),
                (MemoryUsage, memory, "memory.usage_in_bytes", true),
                (OomEvents, memory, "memory.oom_control", true),
                (MemoryReclaim, memory, "memory.force_empty", true),
                (PidsLimit, pids, "pids.max", true),
                (PidsEvents, pids, "pids.events", true),
                (PidsUsage, pids, "pids.current", true),
                (CpuUsage, cpuacct, "cpuacct.usage", true),
            ]
        }
        CgroupParents::V2 { parent } => {
            let parent = Path::new(parent);
            vec![
                (ProcsMemory, parent, "cgroup.procs", true),
                (MemoryLimit, parent, "memory.max", true),
                (SwapLimit, parent, "memory.swap.max", false),
                (MemoryPeak, parent, "memory.peak", true),
                (MemoryUsage, parent, "memory.current", true),
                (OomEvents, parent, "memory.events", true),
                (MemoryReclaim, parent, "memory.reclaim", false),
                (PidsLimit, parent, "pids.max", true),
                (PidsEvents, parent, "pids.events", true),
                (PidsUsage, parent, "pids.current", true),
                (CpuUsage, parent, "cpu.stat", true),
                (Kill, parent, "cgroup.kill", false),
            ]
        }
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
pub(super) fn create(parents: &CgroupParents, slot: u32) -> io::Result<Vec<(CgroupFile, OwnedFd)>> {
    for folder in folders(parents) {
        fs::create_dir(Path::new(folder).join(slot_name(slot)))?;
    }
    let mut opened = Vec::new();
    for (file, folder, name, required) in files_of(parents) {
        match open(&folder.join(slot_name(slot)).join(name)) {
            Ok(descriptor) => opened.push((file, descriptor)),
            Err(error) if required => return Err(error),
            Err(_) => {}
        }
    }
    Ok(opened)
}

/// Removes a slot's cgroups.
pub(super) fn remove(parents: &CgroupParents, slot: u32) -> io::Result<()> {
    folders(parents)
        .into_iter()
        .try_for_each(|folder| gone(&Path::new(folder).join(slot_name(slot))))
}

/// Removes every slot and this server's own folders.
pub(super) fn remove_all(parents: &CgroupParents) -> io::Result<()> {
    for folder in folders(parents) {
        remove_tree(Path::new(folder))?;
    }
    Ok(())
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
            create(&parents, 9).is_err(),
            "a slot that exists belongs to someone else"
        );
        // A plain folder has no control files: the first required one is missed.
        assert_eq!(
            create(&parents, 3).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        for (_, folder, name, _) in files_of(&parents) {
            fs::write(folder.join("slot-3").join(name), "").unwrap();
        }
        let order: Vec<_> = files_of(&parents)
            .iter()
            .map(|(file, ..)| file.bit())
            .collect();
        assert!(
            order.is_sorted(),
            "descriptors travel in the order of `CgroupFile`"
        );
    }
}
