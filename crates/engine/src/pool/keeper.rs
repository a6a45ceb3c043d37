//! Keeps the pools filled, in the background: refill, shrink, replace worn-out zygotes, give slots back.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::{Child, LOW_STOCK, Pool, Pools, retire};

/// Children that are being made at once.
const MAKERS: usize = 2;
/// How often pools are looked at although nothing was leased.
const TICK: Duration = Duration::from_secs(1);
/// How often slots are given back. Longer than demand is remembered, so that no burst loses them to a
/// moment's pause.
const GIVE_BACK: Duration = Duration::from_secs(12);
/// How long a pool rests after a child could not be made for it.
const REST: Duration = Duration::from_secs(1);
/// Processor time after which a waiting child is up to something.
const QUIET_CPU: Duration = Duration::from_millis(500);
/// Memory that a waiting child may gain on those made before it. Unit: bytes.
const QUIET_GROWTH: u64 = 32 << 20;

/// The background task; it ends with the pools or with this handle.
#[derive(Debug)]
pub(crate) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(crate) fn start(pools: &Arc<Pools>) -> Self {
        Self(tokio::spawn(keep(Arc::downgrade(pools))))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(pools: Weak<Pools>) {
    let Some(wake) = pools.upgrade().map(|pools| Arc::clone(&pools.wake)) else {
        return;
    };
    let mut makers = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut give_back = tokio::time::interval(GIVE_BACK);
    loop {
        let (mut is_tick, mut is_long) = (false, false);
        tokio::select! {
            _ = tick.tick() => is_tick = true,
            _ = give_back.tick() => is_long = true,
            () = wake.notified() => {}
            _ = makers.join_next(), if !makers.is_empty() => {}
        }
        let Some(pools) = pools.upgrade() else { return };
        if is_tick {
            pools.put_to_sleep().await;
            pools.shrink().await;
            pools.replace_worn_out().await;
        }
        if is_long {
            pools.give_back();
        }
        while makers.len() < MAKERS
            && let Some(pool) = pools.neediest()
        {
            // Counted at once: the next look must not want the same child again.
            pool.making.raise();
            makers.spawn(refill(Arc::clone(&pools), pool));
        }
    }
}

/// Makes one child for a pool that counts it as being made. A failure was logged; the pool rests before the next try.
async fn refill(pools: Arc<Pools>, pool: Arc<Pool>) {
    match pools.make_ahead(&pool).await {
        Ok(child) => {
            pool.metrics.refills.add();
            if let Some(homeless) = pool.keep(child) {
                pools.discard(homeless).await;
            }
        }
        Err(error) => {
            tracing::warn!(preload = %pool.preload.name, %error, "cannot refill a pool");
            pool.rest_until(Instant::now() + REST);
        }
    }
    pool.making.lower();
}

impl Pools {
    /// The pool that lacks most, in proportion; `None` when all are full.
    ///
    /// While executions run, only low stocks are filled up: making a child would take the processor
    /// from a caller who waits.
    fn neediest(&self) -> Option<Arc<Pool>> {
        let now = Instant::now();
        let running = self.running.read();
        let lacking = |(pool, wanted): (Arc<Pool>, usize)| {
            let have = pool.waiting() + pool.making.read();
            let wanted = if running == 0 {
                wanted
            } else {
                wanted.min(running.max(LOW_STOCK))
            };
            (pool.may_refill(now) && have < wanted).then(|| (pool, have * 1000 / wanted))
        };
        let lacking = self.shares().into_iter().filter_map(lacking);
        lacking
            .min_by_key(|(_, filled)| *filled)
            .map(|found| found.0)
    }

    /// Ends the zygotes of environments that nobody uses.
    async fn put_to_sleep(&self) {
        for family in self.families.take_idle(Instant::now()) {
            self.close_family(&family).await;
        }
    }

    /// Gives the slots back that a burst has left over, each once its cgroups are empty; and memory,
    /// while nobody waits for an answer.
    fn give_back(&self) {
        if self.running.read() == 0 {
            tokio::task::spawn_blocking(sandbox::sys::memory::trim_heaps);
        }
        let (spawner, slots) = (Arc::clone(&self.spawner), self.free.unneeded());
        tokio::spawn(async move {
            for slot in slots {
                retire(&spawner, slot).await;
            }
        });
    }

    /// Ends children that wait beyond what is wanted, those that died, and those that do not wait in
    /// peace: packages that callers have chosen have run in them.
    async fn shrink(&self) {
        for (pool, wanted) in self.shares() {
            while let Some(child) = pool.surplus(wanted) {
                self.discard(child).await;
            }
            for lost in pool.take_lost() {
                pool.metrics.lost.add();
                tracing::warn!(preload = %pool.preload.name, "a waiting child died or did not rest");
                self.discard(lost).await;
            }
        }
    }

    /// Launches successors of zygotes that are too old or have forked too often, then ends the
    /// children of the old ones.
    async fn replace_worn_out(&self) {
        for pool in self.families.pools() {
            let origin = pool.zygote.try_lock().ok().and_then(|place| place.clone());
            if !origin.is_some_and(|origin| origin.is_worn_out()) {
                continue;
            }
            match self.launch(&pool).await {
                Ok(successor) => {
                    *pool.zygote.lock().await = Some(successor);
                    pool.metrics.recycles.add();
                    while let Some(child) = pool.surplus(0) {
                        self.discard(child).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(preload = %pool.preload.name, %error, "cannot replace a zygote");
                }
            }
        }
    }
}

impl Pool {
    /// Lets a child wait; hands it back when the pool is closed.
    fn keep(&self, child: Child) -> Option<Child> {
        match self.ready.lock() {
            Ok(mut ready) if !self.closed.load(Ordering::Relaxed) => {
                ready.push_back(child);
                None
            }
            Ok(_) | Err(_) => Some(child),
        }
    }

    /// One child too many, the oldest first.
    fn surplus(&self, wanted: usize) -> Option<Child> {
        let mut ready = self.ready.lock().ok()?;
        if ready.len() > wanted {
            ready.pop_front()
        } else {
            None
        }
    }

    /// Takes out the children that did not live to be leased, or did anything but wait.
    fn take_lost(&self) -> Vec<Child> {
        let most = self.child_bytes.load(Ordering::Relaxed) + QUIET_GROWTH;
        let waits = |child: &Child| {
            child.ready.is_alive()
                && child.slot.cpu() < QUIET_CPU
                && child.slot.memory_bytes().is_none_or(|bytes| bytes < most)
        };
        let Ok(mut ready) = self.ready.lock() else {
            return Vec::new();
        };
        let (waiting, lost): (Vec<_>, Vec<_>) = ready.drain(..).partition(waits);
        ready.extend(waiting);
        lost
    }
}
