//! When a long execution gives way to everybody else, and when it has its turn all the same.
//!
//! Idle-class processes of Linux get next to nothing on a host that is busy with other work. A
//! program must not reach its wall limit for that: one that starves goes on like everybody else
//! until it has had its turn.

use std::time::{Duration, Instant};

/// CPU time after which an execution gives way: whoever needs less than that is not made to wait
/// by those who need much more.
pub(crate) const YOUNG_CPU: Duration = Duration::from_millis(100);
/// How long it gives way before somebody looks whether it starves.
const PATIENCE: Duration = Duration::from_secs(1);
/// CPU time it has to get meanwhile, and its turn if it does not.
const TURN: Duration = Duration::from_millis(200);

/// One execution's place among the others.
#[derive(Debug)]
pub(crate) struct Pace {
    gives_way: bool,
    since: Instant,
    /// CPU time it had used then.
    used: Duration,
}

impl Pace {
    /// `gives_way` from the start for whom admission made a newcomer.
    pub(crate) fn new(now: Instant, gives_way: bool) -> Self {
        Self {
            gives_way,
            since: now,
            used: Duration::ZERO,
        }
    }

    /// Whether it gives way from now on; `used` is its CPU time so far.
    pub(crate) fn next(&mut self, now: Instant, used: Duration) -> bool {
        let gained = used.saturating_sub(self.used);
        let changes = if self.gives_way {
            let is_over = now.duration_since(self.since) >= PATIENCE;
            if is_over && gained >= TURN {
                (self.since, self.used) = (now, used);
            }
            is_over && gained < TURN
        } else {
            used >= YOUNG_CPU && gained >= if self.used.is_zero() { YOUNG_CPU } else { TURN }
        };
        if changes {
            *self = Self {
                gives_way: !self.gives_way,
                since: now,
                used,
            };
        }
        self.gives_way
    }
}

/// Processors of this host that we may use.
pub(crate) fn processors() -> u32 {
    use std::sync::OnceLock;
    static COUNT: OnceLock<u32> = OnceLock::new();
    *COUNT.get_or_init(|| {
        std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 100 ms at one that gets these shares, in percent, while it gives way and while
    /// it does not; returns the CPU time it got in `seconds`.
    fn got(gives_way: bool, idle: u32, fair: u32, seconds: u32) -> Duration {
        let began = Instant::now();
        let mut pace = Pace::new(began, gives_way);
        let (mut used, mut waits) = (Duration::ZERO, gives_way);
        for look in 1..=seconds * 10 {
            used += Duration::from_millis(u64::from(if waits { idle } else { fair }));
            waits = pace.next(began + Duration::from_millis(100) * look, used);
        }
        used
    }

    #[test]
    fn one_that_gets_enough_gives_way_for_good() {
        let began = Instant::now();
        let mut pace = Pace::new(began, false);
        let at = |tenths: u32| began + Duration::from_millis(100) * tenths;
        assert!(!pace.next(at(0), Duration::from_millis(99)));
        for tenths in 1..100 {
            assert!(pace.next(at(tenths), Duration::from_millis(30) * tenths + YOUNG_CPU));
        }
    }

    #[test]
    fn one_that_starves_has_its_turns() {
        for gives_way in [true, false] {
            let got = got(gives_way, 0, 50, 30);
            assert!(got >= Duration::from_secs(4), "{gives_way}: {got:?}");
            assert!(got <= Duration::from_secs(6), "{gives_way}: {got:?}");
        }
    }
}
