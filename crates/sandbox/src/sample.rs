//! Memory and CPU time of a process tree by sampling, where no cgroup bounds it.
//!
//! Weaker than a cgroup and called that: a tree can outgrow its limit between two samples.

pub(crate) mod times;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use self::times::Clock;
use crate::sys::process;

/// How the kernel shows a mapping of a zygote's snapshot. A guest can make no memory file where
/// memory is sampled, so none of its own has this name.
const SNAPSHOT_NAME: &str = "/memfd:hognose";

/// What a tree holds and has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Anonymous and shared memory; pages that several processes share count once in all.
    pub memory_bytes: u64,
    /// User and system time of the living, of the children they have waited for, and what was seen
    /// of those for whom nobody has.
    pub cpu: Duration,
}

/// What was seen of one execution, which is looked at again and again.
#[derive(Debug, Default)]
pub struct History {
    clock: Clock,
}

impl History {
    /// Samples its tree: its first process, what init has inherited, and all below.
    ///
    /// Where that comes to more than `most_bytes`, what the tree has only read of its zygote's
    /// snapshot is taken off: it was there before and stays when the tree goes. That look is slower.
    ///
    /// Errors: the first process may not be looked at. One that is gone has no memory.
    /// Source: proc_pid_smaps(5), `Pss_Anon` and `Pss_Shmem` of `smaps_rollup`;
    /// proc_tid_children(5).
    pub fn look(&mut self, first: i32, init: i32, most_bytes: u64) -> io::Result<Sample> {
        match fs::read(format!("/proc/{first}/smaps_rollup")) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
        let (mut memory_bytes, mut now) = (0, BTreeMap::new());
        for_each(&[first, init], |pid| {
            memory_bytes += resident(&read(pid, "smaps_rollup"));
            now.extend(times::of(pid));
        });
        let cpu = self.clock.account(now, times::of);
        if memory_bytes > most_bytes {
            memory_bytes = 0;
            for_each(&[first, init], |pid| {
                memory_bytes += own(&read(pid, "smaps_rollup"), &read(pid, "smaps"));
            });
        }
        Ok(Sample { memory_bytes, cpu })
    }
}

/// What a tree has used before it is given its program, which is not the program's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Before {
    cpu: Duration,
    /// Resident pages that its first process has no copy of.
    shared_bytes: u64,
}

impl Before {
    /// Looks at a first process that waits, and at its init. Whoever is gone has used nothing.
    /// Source: proc_pid_status(5), `RssFile` and `RssShmem`.
    #[must_use]
    pub fn of(first: i32, init: i32) -> Self {
        let cpu = |pid| process::cpu_time(pid).unwrap_or_default();
        Self {
            cpu: cpu(first) + cpu(init),
            shared_bytes: sum(&read(first, "status"), &["RssFile", "RssShmem"]),
        }
    }

    /// CPU time since then, of what was used in all.
    #[must_use]
    pub fn cpu_since(&self, total: Duration) -> Duration {
        total.saturating_sub(self.cpu)
    }

    /// The most memory of its own that a process can have held whose resident set was this at most:
    /// pages of files that it was the first to read count with it.
    #[must_use]
    pub fn memory_at_most(&self, max_rss_bytes: u64) -> u64 {
        max_rss_bytes.saturating_sub(self.shared_bytes)
    }
}

fn read(pid: i32, name: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

fn for_each(roots: &[i32], mut look: impl FnMut(i32)) {
    let mut open: Vec<i32> = roots.to_vec();
    // A fork bomb is bounded by the process limit; this bounds a tree that changes under us.
    for _ in 0..4096 {
        let Some(pid) = open.pop() else { break };
        look(pid);
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
        }
    }
}

/// What a process holds beside what it has only read of the snapshot. One that went between the two
/// looks, the second of which then says nothing, holds nothing.
fn own(rollup: &str, smaps: &str) -> u64 {
    if smaps.is_empty() {
        return 0;
    }
    resident(rollup).saturating_sub(of_snapshot(smaps))
}

/// Proportional memory of the snapshot's mappings, less their own copies.
fn of_snapshot(smaps: &str) -> u64 {
    let (mut total, mut ours, mut share) = (0, false, 0);
    for line in smaps.lines() {
        let kib = |name: &str| -> Option<u64> {
            let rest = line.strip_prefix(name)?.strip_prefix(':')?;
            rest.split_whitespace().next()?.parse().ok()
        };
        if line
            .split(' ')
            .next()
            .is_some_and(|first| first.contains('-'))
        {
            // A guest may put spaces into a path, but cannot begin one so.
            ours = line.split_whitespace().nth(5) == Some(SNAPSHOT_NAME);
        } else if let Some(pss) = kib("Pss").filter(|_| ours) {
            share = pss;
        } else if let Some(own) = kib("Anonymous").filter(|_| ours) {
            total += share.saturating_sub(own);
        }
    }
    total * 1024
}

fn resident(rollup: &str) -> u64 {
    sum(rollup, &["Pss_Anon", "Pss_Shmem"])
}

/// What these lines say together. Units there: kB; here: bytes.
fn sum(status: &str, names: &[&str]) -> u64 {
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| {
            rest.trim_start_matches(':')
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
    };
    names.iter().map(|name| kib(name)).sum::<u64>() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_and_shared_memory_counts() {
        let status = "Rss: 900 kB\nPss: 800 kB\nPss_Anon:     100 kB\nPss_File:   700 kB\nPss_Shmem:  28 kB\n";
        assert_eq!(resident(status), 128 * 1024);
        assert_eq!(resident(""), 0);
    }

    #[test]
    fn only_what_was_read_of_the_snapshot_is_its() {
        let smaps = "7f00-7f10 rw-p 0 00:01 9    /memfd:hognose (deleted)\nRss: 900 kB\nPss:  500 kB\nPss_Dirty: 500 kB\n\
                     Anonymous:  120 kB\nVmFlags: rd\n7f20-7f30 rw-p 0 00:01 7 /code/a /memfd:hognose (deleted)\nPss: 70 kB\nAnonymous: 70 kB\n";
        assert_eq!(of_snapshot(smaps), 380 * 1024);
        let rollup = "Pss_Anon: 190 kB\nPss_Shmem: 380 kB\n";
        assert_eq!(own(rollup, smaps), 190 * 1024);
        // It ended after the first look.
        assert_eq!(own(rollup, ""), 0);
    }

    #[test]
    fn what_was_used_before_is_not_the_programs() {
        let own = i32::try_from(std::process::id()).unwrap();
        // One more than the kernel gives out.
        let nobody = (1 << 22) + 1;
        let before = Before::of(own, nobody);
        assert!(before.cpu > Duration::ZERO && before.shared_bytes > 0);
        let spent = Duration::from_millis(3);
        assert_eq!(before.cpu_since(before.cpu + spent), spent);
        assert_eq!(before.memory_at_most(before.shared_bytes + 5), 5);
        assert_eq!(Before::of(nobody, nobody), Before::default());
    }

    #[test]
    fn this_process_has_memory_and_a_gone_one_none() {
        let own = i32::try_from(std::process::id()).unwrap();
        let look = |first| History::default().look(first, i32::MAX, u64::MAX).unwrap();
        assert!(look(own).memory_bytes > 0);
        assert_eq!(look(i32::MAX), Sample::default());
    }
}
