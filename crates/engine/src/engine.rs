//! The engine: one spawner, a zygote per preload, slots, and the life of each execution.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sandbox::host::block::Block;
use sandbox::sys::{identity, process};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use crate::collect::{self, Collected};
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::evidence::{Evidence, classify};
use crate::execution::{Event, Execution, ExecutionId, ExecutionReport};
use crate::isolation::{Isolation, Tier};
use crate::lease;
use crate::limits::{LimitPolicy, Limits};
use crate::outcome::Artifact;
use crate::preload::{self, Preload};
use crate::request::{ExecutionRequest, InputFile};
use crate::slot::Slot;
use crate::spawner::{Spawner, host};
use crate::start::{self, StartEngineError};
use crate::store::Store;
use crate::supervise::{Observed, supervise};
use crate::zygote::Zygote;

/// Events that wait for a slow reader before the guest has to.
const EVENT_BUFFER: usize = 64;
/// Longest wait for a free slot.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for the kit, locks and artifacts.
    pub state: PathBuf,
    /// The interpreter and packages guests see.
    pub environment: Environment,
    /// Defaults and maxima.
    pub limits: LimitPolicy,
    /// Executions at once; at most 250.
    pub slots: usize,
    /// The weakest tier that may serve.
    pub min_tier: Tier,
}

/// Runs executions. Cheap to clone; the last clone's end is the spawner's.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: EngineConfig,
    isolation: Isolation,
    block: Block,
    spawner: Arc<Spawner>,
    preloads: Vec<Preload>,
    zygotes: Vec<Mutex<Option<Arc<Zygote>>>>,
    permits: Semaphore,
    idle: std::sync::Mutex<Vec<Slot>>,
    store: Arc<Store>,
}

impl Engine {
    /// Probes the host, starts the spawner and makes the plans. Zygotes are warmed on first use.
    ///
    /// Errors: one sentence that says what is missing and how to get it.
    pub async fn start(config: EngineConfig) -> Result<Self, StartEngineError> {
        let started = start::start(&config).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                isolation: started.isolation,
                block: started.block,
                spawner: Arc::new(started.spawner),
                zygotes: started.preloads.iter().map(|_| Mutex::new(None)).collect(),
                preloads: started.preloads,
                permits: Semaphore::new(config.slots),
                idle: std::sync::Mutex::default(),
                store: Arc::new(started.store),
                config,
            }),
        })
    }

    /// Starts an execution.
    ///
    /// Errors: what was wrong before the program was handed over. Later failures are events.
    pub async fn execute(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        let limits = self.admissible(&request)?;
        let id = ExecutionId::random();
        let (events, receiver) = mpsc::channel(EVENT_BUFFER);
        let (cancel, cancelled) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        // A task of its own: whoever gives up waiting, the tree is killed and reaped all the same.
        tokio::spawn(async move {
            inner
                .run(id, request, limits, events, cancelled, started)
                .await
        });
        let execution = Execution::new(id, receiver, cancel);
        starting.await.unwrap_or(Err(ExecutionError::Lost {
            what: "the supervisor task",
        }))?;
        Ok(execution)
    }

    fn admissible(&self, request: &ExecutionRequest) -> Result<Limits, ExecutionError> {
        let limits = self.inner.config.limits.resolve(&request.limits)?;
        let bytes = request.source.len() as u64;
        if bytes > limits.source_bytes {
            return Err(ExecutionError::SourceTooLong {
                bytes,
                limit: limits.source_bytes,
            });
        }
        if let Some(file) = request
            .files
            .iter()
            .find(|file| !InputFile::is_valid_name(&file.name))
        {
            return Err(ExecutionError::FileName {
                name: file.name.clone(),
            });
        }
        let bytes = request
            .files
            .iter()
            .map(|file| file.content.len() as u64)
            .sum();
        if bytes > limits.workdir_bytes {
            return Err(ExecutionError::FilesTooLarge {
                bytes,
                limit: limits.workdir_bytes,
            });
        }
        Ok(limits)
    }

    /// The content of an artifact.
    pub async fn artifact(&self, id: ExecutionId, name: &str) -> Option<(Artifact, Bytes)> {
        let (store, name) = (Arc::clone(&self.inner.store), name.to_owned());
        tokio::task::spawn_blocking(move || store.get(id, &name))
            .await
            .ok()
            .flatten()
    }

    /// Every isolation layer.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.inner.isolation.clone()
    }

    /// Defaults and maxima.
    #[must_use]
    pub fn limit_policy(&self) -> LimitPolicy {
        self.inner.config.limits
    }

    /// Executions that can run at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.inner.config.slots
    }

    /// The environment guests see.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.inner.config.environment
    }

    /// One sentence when nothing can be started now.
    pub async fn health(&self) -> Result<(), String> {
        if self.inner.spawner.is_gone() {
            return Err("the spawner is gone; restart hognose".into());
        }
        Ok(())
    }

    /// Warms the zygote of every preload, smallest first; later executions find them ready.
    pub async fn warm(&self) -> Result<(), ExecutionError> {
        for index in 0..self.inner.preloads.len() {
            self.inner.zygote(index).await?;
        }
        Ok(())
    }

    /// Gives up root for good: from here on this process is a uid that owns nothing but the
    /// artifacts. Returns whether there was anything to give up.
    pub fn drop_privileges(&self) -> io::Result<bool> {
        if identity::effective_uid() != 0 {
            return Ok(false);
        }
        let uid = self.inner.block.server_uid();
        self.inner.store.give_to(uid)?;
        identity::become_user_everywhere(uid, uid)?;
        process::set_dumpable(false)?;
        Ok(true)
    }

    /// Lets running executions end until `deadline`, then kills the rest; waits for the spawner.
    pub async fn shutdown(self, grace: Duration) {
        let all = u32::try_from(self.inner.config.slots).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(grace, self.inner.permits.acquire_many(all)).await;
        self.inner.permits.close();
        for zygote in &self.inner.zygotes {
            zygote.lock().await.take();
        }
        let spawner = Arc::clone(&self.inner.spawner);
        drop(self);
        let ended = spawner.ended();
        drop(spawner);
        let _ = tokio::time::timeout(Duration::from_secs(5), ended).await;
    }
}

impl Inner {
    /// The life of one execution, from the queue to the release of its slot.
    async fn run(
        &self,
        id: ExecutionId,
        request: ExecutionRequest,
        limits: Limits,
        events: mpsc::Sender<Event>,
        mut cancel: oneshot::Receiver<()>,
        started: oneshot::Sender<Result<(), ExecutionError>>,
    ) {
        let asked = Instant::now();
        let queued = tokio::time::timeout(QUEUE_TIMEOUT, self.permits.acquire()).await;
        let _permit = match queued {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return drop(started.send(Err(ExecutionError::ShuttingDown))),
            Err(_) => {
                return drop(started.send(Err(ExecutionError::Saturated {
                    waited: QUEUE_TIMEOUT,
                })));
            }
        };
        let preload = preload::choose(&self.preloads, &request.imports);
        let mut slot = match self.take_slot(&limits).await {
            Ok(slot) => slot,
            Err(error) => return drop(started.send(Err(error))),
        };
        let ready = match self
            .lease(preload, &mut slot, &limits, request.stdin.is_some())
            .await
        {
            Ok(ready) => ready,
            Err(error) => {
                self.retire(slot).await;
                return drop(started.send(Err(error)));
            }
        };
        let start = asked.elapsed();
        let _ = started.send(Ok(()));
        let _ = events.send(Event::Started).await;
        let observed = supervise(ready, &slot, &request, &limits, &events, &mut cancel).await;
        let ended = match observed {
            Ok(observed) => {
                self.report(id, observed, &slot, limits, start, preload)
                    .await
            }
            Err(error) => Err(error),
        };
        let broken = ended.is_err();
        if broken {
            self.retire(slot).await
        } else {
            self.release(slot).await
        }
        let last = match ended {
            Ok(report) => Event::Finished(Box::new(report)),
            Err(error) => Event::Failed(error),
        };
        let _ = events.send(last).await;
    }

    async fn take_slot(&self, limits: &Limits) -> Result<Slot, ExecutionError> {
        let idle = self.idle.lock().ok().and_then(|mut slots| slots.pop());
        let mut slot = match idle {
            Some(slot) => slot,
            None => Slot::new(self.spawner.slot().await?),
        };
        if let Err(error) = slot.arm(limits) {
            self.retire(slot).await;
            return Err(host("write the cgroup limits", &error));
        }
        Ok(slot)
    }

    /// A confined child. A zygote that has died since its last use is replaced once: nothing of
    /// the program has started yet.
    async fn lease(
        &self,
        preload: usize,
        slot: &mut Slot,
        limits: &Limits,
        wants_stdin: bool,
    ) -> Result<lease::Ready, ExecutionError> {
        let zygote = self.zygote(preload).await?;
        match lease::ready(&self.spawner, &zygote, slot, limits, wants_stdin).await {
            Err(ExecutionError::Lost { what }) if zygote.is_broken() => {
                tracing::warn!(what, "a zygote died; warming another");
                let zygote = self.zygote(preload).await?;
                lease::ready(&self.spawner, &zygote, slot, limits, wants_stdin).await
            }
            other => other,
        }
    }

    async fn zygote(&self, preload: usize) -> Result<Arc<Zygote>, ExecutionError> {
        let mut place = self.zygotes[preload].lock().await;
        if let Some(zygote) = place.as_ref().filter(|zygote| !zygote.is_broken()) {
            return Ok(Arc::clone(zygote));
        }
        let index = u32::try_from(preload).unwrap_or(u32::MAX);
        let zygote = Arc::new(Zygote::launch(&self.spawner, index).await?);
        *place = Some(Arc::clone(&zygote));
        Ok(zygote)
    }

    async fn report(
        &self,
        id: ExecutionId,
        observed: Observed,
        slot: &Slot,
        limits: Limits,
        start: Duration,
        preload: usize,
    ) -> Result<ExecutionReport, ExecutionError> {
        let folder = observed.output.as_fd();
        let collected = if collect::is_empty(folder, observed.empty_size) {
            Collected::default()
        } else {
            collect::collect(&self.spawner, &self.store, slot.uid, folder, &limits).await?
        };
        let outcome = classify(Evidence {
            cancelled: observed.cancelled,
            killed_for: observed.killed_for,
            oom_kills: observed.counters.oom_kills,
            refused_forks: observed.counters.refused_forks,
            cpu_used_up: observed.usage.cpu >= limits.cpu,
            workdir_full: collect::is_full(folder),
            exit: observed.exit,
            report: observed.report,
        });
        self.store.record(id, &collected.artifacts);
        Ok(ExecutionReport {
            id,
            outcome,
            exit: Some(observed.exit),
            stdout: observed.stdout,
            stderr: observed.stderr,
            artifacts: collected.artifacts,
            skipped: collected.skipped,
            usage: observed.usage,
            limits,
            start,
            tier: self.isolation.tier,
            preload: self.preloads[preload].name.clone(),
        })
    }

    /// Puts a slot back, emptied of what its last execution left charged.
    async fn release(&self, slot: Slot) {
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
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(slot);
        }
    }

    /// Gives a slot up after a failure of ours, once the kernel lets go of its cgroups.
    async fn retire(&self, slot: Slot) {
        let index = slot.index;
        drop(slot);
        for _ in 0..40 {
            if self.spawner.retire(index).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tracing::error!(
            index,
            "a slot could not be removed; its cgroup still has processes"
        );
    }
}
