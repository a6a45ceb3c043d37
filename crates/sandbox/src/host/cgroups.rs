//! Which cgroups this process may make, and which a dead server left.

use std::fs;
use std::path::{Path, PathBuf};

use super::block;
use crate::plan::CgroupParents;
use crate::spawner::cgroup::remove_tree;

/// The folders below which slots' cgroups can be made; `None` where nothing is delegated.
///
/// v1 is taken where memory, pids and cpuacct are mounted and writable, else v2 where the own
/// cgroup's controllers can be enabled for children.
#[must_use]
pub fn find() -> CgroupParents {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    find_in(&own, &mounts, &|folder| may_make_folders(folder))
}

fn find_in(own: &str, mounts: &str, writable: &dyn Fn(&Path) -> bool) -> CgroupParents {
    let v1 = |controller: &str| -> Option<String> {
        let point = mount_point(mounts, "cgroup", controller)?;
        let path = own_path(own, |names| names.split(',').any(|name| name == controller))?;
        usable(&point, &path, writable)
    };
    if let (Some(memory), Some(pids), Some(cpuacct)) = (v1("memory"), v1("pids"), v1("cpuacct")) {
        // Often both are one hierarchy; then its folder has the files of both.
        let apart =
            mount_point(mounts, "cgroup", "cpu") != mount_point(mounts, "cgroup", "cpuacct");
        return CgroupParents::V1 {
            memory,
            pids,
            cpuacct,
            cpu: v1("cpu").filter(|_| apart),
        };
    }
    let v2 = mount_point(mounts, "cgroup2", "").and_then(|point| {
        let path = own_path(own, str::is_empty)?;
        let parent = usable(&point, &path, writable)?;
        let controllers = fs::read_to_string(Path::new(&parent).join("cgroup.controllers")).ok()?;
        ["memory", "pids", "cpu"]
            .iter()
            .all(|c| controllers.split_whitespace().any(|have| have == *c))
            .then_some(parent)
    });
    v2.map_or(CgroupParents::None, |parent| CgroupParents::V2 { parent })
}

/// Field 2 of the line of this type whose options name `controller` (v2 has none to name).
fn mount_point(mounts: &str, kind: &str, controller: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, point, found, options, ..] = fields[..] else {
            return None;
        };
        let named = controller.is_empty() || options.split(',').any(|option| option == controller);
        (found == kind && named).then(|| point.to_owned())
    })
}

/// Path of the own cgroup in the hierarchy whose controller list satisfies `wanted`.
fn own_path(own: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        wanted(names).then(|| path.to_owned())
    })
}

/// The own cgroup's folder, or the mount's root where a container shows only that.
fn usable(point: &str, path: &str, writable: &dyn Fn(&Path) -> bool) -> Option<String> {
    let own = PathBuf::from(format!("{point}{path}"));
    [own, PathBuf::from(point)]
        .into_iter()
        .find(|folder| writable(folder))
        .map(|f| f.to_string_lossy().trim_end_matches('/').to_owned())
}

fn may_make_folders(folder: &Path) -> bool {
    let trial = folder.join(format!("probe-hognose-{}", std::process::id()));
    fs::create_dir(&trial).is_ok() && fs::remove_dir(&trial).is_ok()
}

/// Removes cgroups of servers that are gone, and those that bear the name of `own`, a block that
/// the caller has leased.
///
/// A folder goes only while the lock of the block that made it is held, so no server that is
/// starting just now can lose a folder to this. What bears no name of ours stays.
pub fn clean(parents: &CgroupParents, locks: &Path, own: &str) {
    let folders: Vec<&String> = match parents {
        CgroupParents::None => vec![],
        CgroupParents::V1 {
            memory,
            pids,
            cpuacct,
            cpu,
        } => [memory, pids, cpuacct].into_iter().chain(cpu).collect(),
        CgroupParents::V2 { parent } => vec![parent],
    };
    for entry in folders
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(block) = block_of(&name) else {
            continue;
        };
        let held = (block != own).then(|| block::hold_if_free(locks, block));
        if !matches!(held, Some(None)) {
            // A folder that still has processes cannot be removed; the next start tries again.
            let _ = remove_tree(&entry.path());
        }
    }
}

/// The block that made a folder of this name: `hognose-N`, or `hognose-N-slot-M` beside it.
fn block_of(folder: &str) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (block, slot) = match folder.split_once("-slot-") {
        Some((block, slot)) => (block, Some(slot)),
        None => (folder, None),
    };
    let ours = is_number(block.strip_prefix("hognose-")?) && slot.is_none_or(is_number);
    ours.then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_block() {
        assert_eq!(block_of("hognose-7"), Some("hognose-7"));
        assert_eq!(block_of("hognose-7-slot-12"), Some("hognose-7"));
        for other in [
            "system.slice",
            "hognose-",
            "hognose-x",
            "hognose-7x",
            "hognose-7-slot-",
            "hognose-7-slot-1-slot-2",
            "probe-hognose-7",
        ] {
            assert_eq!(block_of(other), None, "{other}");
        }
    }

    #[test]
    fn only_folders_of_a_block_whose_lock_is_free_go() {
        let (locks, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (own, other) = (
            block::lease(locks.path()).unwrap(),
            block::lease(locks.path()).unwrap(),
        );
        let gone = block::lease(locks.path()).unwrap();
        let of = |block: &block::Block| [block.name.clone(), format!("{}-slot-3", block.name)];
        let stay = [
            of(&other).to_vec(),
            vec!["hognose-notes".into(), "user".into()],
        ]
        .concat();
        let go = [of(&own), of(&gone)].concat();
        for folder in stay.iter().chain(&go) {
            // As on v1, where the slots of memory and pids lie below and the others beside.
            fs::create_dir_all(tree.path().join(folder).join("slot-0")).unwrap();
        }
        drop(gone);
        let parent = tree.path().to_string_lossy().into_owned();
        clean(&CgroupParents::V2 { parent }, locks.path(), &own.name);
        let there = |folder: &String| tree.path().join(folder).exists();
        assert!(stay.iter().all(there));
        assert!(!go.iter().any(there));
    }

    const OWN: &str = "8:pids:/\n4:memory:/a/b\n2:cpuacct:/\n0::/u\n";
    const MOUNTS: &str = "cgroup /c/memory cgroup rw,relatime,memory 0 0\ncgroup /c/pids cgroup rw,pids 0 0\n\
                          cgroup /c/cpuacct cgroup rw,cpuacct 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n";

    #[test]
    fn v1_is_found_below_the_own_cgroup() {
        let found = find_in(OWN, MOUNTS, &|_| true);
        let path = |p: &str| p.to_owned();
        assert_eq!(
            found,
            CgroupParents::V1 {
                memory: path("/c/memory/a/b"),
                pids: path("/c/pids"),
                cpuacct: path("/c/cpuacct"),
                cpu: None,
            }
        );
    }

    #[test]
    fn a_hierarchy_that_shows_only_its_root_is_used_from_there() {
        let found = find_in(OWN, MOUNTS, &|folder| folder != Path::new("/c/memory/a/b"));
        assert!(matches!(found, CgroupParents::V1 { memory, .. } if memory == "/c/memory"));
    }

    #[test]
    fn a_cpu_hierarchy_of_its_own_is_used_too() {
        let own = format!("{OWN}1:cpu:/x\n");
        let mounts = format!("{MOUNTS}cgroup /c/cpu cgroup rw,cpu 0 0\n");
        let cpu = |mounts: &str| match find_in(&own, mounts, &|_| true) {
            CgroupParents::V1 { cpu, .. } => cpu,
            _ => None,
        };
        assert_eq!(cpu(&mounts), Some("/c/cpu/x".to_owned()));
        let joint = MOUNTS
            .replace("rw,relatime,cpuacct", "rw")
            .replace("rw,cpuacct", "rw,cpu,cpuacct");
        assert_eq!(cpu(&joint), None);
    }

    #[test]
    fn nothing_writable_means_none() {
        assert_eq!(find_in(OWN, MOUNTS, &|_| false), CgroupParents::None);
    }
}
