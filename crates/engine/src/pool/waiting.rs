//! One pool: the children of an environment and preload that wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::demand::Demand;
use super::{Child, GUESSED_CHILD_BYTES, LOW_STOCK, Origin};
use crate::environment::Environment;
use crate::metrics::{Gauge, PoolMetrics};
use crate::preload::Preload;
use crate::spawner::Launch;

/// The children of one environment and preload.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) preload: Preload,
    pub(super) launch: Launch,
    pub(super) environment: String,
    pub(super) zygote: tokio::sync::Mutex<Option<Arc<Origin>>>,
    pub(super) ready: Mutex<VecDeque<Child>>,
    pub(super) demand: Mutex<Demand>,
    pub(super) child_bytes: AtomicU64,
    /// Whether its zygote was ever ready: nothing waits for a preload nobody has warmed.
    pub(super) warmed: AtomicBool,
    /// Children that are being made.
    pub(super) making: Gauge,
    /// Not refilled before this moment.
    pub(super) rests_until: Mutex<Option<Instant>>,
    /// Whether nothing may wait in it any more.
    pub(super) closed: AtomicBool,
    pub(super) metrics: PoolMetrics,
}

impl Pool {
    pub(crate) fn new(preload: Preload, environment: &Environment, launch: Launch) -> Self {
        Self {
            preload,
            launch,
            environment: environment.digest.clone(),
            zygote: tokio::sync::Mutex::default(),
            ready: Mutex::default(),
            demand: Mutex::default(),
            child_bytes: AtomicU64::new(GUESSED_CHILD_BYTES),
            warmed: AtomicBool::new(false),
            making: Gauge::default(),
            rests_until: Mutex::default(),
            closed: AtomicBool::new(false),
            metrics: PoolMetrics::default(),
        }
    }

    /// Lets nothing wait here any more; returns what did.
    pub(super) fn close(&self) -> VecDeque<Child> {
        let Ok(mut ready) = self.ready.lock() else {
            return VecDeque::new();
        };
        self.closed.store(true, Ordering::Relaxed);
        std::mem::take(&mut *ready)
    }

    pub(super) fn waiting(&self) -> usize {
        self.ready.lock().map_or(0, |ready| ready.len())
    }

    /// Whether more wait than a low stock, up to which children are made even while one runs: then
    /// nothing is urgent after it.
    pub(crate) fn is_stocked(&self) -> bool {
        self.waiting() > LOW_STOCK
    }

    pub(super) fn may_refill(&self, now: Instant) -> bool {
        let rests = self.rests_until.lock().ok().and_then(|until| *until);
        self.warmed.load(Ordering::Relaxed) && rests.is_none_or(|until| until <= now)
    }

    pub(super) fn rest_until(&self, moment: Instant) {
        if let Ok(mut until) = self.rests_until.lock() {
            *until = Some(moment);
        }
    }

    pub(super) fn note_lease(&self) {
        if let Ok(mut demand) = self.demand.lock() {
            demand.note(Instant::now());
        }
    }

    /// How many children its callers would like to find waiting.
    pub(super) fn wish(&self) -> usize {
        self.demand
            .lock()
            .map_or(0, |mut demand| demand.wish(Instant::now()))
    }
}
