//! Who may run now: no more than the executor's slots, then one bounded queue in fair order.
//!
//! Nothing waits without a deadline and nothing waits outside the queue. Who is served next is
//! decided by what each caller's executions have cost (`line`).

mod caller;
mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::line::{Arrival, Line, Place, Turn};
use crate::error::Failure;
use crate::metrics::Metrics;

pub(crate) use self::caller::Caller;

/// The slots and the queue before them.
#[derive(Debug)]
pub(crate) struct Admission {
    line: Arc<Mutex<Line<oneshot::Sender<Taken>>>>,
    wait: Duration,
    metrics: Arc<Metrics>,
}

/// A slot that was taken; free again when dropped.
#[derive(Debug)]
struct Taken {
    line: Arc<Mutex<Line<oneshot::Sender<Taken>>>>,
    turn: Turn,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let next = lock(&self.line).free();
        if let Some((turn, wake)) = next {
            let line = Arc::clone(&self.line);
            // Whoever has gone meanwhile drops the slot, which passes it on.
            let _ = wake.send(Self { line, turn });
        }
    }
}

/// One slot, on its caller's account; free again when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    slot: Taken,
    caller: Arc<Caller>,
    since: Instant,
    cpu: Duration,
    metrics: Arc<Metrics>,
}

impl Permit {
    /// Whether the execution should give way to all others from its start.
    pub(crate) fn gives_way(&self) -> bool {
        self.slot.turn.gives_way
    }

    /// Tells how much CPU time the execution has used.
    pub(crate) fn used(&mut self, cpu: Duration) {
        self.cpu = cpu;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.metrics.running.down();
        self.caller
            .book(self.slot.turn.at, self.since.elapsed().max(self.cpu));
    }
}

/// A place in the queue, given up when dropped.
struct Queued<'a> {
    admission: &'a Admission,
    place: Place,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        lock(&self.admission.line).leave(self.place);
        self.admission.metrics.waiting.down();
    }
}

impl Admission {
    pub(crate) fn new(slots: usize, queue: usize, wait: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            line: Arc::new(Mutex::new(Line::new(slots, queue))),
            wait,
            metrics,
        }
    }

    /// A slot, at once or after waiting in the queue.
    ///
    /// Errors: 429 when the queue is full or the wait was too long.
    pub(crate) async fn admit(&self, caller: &Arc<Caller>) -> Result<Permit, Failure> {
        let (wake, woken) = oneshot::channel();
        let arrival = lock(&self.line).arrive(&caller.account(), || wake);
        let slot = match arrival {
            Arrival::Served(turn) => Taken {
                line: Arc::clone(&self.line),
                turn,
            },
            Arrival::Waits(place) => self.wait(place, woken).await?,
            Arrival::Refused => {
                return Err(self.busy(
                    "queue_full",
                    "all slots are busy and the queue is full; try again later".to_owned(),
                ));
            }
        };
        self.metrics.running.up();
        Ok(Permit {
            slot,
            caller: Arc::clone(caller),
            since: Instant::now(),
            cpu: Duration::ZERO,
            metrics: Arc::clone(&self.metrics),
        })
    }

    async fn wait(&self, place: Place, woken: oneshot::Receiver<Taken>) -> Result<Taken, Failure> {
        self.metrics.waiting.up();
        let _queued = Queued {
            admission: self,
            place,
        };
        let Ok(Ok(slot)) = tokio::time::timeout(self.wait, woken).await else {
            let waited = self.wait;
            let message = format!("no slot became free within {waited:?}; try again later");
            return Err(self.busy("saturated", message));
        };
        Ok(slot)
    }

    fn busy(&self, code: &'static str, message: String) -> Failure {
        self.metrics.refused_busy.add();
        Failure::busy(code, message)
    }
}

fn lock<T>(line: &Mutex<T>) -> MutexGuard<'_, T> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(queue: usize, wait_ms: u64) -> Admission {
        Admission::new(1, queue, Duration::from_millis(wait_ms), Arc::default())
    }

    fn waiting(admission: &Admission) -> usize {
        lock(&admission.line).waiting()
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_dropped_permit_frees_its_slot() {
        let (admission, caller) = (admission(0, 60_000), Arc::default());
        let first = admission.admit(&caller).await.unwrap();
        assert_eq!(
            admission
                .admit(&caller)
                .await
                .unwrap_err()
                .body()
                .error
                .code,
            "queue_full"
        );
        drop(first);
        assert!(admission.admit(&caller).await.is_ok());
        assert_eq!(admission.metrics.running.read(), 0);
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline_and_leaves_the_queue_empty() {
        let (admission, caller) = (admission(1, 5), Arc::default());
        let _held = admission.admit(&caller).await.unwrap();
        assert_eq!(
            admission
                .admit(&caller)
                .await
                .unwrap_err()
                .body()
                .error
                .code,
            "saturated"
        );
        assert_eq!(waiting(&admission), 0);
        assert_eq!(admission.metrics.waiting.read(), 0);
    }

    #[tokio::test]
    async fn a_slot_passes_by_those_who_have_gone() {
        let (admission, caller) = (Arc::new(admission(2, 60_000)), Arc::<Caller>::default());
        let held = admission.admit(&caller).await.unwrap();
        let queue = |admission: &Arc<Admission>| {
            let (admission, caller) = (Arc::clone(admission), Arc::clone(&caller));
            tokio::spawn(async move { admission.admit(&caller).await.map(drop) })
        };
        let (gone, stays) = (queue(&admission), queue(&admission));
        while waiting(&admission) < 2 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(held);
        stays.await.unwrap().unwrap();
        assert!(admission.admit(&caller).await.is_ok());
    }
}
