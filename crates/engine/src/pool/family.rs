//! The pools of one environment, and which environments have pools at all.
//!
//! The default environment's family is always there. One of a requested environment comes with its
//! first use and goes when nobody has used it for a while, unless it is pinned. While anybody holds
//! a `Lease` of a family it stays, and so does the tree on disk behind it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use super::Pool;
use crate::metrics::Gauge;
use crate::preload::Preload;

/// How long an environment that nobody uses keeps its zygotes.
const KEPT_IDLE: Duration = Duration::from_secs(600);

/// One environment with its pools, smallest preload first.
#[derive(Debug)]
pub(crate) struct Family {
    pub(super) pools: Vec<Arc<Pool>>,
    leases: Gauge,
    pinned: AtomicBool,
    used: Mutex<Instant>,
}

/// Keeps an environment's zygotes, and the tree behind them, while it is held.
#[derive(Debug)]
pub struct Lease(Arc<Family>);

impl Lease {
    pub(crate) fn family(&self) -> &Family {
        &self.0
    }

    fn new(family: &Arc<Family>) -> Self {
        family.leases.raise();
        Self(Arc::clone(family))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Ok(mut used) = self.0.used.lock() {
            *used = Instant::now();
        }
        self.0.leases.lower();
    }
}

impl Family {
    pub(crate) fn new(pools: Vec<Pool>) -> Self {
        Self {
            pools: pools.into_iter().map(Arc::new).collect(),
            leases: Gauge::default(),
            pinned: AtomicBool::new(false),
            used: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn preloads(&self) -> impl Iterator<Item = &Preload> + Clone {
        self.pools.iter().map(|pool| &pool.preload)
    }

    pub(crate) fn pool(&self, index: usize) -> &Arc<Pool> {
        &self.pools[index]
    }

    /// Keeps its zygotes until it is forgotten.
    pub(crate) fn pin(&self) {
        self.pinned.store(true, Ordering::Relaxed);
    }

    fn is_idle(&self, now: Instant) -> bool {
        let used = self.used.lock().map_or(now, |used| *used);
        !self.pinned.load(Ordering::Relaxed)
            && self.leases.read() == 0
            && now.saturating_duration_since(used) > KEPT_IDLE
    }
}

/// All families of an engine.
#[derive(Debug)]
pub(super) struct Families {
    default: Arc<Family>,
    requested: RwLock<HashMap<String, Arc<Family>>>,
}

impl Families {
    pub(super) fn new(default: Family) -> Self {
        Self {
            default: Arc::new(default),
            requested: RwLock::default(),
        }
    }

    pub(super) fn default_family(&self) -> Lease {
        Lease::new(&self.default)
    }

    /// That of a requested environment, made by `make` if it has none yet.
    pub(super) fn requested(&self, digest: &str, make: impl FnOnce() -> Family) -> Lease {
        // A poisoned lock guards nothing that could be half done.
        let found = self
            .requested
            .read()
            .unwrap_or_else(|held| held.into_inner());
        if let Some(family) = found.get(digest) {
            return Lease::new(family);
        }
        drop(found);
        let mut all = self
            .requested
            .write()
            .unwrap_or_else(|held| held.into_inner());
        let family = all
            .entry(digest.to_owned())
            .or_insert_with(|| Arc::new(make()));
        Lease::new(family)
    }

    /// Takes a requested family out. Errors: somebody uses it.
    pub(super) fn take(&self, digest: &str) -> Result<Option<Arc<Family>>, InUse> {
        let mut all = self
            .requested
            .write()
            .unwrap_or_else(|held| held.into_inner());
        if all
            .get(digest)
            .is_some_and(|family| family.leases.read() > 0)
        {
            return Err(InUse);
        }
        Ok(all.remove(digest))
    }

    /// Takes out those that nobody has used for a while.
    pub(super) fn take_idle(&self, now: Instant) -> Vec<Arc<Family>> {
        let mut all = self
            .requested
            .write()
            .unwrap_or_else(|held| held.into_inner());
        let idle = all.extract_if(|_, family| family.is_idle(now));
        idle.map(|(_, family)| family).collect()
    }

    /// Every pool of every family, the default's first.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        let requested = self
            .requested
            .read()
            .unwrap_or_else(|held| held.into_inner());
        let families = std::iter::once(&self.default).chain(requested.values());
        families
            .flat_map(|family| family.pools.iter().cloned())
            .collect()
    }
}

/// An environment that cannot be forgotten: executions use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("executions use this environment; try again when they have ended")]
pub struct InUse;
