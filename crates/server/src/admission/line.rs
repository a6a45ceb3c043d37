//! Whose turn it is. Pure: it takes callers' accounts and says who may go on.
//!
//! The slots are shared by start-time fair queueing: a clock runs with what is served, each caller
//! stands on it where its share is used up, and who stands first is served first. Some slots are
//! kept for callers whose executions are usually brief, so that these wait for each other only.
//!
//! Source: Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996.

use std::collections::BTreeMap;
use std::time::Duration;

use super::caller::Account;

/// One slot in so many is kept for brief executions.
const ONE_KEPT_IN: usize = 4;

/// A place in the queue: where it stands on the clock, then the order of arrival.
pub(super) type Place = (Duration, u64);

/// A slot that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Where its caller stood on the clock.
    pub(super) at: Duration,
    /// Whether there are others, and nothing says that this one will be brief.
    pub(super) gives_way: bool,
}

/// The slots and the queue before them. `W` is whatever the caller is woken with.
#[derive(Debug)]
pub(super) struct Line<W> {
    slots: usize,
    queue: usize,
    running: usize,
    clock: Duration,
    arrivals: u64,
    waiting: BTreeMap<Place, Waiting<W>>,
}

#[derive(Debug)]
struct Waiting<W> {
    is_brief: bool,
    wake: W,
}

/// What becomes of one who arrives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A slot is taken.
    Served(Turn),
    /// It waits in the queue.
    Waits(Place),
    /// The queue is full.
    Refused,
}

impl<W> Line<W> {
    pub(super) fn new(slots: usize, queue: usize) -> Self {
        Self {
            slots: slots.max(1),
            queue,
            running: 0,
            clock: Duration::ZERO,
            arrivals: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// Takes a slot for a caller, or a place in the queue for `wake`.
    pub(super) fn arrive(&mut self, account: &Account, wake: impl FnOnce() -> W) -> Arrival {
        let at = account.turn(self.clock);
        let is_brief = account.is_brief();
        // A free slot means that nobody waits who may have it.
        if self.has_room(is_brief) {
            return Arrival::Served(self.begin(at, is_brief));
        }
        if self.waiting.len() >= self.queue {
            return Arrival::Refused;
        }
        self.arrivals += 1;
        let place = (at, self.arrivals);
        let wake = wake();
        self.waiting.insert(place, Waiting { is_brief, wake });
        Arrival::Waits(place)
    }

    /// Gives up a place; `false` when its turn has come already.
    pub(super) fn leave(&mut self, place: Place) -> bool {
        self.waiting.remove(&place).is_some()
    }

    /// Gives a slot back; whoever is next has it.
    pub(super) fn free(&mut self) -> Option<(Turn, W)> {
        self.running -= 1;
        let may_go = |waiting: &Waiting<W>| self.has_room(waiting.is_brief);
        let place = *self.waiting.iter().find(|(_, one)| may_go(one))?.0;
        let next = self.waiting.remove(&place)?;
        Some((self.begin(place.0, next.is_brief), next.wake))
    }

    /// Callers that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Slots that are open to everybody.
    fn open(&self) -> usize {
        self.slots - self.slots / ONE_KEPT_IN
    }

    fn has_room(&self, is_brief: bool) -> bool {
        self.running < if is_brief { self.slots } else { self.open() }
    }

    fn begin(&mut self, at: Duration, is_brief: bool) -> Turn {
        // The kept slots serve brief callers out of turn.
        if self.running < self.open() {
            self.clock = self.clock.max(at);
        }
        let gives_way = self.running > 0 && !is_brief;
        self.running += 1;
        Turn { at, gives_way }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const BRIEF: Duration = MS;
    const LONG: Duration = Duration::from_secs(4);

    /// An account after `count` executions of this cost, each at the turn the clock then gives.
    fn after(count: u32, cost: Duration) -> Account {
        let mut account = Account::default();
        for _ in 0..count {
            let turn = account.turn(Duration::ZERO);
            account.book(turn, cost);
        }
        account
    }

    fn served(arrival: &Arrival) -> bool {
        matches!(arrival, Arrival::Served(_))
    }

    #[test]
    fn one_slot_in_four_is_open_to_brief_callers_only() {
        let (stranger, brief) = (Account::default(), after(3, BRIEF));
        for (slots, open) in [(1, 1), (3, 3), (4, 3), (8, 6)] {
            let mut line = Line::new(slots, 99);
            let taken = (0..slots)
                .filter(|_| served(&line.arrive(&stranger, || ())))
                .count();
            assert_eq!(taken, open, "{slots} slots");
            let kept = (0..slots)
                .filter(|_| served(&line.arrive(&brief, || ())))
                .count();
            assert_eq!(kept, slots - open, "{slots} slots");
        }
    }

    #[test]
    fn who_used_least_is_served_first_and_newcomers_after_brief_callers() {
        let mut line = Line::new(1, 9);
        line.arrive(&Account::default(), || "runs");
        line.arrive(&after(2, LONG), || "hog");
        line.arrive(&Account::default(), || "newcomer");
        line.arrive(&after(5, BRIEF), || "brief");
        let order: Vec<_> = std::iter::from_fn(|| line.free().map(|(_, who)| who)).collect();
        assert_eq!(order, ["brief", "newcomer", "hog"]);
    }

    #[test]
    fn nobody_waits_for_ever_beside_a_stream_of_newcomers() {
        let mut line = Line::new(1, 9);
        line.arrive(&Account::default(), || "runs");
        line.arrive(&after(1, LONG), || "hog");
        let turns = (0..100)
            .find(|_| {
                line.arrive(&Account::default(), || "newcomer");
                line.free().is_some_and(|(_, who)| who == "hog")
            })
            .unwrap();
        assert!(turns > 10, "{turns}");
    }

    #[test]
    fn a_brief_caller_does_not_wait_for_hogs_that_came_before() {
        let mut line = Line::new(4, 9);
        for _ in 0..5 {
            line.arrive(&Account::default(), || "hog");
        }
        let brief = after(3, BRIEF);
        assert!(served(&line.arrive(&brief, || "first")));
        assert_eq!(line.waiting(), 2);
        let Arrival::Waits(place) = line.arrive(&brief, || "second") else {
            panic!("a fifth execution in four slots");
        };
        assert_eq!(line.free().map(|(_, who)| who), Some("second"));
        assert!(!line.leave(place), "its turn has come");
    }

    #[test]
    fn who_may_be_long_gives_way_where_there_are_others() {
        let mut line = Line::new(4, 9);
        let mut gives_way = |account: &Account| match line.arrive(account, || ()) {
            Arrival::Served(turn) => turn.gives_way,
            other => panic!("{other:?}"),
        };
        let (newcomer, brief) = (Account::default(), after(3, BRIEF));
        let accounts = [&newcomer, &newcomer, &brief];
        assert_eq!(accounts.map(&mut gives_way), [false, true, false]);
    }

    #[test]
    fn a_full_queue_refuses_until_somebody_leaves() {
        let mut line = Line::new(1, 1);
        let someone = Account::default();
        line.arrive(&someone, || ());
        let Arrival::Waits(place) = line.arrive(&someone, || ()) else {
            panic!("there was a place");
        };
        assert_eq!(line.arrive(&someone, || ()), Arrival::Refused);
        assert!(line.leave(place));
        assert!(matches!(line.arrive(&someone, || ()), Arrival::Waits(_)));
    }
}
