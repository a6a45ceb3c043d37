//! The engine: one spawner, a zygote per preload, slots, and the life of each execution.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sandbox::host::block::Block;
use sandbox::sys::identity;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::collect::{self, Collected};
use crate::config::EngineConfig;
use crate::environment::Environment;
use crate::error::{ExecutionError, Fault};
use crate::evidence::{Evidence, classify};
use crate::execution::{Event, Execution, ExecutionId, ExecutionReport};
use crate::isolation::Isolation;
use crate::limits::{LimitPolicy, Limits};
use crate::metrics::PoolStatus;
use crate::outcome::Artifact;
use crate::pool::{Child, Family, InUse, Keeper, Lease, Pool, PoolSettings, Pools};
use crate::preload::{self, Preload};
use crate::request::{EnvironmentChoice, ExecutionRequest};
use crate::sampler::Sampler;
use crate::serving_user;
use crate::slot::Slot;
use crate::spawner::{Launch, Spawner};
use crate::start::{self, StartEngineError};
use crate::store::Store;
use crate::supervise::{Observed, Remains, supervise};

/// Events that wait for a slow reader before the guest has to.
const EVENT_BUFFER: usize = 64;
/// Longest wait for a free slot.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for whoever reads the events to have had the last one.
const LONGEST_ANSWER: Duration = Duration::from_millis(20);
/// From then on until an answer is written.
const WRITING: Duration = Duration::from_millis(1);
/// Executions that were answered and are still being swept, beside those that run.
const SWEEPS: u32 = 16;

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
    sampler: Sampler,
    pools: Arc<Pools>,
    /// Preloads of requested environments, in the order of their plans.
    requested: Vec<Preload>,
    /// How many plans stand before theirs.
    plans: usize,
    _keeper: Keeper,
    permits: Semaphore,
    sweeps: Semaphore,
    store: Arc<Store>,
}

impl Engine {
    /// Probes the host, starts the spawner and makes the plans. Zygotes are warmed on first use.
    ///
    /// Errors: one sentence that says what is missing and how to get it.
    pub async fn start(config: EngineConfig) -> Result<Self, StartEngineError> {
        let started = start::start(&config).await?;
        let settings = PoolSettings {
            limits: config.limits,
            bytes: config.pool_bytes,
            children: start::BLOCK_SLOTS - SWEEPS as usize - config.slots,
        };
        let spawner = Arc::new(started.spawner);
        let plans = started.preloads.len();
        let default = family(&config.environment, (0..).zip(started.preloads), [0; 32]);
        let pools = Pools::new(Arc::clone(&spawner), default, settings);
        Ok(Self {
            inner: Arc::new(Inner {
                isolation: started.isolation,
                block: started.block,
                spawner,
                sampler: started.sampler,
                _keeper: Keeper::start(&pools),
                pools,
                requested: started.requested,
                plans,
                permits: Semaphore::new(config.slots),
                sweeps: Semaphore::new(SWEEPS as usize),
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
        let lease = self.lease_of(&request.environment)?;
        let id = ExecutionId::random();
        let (events, receiver) = mpsc::channel(EVENT_BUFFER);
        let (cancel, cancelled) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        // A task of its own: whoever gives up waiting, the tree is killed and reaped all the same.
        tokio::spawn(async move {
            inner
                .run(id, (request, lease), limits, events, cancelled, started)
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
        request.check_names()?;
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
        if self.inner.sampler.is_gone() {
            return Err("the sampler is gone; restart hognose".into());
        }
        Ok(())
    }

    /// Warms the zygote of every preload, smallest first; later executions find them ready.
    pub async fn warm(&self) -> Result<(), ExecutionError> {
        let default = self.inner.pools.default_family();
        self.inner.pools.warm(default.family()).await
    }

    /// Warms the zygotes of a requested environment and keeps them until it is forgotten.
    pub async fn pin(&self, environment: &Arc<Environment>) -> Result<(), ExecutionError> {
        let lease = self.hold(environment)?;
        lease.family().pin();
        self.inner.pools.warm(lease.family()).await
    }

    /// Keeps a requested environment from being forgotten for as long as the lease lives.
    pub fn hold(&self, environment: &Arc<Environment>) -> Result<Lease, ExecutionError> {
        self.lease_of(&EnvironmentChoice::Built(Arc::clone(environment)))
    }

    /// The uid that this process takes when it gives up root; `None` when it has nothing to give up.
    #[must_use]
    pub fn serving_uid(&self) -> Option<u32> {
        (identity::effective_uid() == 0).then(|| self.inner.block.server_uid())
    }

    /// Ends the zygotes of a requested environment, so that its tree may be removed.
    ///
    /// Errors: executions use it.
    pub async fn forget(&self, digest: &str) -> Result<(), InUse> {
        self.inner.pools.forget(digest).await
    }

    fn lease_of(&self, choice: &EnvironmentChoice) -> Result<Lease, ExecutionError> {
        let environment = match choice {
            EnvironmentChoice::Default => return Ok(self.inner.pools.default_family()),
            EnvironmentChoice::Asked { .. } => {
                return Err(unfit("this executor has only its default environment"));
            }
            EnvironmentChoice::Built(environment) => environment,
        };
        let plan = self.inner.first_plan(environment)?;
        let digest = environment.digest_bytes();
        let digest = digest.ok_or_else(|| unfit("an environment is named by its SHA-256"))?;
        let make = || self.inner.requested_family(environment, plan, digest);
        Ok(self.inner.pools.requested(&environment.digest, make))
    }

    /// The facts of each pool of waiting children, smallest preload first.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.inner.pools.status()
    }

    /// Gives up root for good: from here on this process is a uid that owns nothing but the
    /// artifacts. Returns whether there was anything to give up.
    pub fn drop_privileges(&self) -> io::Result<bool> {
        if identity::effective_uid() != 0 {
            return Ok(false);
        }
        let uid = self.inner.block.server_uid();
        self.inner.store.give_to(uid)?;
        serving_user::become_for_good(uid)?;
        Ok(true)
    }

    /// Lets running executions end until `deadline`, then kills the rest; waits for the spawner.
    pub async fn shutdown(self, grace: Duration) {
        let all = u32::try_from(self.inner.config.slots).unwrap_or(u32::MAX);
        let over = async {
            // In this order: each takes its place among the sweeps before it gives its permit back.
            let _ended = self.inner.permits.acquire_many(all).await;
            let _swept = self.inner.sweeps.acquire_many(SWEEPS).await;
        };
        let _ = tokio::time::timeout(grace, over).await;
        self.inner.permits.close();
        self.inner.pools.close().await;
        let spawner = Arc::clone(&self.inner.spawner);
        drop(self);
        let ended = spawner.ended();
        drop(spawner);
        let _ = tokio::time::timeout(Duration::from_secs(5), ended).await;
    }
}

/// What was settled before an execution began, and goes into its report.
struct Terms {
    id: ExecutionId,
    limits: Limits,
    start: Duration,
    preload: String,
}

/// Waits until the caller should have its answer: sweeping a sandbox and making the next child would
/// take the processors from whoever records and writes that.
async fn answered(events: mpsc::Sender<Event>) {
    let _ = tokio::time::timeout(LONGEST_ANSWER, events.closed()).await;
    drop(events);
    tokio::time::sleep(WRITING).await;
}

fn unfit(reason: &str) -> ExecutionError {
    ExecutionError::Environment {
        reason: reason.to_owned(),
        fault: Fault::Caller,
    }
}

/// The pools of an environment, from preloads with the numbers of their plans.
fn family(
    environment: &Environment,
    preloads: impl Iterator<Item = (u32, Preload)>,
    digest: [u8; 32],
) -> Family {
    let pool = |(plan, preload)| {
        let launch = Launch {
            plan,
            environment: digest,
        };
        Pool::new(preload, environment, launch)
    };
    Family::new(preloads.map(pool).collect())
}

impl Inner {
    /// The number of the plan with which a requested environment's interpreter begins.
    fn first_plan(&self, environment: &Environment) -> Result<usize, ExecutionError> {
        let known = self.config.requested.iter();
        let mut known = known.flat_map(|all| &all.interpreters);
        let place = known.position(|python| *python == environment.interpreter);
        let version = environment.interpreter.version_text();
        let missing = || unfit(&format!("this server does not run Python {version}"));
        Ok(self.plans + place.ok_or_else(missing)? * self.requested.len())
    }

    fn requested_family(
        &self,
        environment: &Environment,
        first_plan: usize,
        digest: [u8; 32],
    ) -> Family {
        let modules = environment.modules();
        let has = |module: &str| modules.contains(module);
        let mut useful = preload::available(self.requested.clone(), has);
        if let Some(fixed) = &self.config.preload {
            // Without any module it is the smallest one, which every environment can serve.
            let fixed = useful.iter().position(|preload| preload.name == *fixed);
            useful = vec![useful.swap_remove(fixed.unwrap_or(0))];
        }
        let number = |preload: Preload| {
            let all = &mut self.requested.iter();
            let place = all.position(|one| one.name == preload.name)?;
            Some((u32::try_from(first_plan + place).ok()?, preload))
        };
        family(environment, useful.into_iter().filter_map(number), digest)
    }

    /// The life of one execution, from the queue to the release of its slot.
    async fn run(
        &self,
        id: ExecutionId,
        (request, lease): (ExecutionRequest, Lease),
        limits: Limits,
        events: mpsc::Sender<Event>,
        mut cancel: oneshot::Receiver<()>,
        started: oneshot::Sender<Result<(), ExecutionError>>,
    ) {
        let asked = Instant::now();
        let queued = tokio::time::timeout(QUEUE_TIMEOUT, self.permits.acquire()).await;
        let permit = match queued {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return drop(started.send(Err(ExecutionError::ShuttingDown))),
            Err(_) => {
                return drop(started.send(Err(ExecutionError::Saturated {
                    waited: QUEUE_TIMEOUT,
                })));
            }
        };
        let family = lease.family();
        let chosen = preload::choose(family.preloads(), &request.imports);
        let pool = family.pool(chosen);
        let lease = self.pools.lease(pool, &limits, request.gives_way);
        let (Child { slot, ready }, running) = match lease.await {
            Ok(leased) => leased,
            Err(error) => return drop(started.send(Err(error))),
        };
        if request.gives_way {
            slot.give_way();
        }
        let start = asked.elapsed();
        let _ = started.send(Ok(()));
        let _ = events.send(Event::Started).await;
        let observed = supervise(
            ready,
            &slot,
            &self.sampler,
            &request,
            &limits,
            &events,
            &mut cancel,
        )
        .await;
        let mut remains = None;
        let ended = match observed {
            Ok((observed, left)) => {
                let terms = Terms {
                    id,
                    limits,
                    start,
                    preload: pool.preload.name.clone(),
                };
                self.report(terms, observed, remains.insert(left), &slot)
                    .await
            }
            Err(error) => Err(error),
        };
        let broken = ended.is_err();
        let last = match ended {
            Ok(report) => Event::Finished(Box::new(report)),
            Err(error) => Event::Failed(error),
        };
        let _ = events.send(last).await;
        // Nobody who waits has to wait for the sweeping, unless there is much of it.
        let _sweep = self.sweeps.acquire().await;
        drop(permit);
        if pool.is_stocked() && self.sweeps.available_permits() >= SWEEPS as usize / 2 {
            answered(events).await;
        } else {
            // Whoever comes next would wait for all that is put off.
            drop(events);
            tokio::task::yield_now().await;
        }
        drop(running);
        if let Some(remains) = remains {
            // Its memory takes as long to go as a short program to run.
            self.pools.let_give_way(&slot);
            remains.gone(&slot).await;
        }
        if broken {
            self.pools.retire(slot).await;
        } else {
            self.pools.release(slot).await;
        }
    }

    async fn report(
        &self,
        terms: Terms,
        observed: Observed,
        remains: &mut Remains,
        slot: &Slot,
    ) -> Result<ExecutionReport, ExecutionError> {
        let Terms {
            id,
            limits,
            start,
            preload,
        } = terms;
        if observed.is_victim_of_the_host(&limits) {
            return Err(ExecutionError::HostMemory);
        }
        let collected = if collect::is_empty(remains.output.as_fd(), observed.empty_size) {
            Collected::default()
        } else {
            // The collector never meets a writer.
            remains.end_tree(slot).await?;
            let folder = remains.output.as_fd();
            collect::collect(&self.spawner, &self.store, slot.uid, folder, &limits).await?
        };
        let folder = remains.output.as_fd();
        let outcome = classify(Evidence {
            cancelled: observed.cancelled,
            killed_for: observed.killed_for,
            oom_kills: observed.counters.oom_kills,
            refused_forks: observed.counters.refused_forks,
            cpu_used_up: observed.usage.cpu >= limits.cpu,
            workdir_full: !observed.says_completed() && collect::is_full(folder),
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
            preload,
        })
    }
}
