//! CPU time of a tree whose processes may end between two looks.
//!
//! The kernel adds the time of a process that has ended to the parent that waits for it, and init
//! waits for orphans. A parent that ignores its children's ends lets their time vanish; what was
//! seen of it before counts all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::read;

/// A process for good: its number, and when it started, since numbers come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pid: i32,
    /// Unit: ticks since boot.
    started: u64,
}

impl Process {
    /// The one that has this number now, until it is reaped.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        of(pid).map(|(process, _)| process)
    }

    /// Whether it has not been reaped yet.
    pub(crate) fn is_there(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// One that had its number before it.
    #[cfg(test)]
    pub(crate) fn predecessor(self) -> Self {
        let started = self.started - 1;
        Self { started, ..self }
    }
}

/// What a process has used itself, and what the children have that it has waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    own: Duration,
    waited: Duration,
}

/// Adds up what a tree uses from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: BTreeMap<Process, Times>,
    /// CPU time of processes that have ended and that no parent has waited for.
    vanished: Duration,
}

impl Clock {
    /// Takes over what was seen now; the CPU time of the tree so far. Whoever is gone since the
    /// last time has left its time to the one who waited for it, or to nobody.
    ///
    /// `again` looks at a process once more: a list of children may miss one while others end.
    pub(super) fn account(
        &mut self,
        mut now: BTreeMap<Process, Times>,
        again: impl Fn(i32) -> Option<(Process, Times)>,
    ) -> Duration {
        let (mut left, mut inherited) = (Duration::ZERO, Duration::ZERO);
        for (process, before) in &self.last {
            if now.contains_key(process) {
                continue;
            }
            match again(process.pid).filter(|(found, _)| found == process) {
                Some((_, times)) => drop(now.insert(*process, times)),
                None => left += before.own + before.waited,
            }
        }
        if left > Duration::ZERO {
            // Read after they were seen to be gone: a parent is charged before its child vanishes.
            for (process, before) in &self.last {
                let Some(seen) = now.get_mut(process) else {
                    continue;
                };
                match again(process.pid).filter(|(found, _)| found == process) {
                    Some((_, times)) => *seen = times,
                    // It has just ended, too, and what it had inherited is not known.
                    None => inherited = Duration::MAX,
                }
                inherited = inherited.saturating_add(seen.waited.saturating_sub(before.waited));
            }
        }
        self.vanished += left.saturating_sub(inherited);
        self.last = now;
        let there: Duration = self.last.values().map(|t| t.own + t.waited).sum();
        there + self.vanished
    }
}

/// The process that has this number, and its times so far.
/// Source: proc_pid_stat(5), fields 14 to 17 and 22.
pub(super) fn of(pid: i32) -> Option<(Process, Times)> {
    times_in(pid, &read(pid, "stat"))
}

/// The times in a `stat` line. Unit there: ticks of 10 ms, the same on every Linux.
fn times_in(pid: i32, stat: &str) -> Option<(Process, Times)> {
    // The name in parentheses may hold anything, so fields are counted from its end.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let both = |first, second| Some(Duration::from_millis((ticks(first)? + ticks(second)?) * 10));
    let process = Process {
        pid,
        started: ticks(22)?,
    };
    let times = Times {
        own: both(14, 15)?,
        waited: both(16, 17)?,
    };
    Some((process, times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_hostile_name() {
        let stat = "7 (a) 9 9 (b) R 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 777 0";
        let (process, times) = times_in(7, stat).unwrap();
        assert_eq!((process.pid, process.started), (7, 777));
        assert_eq!(times, used(1200, 70).1);
        assert_eq!(times_in(7, "nonsense"), None);
    }

    #[test]
    fn a_number_that_came_again_is_somebody_else() {
        let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_there() && !own.predecessor().is_there());
        assert_eq!(Process::of(i32::MAX), None);
    }

    fn used(own_ms: u64, waited_ms: u64) -> (Process, Times) {
        process(1, own_ms, waited_ms)
    }

    fn process(pid: i32, own_ms: u64, waited_ms: u64) -> (Process, Times) {
        let times = Times {
            own: Duration::from_millis(own_ms),
            waited: Duration::from_millis(waited_ms),
        };
        (Process { pid, started: 5 }, times)
    }

    /// What counts as vanished after two looks; `again` is what a second read finds.
    fn vanished(
        first: &[(Process, Times)],
        second: &[(Process, Times)],
        again: &[(Process, Times)],
    ) -> u128 {
        let mut clock = Clock::default();
        let found = |pid| {
            again
                .iter()
                .copied()
                .find(|(process, _)| process.pid == pid)
        };
        clock.account(first.iter().copied().collect(), found);
        clock.account(second.iter().copied().collect(), found);
        clock.vanished.as_millis()
    }

    #[test]
    fn time_vanishes_only_where_nobody_has_waited_for_it() {
        let before = [used(10, 0), process(2, 500, 20)];
        let waited = [used(30, 530)];
        assert_eq!(vanished(&before, &waited, &waited), 0);
        // Ended and waited for between the look at the parent and the look at the child.
        assert_eq!(vanished(&before, &[used(30, 0)], &waited), 0);
        let ignored = [used(30, 0)];
        assert_eq!(vanished(&before, &ignored, &ignored), 520);
        let half = [used(30, 200)];
        assert_eq!(vanished(&before, &half, &half), 320);
    }

    #[test]
    fn what_vanished_counts_for_good() {
        let mut clock = Clock::default();
        let looks = [
            vec![used(10, 0), process(2, 500, 20)],
            vec![used(30, 0)],
            vec![used(40, 0)],
        ];
        let sums = looks.map(|now| {
            let sum = clock.account(now.iter().copied().collect(), |pid| {
                now.iter().copied().find(|(process, _)| process.pid == pid)
            });
            sum.as_millis()
        });
        assert_eq!(sums, [530, 550, 560]);
    }

    #[test]
    fn a_process_that_was_missed_has_not_vanished() {
        let before = [used(10, 0), process(2, 500, 0)];
        assert_eq!(vanished(&before, &[used(10, 0)], &before), 0);
        // A number that came again is somebody else.
        let other = (Process { pid: 2, started: 9 }, Times::default());
        let now = [used(10, 0), other];
        assert_eq!(vanished(&before, &now, &now), 500);
        // The parent has ended as well, and may have waited for it.
        assert_eq!(vanished(&before, &[used(10, 0)], &[]), 0);
    }
}
