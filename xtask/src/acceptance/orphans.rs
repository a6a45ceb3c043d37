//! What a server may have left on the host: processes, mounts, cgroups, folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::tree::command_line;

const CGROUPS: &str = "/sys/fs/cgroup";

/// How many cgroups a server has, by those that it holds files of: others on this host may have
/// servers of their own.
pub(super) fn cgroups_of(server: u32) -> Result<usize> {
    let mut own = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{server}/fd"))? {
        // A descriptor that was closed since is none.
        let held = entry.and_then(|entry| fs::read_link(entry.path()));
        own.extend(held.ok().and_then(|path| cgroup_in(&path)));
    }
    let mut found = BTreeSet::new();
    for folder in &own {
        found.insert(format!("folder {}", folder.display()));
        folders(folder, 2, &mut found);
    }
    Ok(found.len())
}

/// How many files of cgroups a server holds.
pub(super) fn cgroup_files_of(server: u32) -> Result<usize> {
    let entries = fs::read_dir(format!("/proc/{server}/fd"))?.flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(links.filter(|path| cgroup_in(path).is_some()).count())
}

/// The topmost folder of ours in the path of a cgroup's file.
fn cgroup_in(path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(CGROUPS).ok()?;
    let mut parts = below.components();
    let depth =
        parts.position(|part| part.as_os_str().to_string_lossy().starts_with("hognose-"))?;
    Some(Path::new(CGROUPS).join(below.components().take(depth + 1).collect::<PathBuf>()))
}

/// Everything on this host that bears our marks.
pub(crate) struct Traces(BTreeSet<String>);

impl Traces {
    /// Looks at the host now.
    pub(crate) fn read() -> Result<Self> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let line = command_line(pid);
            if line.contains("/guest/zygote.py")
                || line.contains("hognose") && !line.contains("xtask") && pid != std::process::id()
            {
                found.insert(format!("process {pid}: {}", line.trim()));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        found.extend(
            mounts
                .lines()
                .filter(|line| line.contains("hognose"))
                .map(|line| format!("mount {line}")),
        );
        folders(Path::new(CGROUPS), 4, &mut found);
        for state in state_folders() {
            folders(&state.join("run"), 3, &mut found);
        }
        folders(&std::env::temp_dir(), 1, &mut found);
        Ok(Self(found))
    }

    /// Errors: something stands there that did not stand there before.
    pub(crate) fn nothing_new(&self, after: &Self) -> Result<()> {
        let new: Vec<_> = after
            .0
            .difference(&self.0)
            .filter(|trace| !trace.contains("hognose-escapes-"))
            .collect();
        if new.is_empty() {
            Ok(())
        } else {
            bail!("left behind: {new:#?}")
        }
    }
}

fn state_folders() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let named = std::env::var_os("HOGNOSE_STATE_DIR").map(PathBuf::from);
    let ordinary = std::env::temp_dir().join("hognose-escapes-15001/state");
    named
        .into_iter()
        .chain([
            home.join(".local/state/hognose"),
            home.join(".hognose"),
            ordinary,
        ])
        .collect()
}

/// Adds the folders below `folder` that bear our name, or all of them below one that does.
fn folders(folder: &Path, depth: u32, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if !path.is_dir() || path.is_symlink() {
            continue;
        }
        if path.to_string_lossy().contains("hognose") {
            found.insert(format!("folder {}", path.display()));
        }
        if depth > 1 {
            folders(&path, depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_cgroup_leads_to_the_blocks_folder() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                cgroup_in(Path::new(path)),
                expected.map(PathBuf::from),
                "{path}"
            );
        };
        let block = "/sys/fs/cgroup/memory/a/b/hognose-0";
        check(&format!("{block}/slot-1/memory.max"), Some(block));
        check("/sys/fs/cgroup/pids/pids.max", None);
        check("/run/hognose/hognose-0.lock", None);
    }
}
