//! Memory and CPU time of a process tree by sampling, where no cgroup bounds it (the rootless tier).
//!
//! Weaker than a cgroup and called that: a tree can outgrow its limit between two samples, and the
//! CPU time of orphans that have ended is lost.

use std::fs;
use std::time::Duration;

/// What a tree holds and has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Anonymous and shared memory; pages that several processes share count once in all.
    pub(crate) memory_bytes: u64,
    /// User and system time of the living and of the children they have waited for.
    pub(crate) cpu: Duration,
}

/// Samples these processes and all below them.
///
/// Source: proc_pid_smaps(5), `Pss_Anon` and `Pss_Shmem` of `smaps_rollup`; proc_pid_stat(5),
/// fields 14 to 17; proc_tid_children(5).
pub(crate) fn tree(roots: &[i32]) -> Sample {
    let mut open: Vec<i32> = roots.to_vec();
    let mut total = Sample::default();
    // A fork bomb is bounded by the process limit; this bounds a tree that changes under us.
    for _ in 0..4096 {
        let Some(pid) = open.pop() else { break };
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        total.memory_bytes += resident(&read("smaps_rollup"));
        total.cpu += used(&read("stat"));
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
    total
}

/// Sum of the four times in a `stat` line. Unit there: ticks of 10 ms, the same on every Linux.
fn used(stat: &str) -> Duration {
    // The name in parentheses may hold anything, so fields are counted from its end.
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        return Duration::ZERO;
    };
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks.saturating_mul(10))
}

fn resident(status: &str) -> u64 {
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
    (kib("Pss_Anon") + kib("Pss_Shmem")) * 1024
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
    fn this_process_has_memory_and_a_gone_one_none() {
        assert!(tree(&[i32::try_from(std::process::id()).unwrap()]).memory_bytes > 0);
        assert_eq!(tree(&[i32::MAX]), Sample::default());
    }

    #[test]
    fn times_are_read_behind_a_hostile_name() {
        let stat = "7 (a) 9 9 (b) R 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0";
        assert_eq!(used(stat), Duration::from_millis(1270));
        assert_eq!(used("nonsense"), Duration::ZERO);
    }
}
