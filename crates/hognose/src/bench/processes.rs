//! What the kernel tells about processes in `/proc`: who is whose child, and CPU time.
//!
//! Everything an engine starts is a child of its server, which reaps it, so the time of what has
//! ended is in the server's own account. Source: ARCHITECTURE.md, section 3; proc_pid_stat(5).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The vector that the kernel hands every program; type 17 is the length of a tick.
/// Source: getauxval(3), `AT_CLKTCK`.
const CLOCK_TICKS: u64 = 17;
/// A tree that takes less than a tick in this time is quiet.
const QUIET: Duration = Duration::from_millis(300);
/// Longest wait for that.
const SETTLE: Duration = Duration::from_secs(60);

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    /// Its own CPU time. Units: ticks.
    own: u64,
    /// That of children it has reaped. Units: ticks.
    reaped: u64,
}

/// Reads one line of `/proc/PID/stat`; a name may hold anything, `)` too.
fn parse(line: &str) -> Option<Process> {
    let (pid, _) = line.split_once(" (")?;
    let (_, rest) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbered as the manual does, where the state is field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: u32::try_from(field(4)?).ok()?,
        own: field(14)? + field(15)?,
        reaped: field(16)? + field(17)?,
    })
}

/// Every process that can be seen. One that ends meanwhile is left out.
fn all() -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("cannot read /proc")?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse::<u32>().ok());
    let stats = pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    Ok(stats.filter_map(|line| parse(&line)).collect())
}

/// The processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Result<Vec<Process>> {
    let mut all = all()?;
    all.retain(|process| process.parent == pid);
    Ok(all)
}

/// CPU time of `root` and everything below it, dead or alive.
pub(crate) fn tree_time(root: u32) -> Result<Duration> {
    let all = all()?;
    let root = all.iter().find(|process| process.pid == root);
    let mut tree = vec![root.context("a process that is measured has ended")?];
    let mut next = 0;
    while let Some(parent) = tree.get(next).map(|process| process.pid) {
        tree.extend(all.iter().filter(|process| process.parent == parent));
        next += 1;
    }
    let ticks = tree
        .iter()
        .map(|process| process.own + process.reaped)
        .sum();
    Ok(duration(ticks))
}

/// CPU time of this process alone.
pub(crate) fn own_time() -> Result<Duration> {
    let line = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let process = parse(&line).context("cannot understand /proc/self/stat")?;
    Ok(duration(process.own))
}

/// CPU time of a tree once it has come to rest: what an execution leaves to be done after its
/// answer (reaping, refilling) is counted, too.
pub(crate) fn settled_tree_time(root: u32) -> Result<Duration> {
    let deadline = Instant::now() + SETTLE;
    let mut before = tree_time(root)?;
    loop {
        thread::sleep(QUIET);
        let now = tree_time(root)?;
        if now.saturating_sub(before) <= duration(1) || Instant::now() > deadline {
            return Ok(now);
        }
        before = now;
    }
}

/// A line of `/proc/PID/status`.
pub(crate) fn status_field(status: &str, name: &str) -> Option<String> {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(field, _)| *field == name);
    found.map(|(_, value)| value.trim().to_owned())
}

fn duration(ticks: u64) -> Duration {
    Duration::from_nanos(1_000_000_000 / ticks_per_second().max(1)).saturating_mul(
        // A tick is 10 ms: this many would take a year of CPU time.
        u32::try_from(ticks).unwrap_or(u32::MAX),
    )
}

fn ticks_per_second() -> u64 {
    let vector = fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<u64> = vector
        .chunks_exact(8)
        .map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap_or_default()))
        .collect();
    let mut pairs = words.chunks_exact(2);
    let found = pairs.find(|pair| pair[0] == CLOCK_TICKS);
    // What every Linux that runs Hognose has.
    found.map_or(100, |pair| pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name_holds() {
        let rest = "S 7 1 1 0 -1 4194560 1 2 3 4 10 20 300 400 20 0 1 0 5 6";
        for name in ["sh", "a b", "x) S 1 (y", ""] {
            let process = parse(&format!("42 ({name}) {rest}")).unwrap();
            let expected = Process {
                pid: 42,
                parent: 7,
                own: 30,
                reaped: 700,
            };
            assert_eq!(process, expected, "{name}");
        }
        assert_eq!(parse("42 (sh) S 7"), None);
    }

    #[test]
    fn this_process_has_a_parent_and_a_time() {
        let own = std::process::id();
        let line = fs::read_to_string("/proc/self/stat").unwrap();
        let parent = parse(&line).unwrap().parent;
        let siblings = children(parent).unwrap();
        assert!(siblings.iter().any(|process| process.pid == own));
        assert!(tree_time(own).unwrap() >= own_time().unwrap());
        assert_eq!(ticks_per_second(), 100);
    }

    #[test]
    fn fields_of_a_status_are_found_by_their_whole_name() {
        let status = "Name:\tx\nVmPTE:\t  44 kB\nNSpid:\t9\t2\n";
        assert_eq!(status_field(status, "VmPTE").unwrap(), "44 kB");
        assert_eq!(status_field(status, "NSpid").unwrap(), "9\t2");
        assert_eq!(status_field(status, "VmP"), None);
    }
}
