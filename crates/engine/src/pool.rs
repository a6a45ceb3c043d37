//! Pools of confined children that wait for a program, one per environment and preload, and where
//! they come from.
//!
//! A child is made for the default limits. What a lease may still change (cgroup limits, rlimits)
//! is changed when it is given away; other limits take a fresh fork of the same zygote. Nothing of
//! a program is known here: a child that has been given away never comes back, only its slot does.

mod demand;
mod family;
mod free;
mod keeper;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::free::FreeSlots;
use crate::error::ExecutionError;
use crate::lease::{self, Ready};
use crate::limits::{LimitPolicy, Limits};
use crate::metrics::{ForkKind, Gauge, GaugeGuard, PoolStatus};
use crate::pace::processors;
use crate::slot::{BRIEF, Slot};
use crate::spawner::{Spawner, host};
use crate::zygote::Zygote;

use self::family::Families;
pub(crate) use self::family::Family;
pub use self::family::{InUse, Lease};
pub(crate) use self::keeper::Keeper;
pub(crate) use self::waiting::Pool;

/// Forks after which a zygote is replaced: its children share one hash seed.
const MOST_FORKS: u64 = 50_000;
/// Age at which a zygote is replaced.
const MOST_AGE: Duration = Duration::from_secs(3600);
/// Children that wait in a pool before it is refilled even while executions run. Executions that
/// give way to others leave them to those.
const LOW_STOCK: usize = 2;
/// What a child is taken to hold until one was measured.
const GUESSED_CHILD_BYTES: u64 = 1 << 20;

/// A confined child in its slot.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) slot: Slot,
    pub(crate) ready: Ready,
}

/// What pools are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolSettings {
    pub(crate) limits: LimitPolicy,
    /// Memory that waiting children may hold in all; 0 for no pools.
    pub(crate) bytes: u64,
    /// Waiting children in all.
    pub(crate) children: usize,
}

/// The pools of one engine.
#[derive(Debug)]
pub(crate) struct Pools {
    spawner: Arc<Spawner>,
    families: Families,
    free: FreeSlots,
    settings: PoolSettings,
    wake: Arc<Notify>,
    /// Executions that have a child, and their sandboxes until the sweep begins.
    running: Gauge,
}

/// Counts an execution among those that run, and wakes the keeper at its end.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    gauge: Option<GaugeGuard<'a>>,
    wake: &'a Notify,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.gauge.take();
        self.wake.notify_one();
    }
}

/// A zygote and how much it has done.
#[derive(Debug)]
struct Origin {
    zygote: Zygote,
    born: Instant,
    forks: AtomicU64,
}

impl Origin {
    fn is_worn_out(&self) -> bool {
        self.born.elapsed() > MOST_AGE || self.forks.load(Ordering::Relaxed) > MOST_FORKS
    }
}

impl Pools {
    pub(crate) fn new(spawner: Arc<Spawner>, default: Family, settings: PoolSettings) -> Arc<Self> {
        Arc::new(Self {
            spawner,
            families: Families::new(default),
            free: FreeSlots::default(),
            settings,
            wake: Arc::default(),
            running: Gauge::default(),
        })
    }

    /// The default environment.
    pub(crate) fn default_family(&self) -> Lease {
        self.families.default_family()
    }

    /// A requested environment; `make` makes its pools at its first use.
    pub(crate) fn requested(&self, digest: &str, make: impl FnOnce() -> Family) -> Lease {
        self.families.requested(digest, make)
    }

    /// Ends the zygotes and children of a requested environment. Errors: executions use it.
    pub(crate) async fn forget(&self, digest: &str) -> Result<(), InUse> {
        if let Some(family) = self.families.take(digest)? {
            self.close_family(&family).await;
        }
        Ok(())
    }

    async fn close_family(&self, family: &Family) {
        for pool in &family.pools {
            pool.zygote.lock().await.take();
            for child in pool.close() {
                self.discard(child).await;
            }
        }
    }

    /// A child under these limits: one that waited if there is one, else a fresh one. Who gives way
    /// does not take the last ones.
    pub(crate) async fn lease(
        &self,
        pool: &Pool,
        limits: &Limits,
        gives_way: bool,
    ) -> Result<(Child, Running<'_>), ExecutionError> {
        let running = Running {
            gauge: Some(self.running.up()),
            wake: &self.wake,
        };
        self.child(pool, limits, gives_way)
            .await
            .map(|child| (child, running))
    }

    async fn child(
        &self,
        pool: &Pool,
        limits: &Limits,
        gives_way: bool,
    ) -> Result<Child, ExecutionError> {
        pool.note_lease();
        let kept = if gives_way { LOW_STOCK } else { 0 };
        let waited = if self.fits(limits) && pool.waiting() > kept {
            self.take_living(pool).await
        } else {
            None
        };
        if pool.waiting() < self.running.read().max(LOW_STOCK) {
            self.wake.notify_one();
        }
        if let Some(mut child) = waited {
            if let Err(error) = child.slot.lease(limits) {
                self.discard(child).await;
                return Err(host("write the cgroup limits", &error));
            }
            pool.metrics.leases_ready.add();
            return Ok(child);
        }
        pool.metrics.leases_fresh.add();
        let mut child = self.make(pool, limits).await?;
        if let Err(error) = child.slot.lease(limits) {
            self.discard(child).await;
            return Err(host("write the cgroup limits", &error));
        }
        Ok(child)
    }

    /// Whether a child made for the default limits can serve these.
    fn fits(&self, limits: &Limits) -> bool {
        let made_for = &self.settings.limits.defaults;
        limits.workdir_bytes == made_for.workdir_bytes
            && limits.workdir_inodes == made_for.workdir_inodes
    }

    /// The child that was made last, since its memory is still in the processor's caches; those that
    /// died while waiting are thrown away.
    async fn take_living(&self, pool: &Pool) -> Option<Child> {
        loop {
            let child = pool.ready.lock().ok()?.pop_back()?;
            if child.ready.is_alive() {
                return Some(child);
            }
            pool.metrics.lost.add();
            tracing::warn!(preload = %pool.preload.name, "a waiting child died");
            self.discard(child).await;
        }
    }

    /// Makes what nobody waits for give way to executions and their answers. Where these take every
    /// processor it would get none, and be missed soon; and without pools nothing else will run.
    pub(crate) fn let_give_way(&self, slot: &Slot) {
        if self.settings.bytes > 0 && self.running.read() < processors() as usize {
            slot.give_way();
        }
    }

    /// A child that nobody waits for yet.
    async fn make_ahead(&self, pool: &Pool) -> Result<Child, ExecutionError> {
        let limits = &self.settings.limits.defaults;
        let slot = self.take_slot(limits).await?;
        self.let_give_way(&slot);
        self.make_in(slot, pool, limits).await
    }

    async fn make(&self, pool: &Pool, limits: &Limits) -> Result<Child, ExecutionError> {
        let slot = self.take_slot(limits).await?;
        self.make_in(slot, pool, limits).await
    }

    /// Forks and confines a child. A zygote that has died since its last use is replaced once:
    /// nothing of a program has started yet.
    async fn make_in(
        &self,
        mut slot: Slot,
        pool: &Pool,
        limits: &Limits,
    ) -> Result<Child, ExecutionError> {
        let made = match self.fork(pool, &slot, limits).await {
            Err(ExecutionError::Lost { what }) => {
                tracing::warn!(what, "a child could not be made; trying once more");
                self.fork(pool, &slot, limits).await
            }
            other => other,
        };
        slot.stop_giving_way();
        match made {
            Ok(ready) => {
                slot.begin();
                let child = Child { slot, ready };
                if let Some(bytes) = child.slot.memory_bytes() {
                    pool.child_bytes.store(bytes, Ordering::Relaxed);
                }
                Ok(child)
            }
            Err(error) => {
                self.retire(slot).await;
                Err(error)
            }
        }
    }

    async fn fork(
        &self,
        pool: &Pool,
        slot: &Slot,
        limits: &Limits,
    ) -> Result<Ready, ExecutionError> {
        let origin = self.zygote(pool).await?;
        origin.forks.fetch_add(1, Ordering::Relaxed);
        let most = &self.settings.limits.maxima;
        let making = lease::ready(&self.spawner, &origin.zygote, slot, limits, most);
        slot.giving_way_for(BRIEF, making).await
    }

    /// The zygote of a preload, launched if there is none that works.
    async fn zygote(&self, pool: &Pool) -> Result<Arc<Origin>, ExecutionError> {
        let mut place = pool.zygote.lock().await;
        if let Some(origin) = place.as_ref().filter(|origin| !origin.zygote.is_broken()) {
            return Ok(Arc::clone(origin));
        }
        let origin = self.launch(pool).await?;
        *place = Some(Arc::clone(&origin));
        Ok(origin)
    }

    async fn launch(&self, pool: &Pool) -> Result<Arc<Origin>, ExecutionError> {
        let zygote = Zygote::launch(&self.spawner, pool.launch).await?;
        pool.metrics.zygotes.add();
        pool.warmed.store(true, Ordering::Relaxed);
        Ok(Arc::new(Origin {
            zygote,
            born: Instant::now(),
            forks: AtomicU64::new(0),
        }))
    }

    /// Launches the zygotes of an environment, smallest preload first.
    pub(crate) async fn warm(&self, family: &Family) -> Result<(), ExecutionError> {
        for pool in &family.pools {
            self.zygote(pool).await?;
            self.wake.notify_one();
        }
        Ok(())
    }

    async fn take_slot(&self, limits: &Limits) -> Result<Slot, ExecutionError> {
        let mut slot = match self.free.take() {
            Some(slot) => slot,
            None => self.new_slot().await?,
        };
        if let Err(error) = slot.arm(limits) {
            self.retire(slot).await;
            return Err(host("write the cgroup limits", &error));
        }
        Ok(slot)
    }

    /// A slot of the spawner's; when all are taken, one waiting child gives its slot up.
    async fn new_slot(&self) -> Result<Slot, ExecutionError> {
        let refused = match self.spawner.slot().await {
            Ok(made) => return Ok(Slot::new(made)),
            Err(error) => error,
        };
        let pools = self.families.pools();
        let fullest = pools.iter().max_by_key(|pool| pool.waiting());
        let spare = fullest.and_then(|pool| pool.ready.lock().ok()?.pop_front());
        let Some(child) = spare else {
            return Err(refused);
        };
        self.empty(child).await.ok_or(refused)
    }

    /// Ends a waiting child and keeps its slot.
    async fn discard(&self, child: Child) {
        if let Some(slot) = self.empty(child).await {
            self.release(slot).await;
        }
    }

    /// Ends a waiting child; `None` when its slot had to be given up.
    async fn empty(&self, child: Child) -> Option<Slot> {
        let Child { slot, ready } = child;
        match ready.end().await {
            Ok(()) => Some(slot),
            Err(_) => {
                self.retire(slot).await;
                None
            }
        }
    }

    /// Puts a slot back whose tree is dead, emptied of what is still charged to it.
    pub(crate) async fn release(&self, slot: Slot) {
        let slot = if slot.is_clean() {
            slot
        } else {
            match tokio::task::spawn_blocking(move || {
                slot.empty();
                slot
            })
            .await
            {
                Ok(slot) => slot,
                Err(_) => return,
            }
        };
        self.free.put(slot);
    }

    /// Gives a slot up after a failure of ours.
    pub(crate) async fn retire(&self, slot: Slot) {
        retire(&self.spawner, slot).await;
    }

    /// Ends every waiting child and every zygote.
    pub(crate) async fn close(&self) {
        for pool in self.families.pools() {
            pool.zygote.lock().await.take();
            drop(pool.close());
        }
    }

    /// The facts of each pool.
    pub(crate) fn status(&self) -> Vec<PoolStatus> {
        let status = |(pool, wanted): (Arc<Pool>, usize)| {
            let origin = pool.zygote.try_lock().ok().and_then(|place| place.clone());
            let metrics = &pool.metrics;
            PoolStatus {
                environment: pool.environment.clone(),
                preload: pool.preload.name.clone(),
                fork: origin.map_or(ForkKind::None, |origin| origin.zygote.fork_kind()),
                ready: pool.waiting(),
                wanted,
                child_bytes: pool.child_bytes.load(Ordering::Relaxed),
                leases_ready: metrics.leases_ready.read(),
                leases_fresh: metrics.leases_fresh.read(),
                refills: metrics.refills.read(),
                zygotes: metrics.zygotes.read(),
                recycles: metrics.recycles.read(),
                lost: metrics.lost.read(),
            }
        };
        self.shares().into_iter().map(status).collect()
    }

    /// How many children should wait in each pool, within the budget.
    fn shares(&self) -> Vec<(Arc<Pool>, usize)> {
        let pools = self.families.pools();
        let wishes: Vec<(usize, u64)> = pools
            .iter()
            .map(|pool| (pool.wish(), pool.child_bytes.load(Ordering::Relaxed)))
            .collect();
        let shares = demand::shares(&wishes, self.settings.children, self.settings.bytes);
        pools.into_iter().zip(shares).collect()
    }
}

/// Gives a slot back to the spawner, once the kernel lets go of its cgroups.
async fn retire(spawner: &Spawner, slot: Slot) {
    let index = slot.index;
    drop(slot);
    for _ in 0..40 {
        if spawner.retire(index).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tracing::error!(
        index,
        "a slot could not be removed; its cgroup still has processes"
    );
}
