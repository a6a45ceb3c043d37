//! Who may run now: no more than the executor's slots, then one bounded queue in order of arrival.
//!
//! Nothing waits without a deadline and nothing waits outside the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Failure;
use crate::metrics::Metrics;

/// The slots and the queue before them.
#[derive(Debug)]
pub(crate) struct Admission {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    wait: Duration,
    metrics: Arc<Metrics>,
}

/// One slot; free again when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _slot: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.metrics.running.down();
    }
}

/// A place in the queue.
struct Place<'a>(&'a Admission);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.metrics.waiting.down();
    }
}

impl Admission {
    pub(crate) fn new(slots: usize, queue: usize, wait: Duration, metrics: Arc<Metrics>) -> Self {
        let slots = Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            slots,
            waiting: AtomicUsize::new(0),
            queue,
            wait,
            metrics,
        }
    }

    /// A slot, at once or after waiting in the queue.
    ///
    /// Errors: 429 when the queue is full or the wait was too long.
    pub(crate) async fn admit(&self) -> Result<Permit, Failure> {
        // The semaphore hands freed slots to waiters first: this never overtakes the queue.
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(self.permit(slot));
        }
        let _place = self.enqueue()?;
        match tokio::time::timeout(self.wait, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(self.permit(slot)),
            Ok(Err(_)) | Err(_) => {
                self.metrics.refused_busy.add();
                let waited = self.wait;
                Err(Failure::busy(
                    "saturated",
                    format!("no slot became free within {waited:?}; try again later"),
                ))
            }
        }
    }

    fn permit(&self, slot: OwnedSemaphorePermit) -> Permit {
        self.metrics.running.up();
        Permit {
            _slot: slot,
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn enqueue(&self) -> Result<Place<'_>, Failure> {
        let taken = self.waiting.fetch_add(1, Ordering::AcqRel);
        self.metrics.waiting.up();
        let place = Place(self);
        if taken < self.queue {
            return Ok(place);
        }
        self.metrics.refused_busy.add();
        Err(Failure::busy(
            "queue_full",
            "all slots are busy and the queue is full; try again later",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(queue: usize, wait_ms: u64) -> Admission {
        Admission::new(1, queue, Duration::from_millis(wait_ms), Arc::default())
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_dropped_permit_frees_its_slot() {
        let admission = admission(0, 60_000);
        let first = admission.admit().await.unwrap();
        assert_eq!(
            admission.admit().await.unwrap_err().body().error.code,
            "queue_full"
        );
        drop(first);
        assert!(admission.admit().await.is_ok());
        assert_eq!(admission.metrics.running.read(), 0);
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline_and_leaves_the_queue_empty() {
        let admission = admission(1, 5);
        let _held = admission.admit().await.unwrap();
        assert_eq!(
            admission.admit().await.unwrap_err().body().error.code,
            "saturated"
        );
        assert_eq!(admission.waiting.load(Ordering::Acquire), 0);
    }
}
