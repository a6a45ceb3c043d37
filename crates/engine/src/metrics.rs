//! What the engine counts, as typed values that can be read back.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How a preload's children come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkKind {
    /// No zygote yet.
    None,
    /// A fork of a zygote as its imports left it.
    Plain,
    /// A fork of a zygote whose memory is one sealed file.
    Snapshot,
}

impl ForkKind {
    /// The kind that `word` names; `None` for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Plain, Self::Snapshot]
            .into_iter()
            .find(|kind| kind.name() == word)
    }

    /// Its stable word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Plain => "plain",
            Self::Snapshot => "snapshot",
        }
    }
}

/// The facts of one pool now. Counters start with the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// The digest of its environment; the default one's, too.
    pub environment: String,
    /// The preload's name.
    pub preload: String,
    /// How its children are forked.
    pub fork: ForkKind,
    /// Children that wait now.
    pub ready: usize,
    /// Children that should wait.
    pub wanted: usize,
    /// Memory charged to a waiting child, page tables included. Unit: bytes.
    pub child_bytes: u64,
    /// Leases served by a child that waited.
    pub leases_ready: u64,
    /// Leases that had to fork.
    pub leases_fresh: u64,
    /// Children made in the background.
    pub refills: u64,
    /// Zygotes launched: the first, replacements of old ones and of dead ones.
    pub zygotes: u64,
    /// Zygotes that were replaced because they were too old or had forked too often.
    pub recycles: u64,
    /// Children that died while they waited.
    pub lost: u64,
}

/// Counters of one pool.
#[derive(Debug, Default)]
pub(crate) struct PoolMetrics {
    pub(crate) leases_ready: Counter,
    pub(crate) leases_fresh: Counter,
    pub(crate) refills: Counter,
    pub(crate) zygotes: Counter,
    pub(crate) recycles: Counter,
    pub(crate) lost: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are at the moment.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    /// One more, until the guard is dropped.
    pub(crate) fn up(&self) -> GaugeGuard<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(self)
    }

    /// One more, until `lower`.
    pub(crate) fn raise(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// One less.
    pub(crate) fn lower(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn read(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// Takes its one away when dropped.
#[derive(Debug)]
pub(crate) struct GaugeGuard<'a>(&'a Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
