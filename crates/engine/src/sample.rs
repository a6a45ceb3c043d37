//! Memory of a process tree by sampling, where no cgroup bounds it (the rootless tier).
//!
//! Weaker than a cgroup and called that: a tree can outgrow its limit between two samples.

use std::fs;

/// Anonymous and shared memory of these processes and all below them, pages that several of them
/// share counted once in all. Unit: bytes.
///
/// Source: proc_pid_smaps(5), `Pss_Anon` and `Pss_Shmem` of `smaps_rollup`; proc_tid_children(5).
pub(crate) fn tree_memory(roots: &[i32]) -> u64 {
    let mut open: Vec<i32> = roots.to_vec();
    let mut total = 0;
    // A fork bomb is bounded by the process limit; this bounds a tree that changes under us.
    for _ in 0..4096 {
        let Some(pid) = open.pop() else { break };
        total +=
            resident(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default());
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
        assert!(tree_memory(&[i32::try_from(std::process::id()).unwrap()]) > 0);
        assert_eq!(tree_memory(&[i32::MAX]), 0);
    }
}
