//! What a caller's executions have cost so far, from which its place among the others follows.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Executions that usually cost no more than this are brief.
const BRIEF: Duration = Duration::from_millis(100);
/// What a newcomer is taken to cost and to have used: two brief executions prove it wrong, and a
/// new connection never stands before one whose executions were brief.
const NEWCOMER: Duration = Duration::from_millis(200);

/// One who asks for executions: a connection. What is known of it goes with it.
#[derive(Debug, Default)]
pub(crate) struct Caller(Mutex<Account>);

/// A caller's account. Costs are slot time, or CPU time where that is more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    /// Up to where its share is used, on the line's clock; `None` before its first execution.
    used_until: Option<Duration>,
    /// What its executions usually cost, the latest counting for half.
    usual: Duration,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            used_until: None,
            usual: NEWCOMER,
        }
    }
}

impl Account {
    /// Where its next execution stands on the line's clock. Time it left unused is not saved up.
    pub(super) fn turn(&self, clock: Duration) -> Duration {
        self.used_until
            .map_or(clock + NEWCOMER, |used| used.max(clock))
    }

    /// Whether its executions are usually over soon.
    pub(super) fn is_brief(&self) -> bool {
        self.usual <= BRIEF
    }

    /// Books an execution that began at `turn`.
    pub(super) fn book(&mut self, turn: Duration, cost: Duration) {
        self.used_until = Some(self.used_until.unwrap_or_default().max(turn) + cost);
        self.usual = (self.usual + cost) / 2;
    }
}

impl Caller {
    pub(super) fn account(&self) -> Account {
        *self.lock()
    }

    pub(super) fn book(&self, turn: Duration, cost: Duration) {
        self.lock().book(turn, cost);
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn two_brief_executions_make_a_caller_brief_and_a_long_one_unmakes_it_for_long() {
        let mut account = Account::default();
        let mut executions = |cost: Duration, most: usize| {
            (1..=most).find(|_| {
                account.book(Duration::ZERO, cost);
                account.is_brief()
            })
        };
        assert_eq!(executions(5 * MS, 9), Some(2));
        assert_eq!(executions(30_000 * MS, 1), None);
        assert_eq!(executions(5 * MS, 99), Some(8));
    }

    #[test]
    fn a_share_is_used_up_by_what_an_execution_cost_and_never_saved() {
        let mut account = Account::default();
        assert_eq!(account.turn(50 * MS), 50 * MS + NEWCOMER);
        account.book(50 * MS, 30 * MS);
        assert_eq!(account.turn(50 * MS), 80 * MS);
        assert_eq!(account.turn(9_000 * MS), 9_000 * MS);
    }
}
