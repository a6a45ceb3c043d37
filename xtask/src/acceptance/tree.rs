//! The processes of a running server, as `/proc` shows them.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::Endpoint;
use crate::serve::{Server, random, signal};

/// What can be killed.
pub(crate) const VICTIMS: [&str; 5] = ["child", "zygote", "init", "spawner", "server"];

/// What a server uses of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    /// Those of them that are files of cgroups: a slot's stay open while it waits for its next use.
    pub(crate) cgroup_files: usize,
    pub(crate) processes: usize,
    /// Lines of the host's own mount table.
    pub(crate) mounts: usize,
    /// Folders of the server's own block, in every hierarchy.
    pub(crate) cgroups: usize,
}

/// Kills one process of the tree below `server` that plays the part of `victim`.
///
/// A child and its zygote share one command line, as an init and the spawner do; the oldest with a
/// line is the zygote, or the spawner.
pub(crate) fn kill(server: u32, victim: &str) -> Result<String> {
    if victim == "server" {
        signal(server, "KILL");
        return Ok(format!("the server, pid {server}"));
    }
    let tree = descendants(server)?;
    let of = |words: &[&str]| -> Vec<u32> {
        let fits = |pid: &&u32| words.iter().any(|word| command_line(**pid).contains(word));
        tree.iter().filter(fits).copied().collect()
    };
    let pythons = of(&["/guest/zygote.py"]);
    let candidates = match victim {
        "spawner" => of(&["hognose-spawner"])
            .first()
            .copied()
            .into_iter()
            .collect(),
        "init" => of(&["hognose-spawner"])
            .get(1..)
            .unwrap_or_default()
            .to_vec(),
        "zygote" => pythons.first().copied().into_iter().collect(),
        _ => pythons.get(1..).unwrap_or_default().to_vec(),
    };
    if candidates.is_empty() {
        let seen: Vec<_> = tree.iter().map(|pid| command_line(*pid)).collect();
        bail!("no {victim} among {seen:?}");
    }
    let pid = candidates[random(candidates.len())];
    signal(pid, "KILL");
    Ok(format!("the {victim}, pid {pid}"))
}

/// Longest wait for full pools.
const FILLING: Duration = Duration::from_secs(30);

/// Waits until as many children wait in each pool as should.
fn await_full_pools(server: &Endpoint) -> Result<()> {
    let deadline = Instant::now() + FILLING;
    loop {
        let pools = server.get("/v1/pools")?.json()?;
        let pools = pools.as_array().context("no list of pools")?;
        // Nothing waits for a preload that nobody has warmed.
        let is_warm = |pool: &Value| pool["zygotes"].as_u64() > Some(0);
        let lacks =
            |pool: &&Value| is_warm(pool) && pool["ready"].as_u64() < pool["wanted"].as_u64();
        let Some(lacking) = pools.iter().find(lacks) else {
            return Ok(());
        };
        ensure!(Instant::now() < deadline, "not filled up: {lacking}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the server uses once it is at rest: what ended executions leave goes away by itself.
pub(crate) fn footprint_at_rest(server: &Server) -> Result<Footprint> {
    await_full_pools(&server.endpoint)?;
    let server = server.pid();
    let mut least = footprint(server)?;
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        let now = footprint(server)?;
        least = Footprint {
            resident_kib: now.resident_kib,
            descriptors: least.descriptors.min(now.descriptors),
            cgroup_files: least.cgroup_files.min(now.cgroup_files),
            processes: least.processes.min(now.processes),
            mounts: least.mounts.min(now.mounts),
            cgroups: least.cgroups.min(now.cgroups),
        };
    }
    Ok(least)
}

/// Processes below the server that have ended and that nobody has reaped.
pub(crate) fn zombies(server: u32) -> Result<usize> {
    let ended = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    };
    Ok(descendants(server)?.iter().filter(|pid| ended(pid)).count())
}

/// Processes below the server that call themselves `name`.
pub(crate) fn named(server: u32, name: &str) -> Result<usize> {
    let called = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    Ok(descendants(server)?
        .iter()
        .filter(|pid| called(pid))
        .count())
}

/// What the server uses now.
pub(crate) fn footprint(server: u32) -> Result<Footprint> {
    let status = fs::read_to_string(format!("/proc/{server}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(Footprint {
        resident_kib: line.trim().trim_end_matches(" kB").parse()?,
        descriptors: fs::read_dir(format!("/proc/{server}/fd"))?.count(),
        cgroup_files: super::orphans::cgroup_files_of(server)?,
        processes: descendants(server)?.len(),
        mounts: fs::read_to_string("/proc/self/mountinfo")?.lines().count(),
        cgroups: super::orphans::cgroups_of(server)?,
    })
}

/// Every process below `server`, oldest first.
fn descendants(server: u32) -> Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut open) = (Vec::new(), vec![server]);
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            found.push(*child);
            open.push(*child);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the last one closes it.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// The command line of a process, or its name when it has none.
pub(crate) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&bytes).replace('\0', " ");
    if words.trim().is_empty() {
        fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
    } else {
        words
    }
}
