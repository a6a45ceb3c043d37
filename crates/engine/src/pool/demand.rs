//! How many children should wait, from how many were asked for lately. Pure.

use std::time::{Duration, Instant};

/// Seconds whose leases are remembered.
const SECONDS: usize = 10;
/// Children that wait in a pool nobody has asked for lately: one lease leaves it well stocked, so that
/// the next child is made after the answer.
const LEAST: usize = super::LOW_STOCK + 2;

/// Leases per second over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Demand {
    began: Option<Instant>,
    /// Leases of each second, the present one last.
    leases: [u32; SECONDS],
}

impl Demand {
    /// Counts one lease.
    pub(super) fn note(&mut self, now: Instant) {
        self.turn(now);
        self.leases[SECONDS - 1] += 1;
    }

    /// Half of the busiest second: a burst of that length finds its children waiting.
    pub(super) fn wish(&mut self, now: Instant) -> usize {
        self.turn(now);
        let busiest = self.leases.iter().copied().max().unwrap_or(0);
        LEAST.max(usize::try_from(busiest / 2).unwrap_or(LEAST))
    }

    /// Forgets the seconds that have passed.
    fn turn(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_secs();
        if passed == 0 {
            return;
        }
        let gone = usize::try_from(passed).unwrap_or(SECONDS).min(SECONDS);
        self.leases.rotate_left(gone);
        self.leases[SECONDS - gone..].fill(0);
        self.began = Some(began + Duration::from_secs(passed));
    }
}

/// Cuts wishes to what all may have together: `most` children, `bytes` of memory. Every pool that
/// wishes for any keeps at least one while there is room.
///
/// Shape: one `(wish, bytes of one child)` per pool; the result in the same order.
pub(super) fn shares(pools: &[(usize, u64)], most: usize, bytes: u64) -> Vec<usize> {
    let wished: usize = pools.iter().map(|(wish, _)| wish).sum();
    let wished_bytes: u64 = pools.iter().map(|(wish, each)| *wish as u64 * each).sum();
    if wished <= most && wished_bytes <= bytes {
        return pools.iter().map(|(wish, _)| *wish).collect();
    }
    let mut left = (most, bytes);
    // What is left over by modest pools goes to the others: the smallest wish first.
    let mut order: Vec<usize> = (0..pools.len()).collect();
    order.sort_by_key(|index| pools[*index].0);
    let mut result = vec![0; pools.len()];
    for (place, index) in order.iter().enumerate() {
        let (wish, each) = pools[*index];
        let takers = pools.len() - place;
        let by_bytes = usize::try_from(left.1 / takers as u64 / each.max(1)).unwrap_or(0);
        let share = wish.min(left.0 / takers).min(by_bytes);
        result[*index] = share;
        left = (left.0 - share, left.1 - share as u64 * each);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_second_is_remembered_for_ten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut demand = Demand::default();
        assert_eq!(demand.wish(at(0)), LEAST);
        (0..100).for_each(|_| demand.note(at(1)));
        assert_eq!(demand.wish(at(1)), 50);
        assert_eq!(demand.wish(at(10)), 50);
        assert_eq!(demand.wish(at(11)), LEAST);
        demand.note(at(1_000_000));
        assert_eq!(demand.wish(at(1_000_000)), LEAST);
    }

    #[test]
    fn wishes_within_the_budget_are_granted() {
        assert_eq!(shares(&[(2, 1), (50, 2)], 100, 1000), [2, 50]);
    }

    #[test]
    fn a_greedy_pool_gets_what_modest_ones_leave() {
        assert_eq!(shares(&[(90, 1), (2, 1), (3, 1)], 20, 1000), [15, 2, 3]);
        assert_eq!(shares(&[(90, 10), (2, 10)], 100, 100), [8, 2]);
        assert_eq!(shares(&[(5, 10), (5, 10)], 100, 0), [0, 0]);
        assert_eq!(shares(&[], 0, 0), Vec::<usize>::new());
    }
}
