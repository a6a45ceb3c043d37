//! The environments that callers ask for: made, changed, found and removed, within what is allowed.
//!
//! A handle stands for a digest. A tree is removed only when no execution holds it, which the
//! engine knows, and nobody is about to, which [`claims`] knows.

mod claims;
mod inner;
mod mirror;
mod service;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use engine::{Engine, Environment, EnvironmentLease, InUse, Interpreter};
use uuid::Uuid;

use self::claims::{Claims, Kept};
use self::mirror::Mirror;
use super::build::size_of_tree;
use super::catalog::{Catalog, Tree, now_ms};
use super::config::{EnvironmentConfig, InstallPolicy, PipConfig};
use super::interpreter::{self, Resolved};
use super::order::{self, LOCK, Order};
use super::requested::Requested;
use super::service::ProgressSink;
use super::{EnvironmentError, MANIFEST, said, sources};
use crate::dependencies::Dependency;
use crate::metrics::PythonMonitoringImpl;

/// Digits of a digest that name it well enough.
const LEAST_DIGITS: usize = 8;
/// Builds that may run or wait.
const MOST_BUILDS: usize = 16;
/// Packages of one environment that may have to be built from source.
const MOST_SOURCES: usize = 32;
/// Uses are written down when the last time that they were is longer ago.
const USE_GRAIN_MS: u64 = 60_000;
/// How long to wait for an environment's last sandbox to be swept, and how often.
const SWEEPING: Duration = Duration::from_millis(20);
const SWEEPING_TRIES: usize = 10;

/// The environments of one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ManagedEnvironments {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    requested: Requested,
    config: EnvironmentConfig,
    policy: InstallPolicy,
    engine: OnceLock<Engine>,
    /// Whose release is taken when none is named: the default environment's interpreter.
    default: Option<Interpreter>,
    mirror: OnceLock<Mirror>,
    catalog: Mutex<Catalog>,
    /// Those that were looked at, by digest.
    known: Mutex<HashMap<String, Arc<Environment>>>,
    claims: Claims,
    /// When uses were written down, as [`now_ms`].
    uses_saved_ms: AtomicU64,
    building: tokio::sync::Mutex<()>,
    /// Builds that run or wait.
    queue: tokio::sync::Semaphore,
    /// Read by builds, which may need wheels that were built here; written by who removes these.
    wheels: tokio::sync::RwLock<()>,
    monitoring: PythonMonitoringImpl,
}

impl ManagedEnvironments {
    /// The environments of an open folder. `config` gives the defaults of what is created.
    ///
    /// Errors: the folder's catalog cannot be read.
    pub fn new(
        requested: Requested,
        config: EnvironmentConfig,
        policy: InstallPolicy,
    ) -> Result<Self, EnvironmentError> {
        Self::with_default(requested, config, policy, None)
    }

    /// The same to look after them without an engine: none is run, and nothing is built from source.
    ///
    /// `python` is the interpreter of the default environment; without one it is looked for.
    ///
    /// Errors: the folder's catalog cannot be read; there is no interpreter.
    pub fn without_engine(
        requested: Requested,
        config: EnvironmentConfig,
        policy: InstallPolicy,
        python: Option<&Path>,
    ) -> Result<Self, EnvironmentError> {
        let policy = InstallPolicy {
            source_builds: false,
            ..policy
        };
        let default = interpreter::resolve(python)?.interpreter;
        Self::with_default(requested, config, policy, Some(default))
    }

    fn with_default(
        requested: Requested,
        config: EnvironmentConfig,
        policy: InstallPolicy,
        default: Option<Interpreter>,
    ) -> Result<Self, EnvironmentError> {
        let catalog = settled(&requested)
            .map_err(|source| EnvironmentError::host("read the list of environments", source))?;
        requested.sweep(&catalog);
        let monitoring = PythonMonitoringImpl::new();
        catalog.tell(&monitoring);
        Ok(Self {
            inner: Arc::new(Inner {
                requested,
                config,
                policy,
                engine: OnceLock::new(),
                default,
                mirror: OnceLock::new(),
                catalog: Mutex::new(catalog),
                known: Mutex::default(),
                claims: Claims::default(),
                uses_saved_ms: AtomicU64::default(),
                building: tokio::sync::Mutex::default(),
                queue: tokio::sync::Semaphore::new(MOST_BUILDS),
                wheels: tokio::sync::RwLock::default(),
                monitoring,
            }),
        })
    }

    /// Serves them on an engine that was started with this folder. The first one counts.
    pub fn attach(&self, engine: Engine) {
        let _ = self.inner.engine.set(engine);
    }

    /// What the operator allows.
    pub(super) fn policy(&self) -> &InstallPolicy {
        &self.inner.policy
    }

    /// The engine that serves them.
    pub(super) fn engine(&self) -> Result<&Engine, EnvironmentError> {
        self.inner.engine.get().ok_or_else(inner::nothing_served)
    }

    /// An environment with what a build needs, wheels only, held until its lease is dropped.
    pub(super) async fn tools(
        &self,
        python: &Resolved,
        requirements: &[String],
    ) -> Result<(Arc<Environment>, EnvironmentLease), EnvironmentError> {
        let parsed: Result<Vec<_>, _> = requirements
            .iter()
            .map(|text| Dependency::parse(text))
            .collect();
        let parsed = parsed.map_err(|error| EnvironmentError::Refused {
            reason: error.to_string(),
        })?;
        let wheels_only = InstallPolicy {
            source_builds: false,
            ..self.inner.policy.clone()
        };
        let checked = order::requirements(&parsed, python, &wheels_only)?;
        let pip = self.inner.config.pip_config.clone().unwrap_or_default();
        let silent: ProgressSink = Arc::new(|_| {});
        let built = self.build_wheels_only(python, checked, pip, None, &silent);
        self.inner.hold(built.await?.digest())
    }

    /// What these environments count.
    #[must_use]
    pub fn monitoring(&self) -> PythonMonitoringImpl {
        self.inner.monitoring.clone()
    }

    /// The open folder.
    #[must_use]
    pub fn requested(&self) -> &Requested {
        &self.inner.requested
    }

    /// The environment for an execution, held until its lease is dropped. Packages that it lacks
    /// are installed into another one, which later executions with the same wish find.
    pub async fn find(
        &self,
        name: Option<&str>,
        packages: &[String],
    ) -> Result<(Arc<Environment>, EnvironmentLease), EnvironmentError> {
        let inner = &self.inner;
        let base = name.map(|name| inner.resolve(name)).transpose()?;
        let Some(digest) = base.filter(|_| packages.is_empty()) else {
            let kept = self.with_packages(name, packages).await?;
            return inner.hold(kept.digest());
        };
        inner.hold(&digest)
    }

    async fn with_packages(
        &self,
        name: Option<&str>,
        packages: &[String],
    ) -> Result<Kept, EnvironmentError> {
        let inner = &self.inner;
        let mut wanted = Vec::new();
        let mut version = String::new();
        let mut base = None;
        if let Some(name) = name {
            let digest = inner.resolve(name)?;
            let found = inner.environment(&digest)?;
            version = found.interpreter.version_text();
            let have = found.packages.iter();
            wanted = have
                .map(|(name, version)| format!("{name}=={version}"))
                .collect();
            base = Some(found);
        }
        wanted.extend(packages.iter().cloned());
        let parsed: Result<Vec<_>, _> = wanted.iter().map(|text| Dependency::parse(text)).collect();
        let parsed = parsed.map_err(|error| EnvironmentError::Refused {
            reason: error.to_string(),
        })?;
        let python = inner.python(&version)?.clone();
        let requirements = order::requirements(&parsed, &python, &inner.policy)?;
        let question = format!("{}\n{}", python.identity, requirements.join("\n"));
        let answer = inner.catalog().asked.get(&question).cloned();
        if let Some(kept) = answer.and_then(|digest| inner.keep(&digest)) {
            return Ok(kept);
        }
        let silent: ProgressSink = Arc::new(|_| {});
        let kept = self.build(python, requirements, None, base, silent).await?;
        inner.change(|catalog| catalog.asked.insert(question, kept.digest().to_owned()))?;
        Ok(kept)
    }

    /// Builds a tree unless it is there, enters it into the catalog and makes room for it. What
    /// `base` has keeps its version where it can. Nobody removes what is returned.
    async fn build(
        &self,
        python: Resolved,
        requirements: Vec<String>,
        pip: Option<PipConfig>,
        base: Option<Arc<Environment>>,
        progress: ProgressSink,
    ) -> Result<Kept, EnvironmentError> {
        let place = self.inner.queue.try_acquire();
        let _place = place.map_err(|_| EnvironmentError::Busy)?;
        let _wheels = self.inner.wheels.read().await;
        let pip = pip
            .or_else(|| self.inner.config.pip_config.clone())
            .unwrap_or_default();
        let mut wanted = self.with_wheels(&python, requirements, &progress).await?;
        for _ in 0..MOST_SOURCES {
            let built = self.build_wheels_only(
                &python,
                wanted.clone(),
                pip.clone(),
                base.clone(),
                &progress,
            );
            let said = match built.await {
                Err(EnvironmentError::Packages { said }) if self.inner.policy.source_builds => said,
                Err(EnvironmentError::Packages { said }) => {
                    let said = said::with_advice(&said);
                    return Err(EnvironmentError::Packages { said });
                }
                other => return other,
            };
            let wheel = self.missing_wheel(&python, &wanted, &pip, (&said, &progress));
            match wheel.await? {
                Some(wheel) if !wanted.contains(&wheel) => wanted.push(wheel),
                Some(_) | None => return Err(EnvironmentError::Packages { said }),
            }
        }
        Err(EnvironmentError::Packages {
            said: format!("more than {MOST_SOURCES} of them have no wheel"),
        })
    }

    async fn build_wheels_only(
        &self,
        python: &Resolved,
        requirements: Vec<String>,
        pip: PipConfig,
        base: Option<Arc<Environment>>,
        progress: &ProgressSink,
    ) -> Result<Kept, EnvironmentError> {
        let inner = Arc::clone(&self.inner);
        let (python, progress) = (python.clone(), Arc::clone(progress));
        let _one_at_a_time = self.inner.building.lock().await;
        let identity = python.identity.clone();
        let began = Instant::now();
        let (wanted, from) = (requirements.clone(), base.clone());
        let work = move || {
            let lock = from.map(|base| inner.requested.tree(&base.digest).join(LOCK));
            let order = Order {
                python: &python,
                requirements: &wanted,
                pip: &pip,
                policy: &inner.policy,
                preferred: lock.and_then(|lock| fs::read_to_string(lock).ok()),
            };
            let keep = |digest: &str| inner.claims.keep_soon(digest);
            let kept = order::fulfil(&inner.requested, &order, keep, &|told| progress(told))?;
            let bytes = size_of_tree(&inner.requested.tree(kept.digest()));
            Ok::<_, EnvironmentError>((kept, bytes))
        };
        let built = tokio::task::spawn_blocking(work).await;
        let (kept, bytes) = built.map_err(|_| EnvironmentError::Refused {
            reason: "the build broke off; ask again".into(),
        })??;
        let tree = Tree {
            interpreter: identity,
            bytes,
            used_ms: now_ms(),
        };
        let digest = kept.digest().to_owned();
        let known = self
            .inner
            .change(|catalog| catalog.trees.insert(digest.clone(), tree))?;
        if known.is_some() {
            return Ok(kept);
        }
        let took = began.elapsed();
        self.inner
            .count(&digest, &requirements, base.as_deref(), took);
        if let Err(error) = self.make_room(&digest).await {
            drop(kept);
            // It is a moment old: nobody names it.
            if let Err(left) = self.remove_tree(&digest, |_| true).await {
                tracing::warn!(error = %left, digest, "an environment without room stays");
            }
            return Err(error);
        }
        Ok(kept)
    }

    /// Removes others until all are within their bounds; none if that would not be enough.
    async fn make_room(&self, newest: &str) -> Result<(), EnvironmentError> {
        let inner = &self.inner;
        let bounds = (
            inner.config.max_environments.max(1),
            inner.policy.most_bytes,
        );
        inner
            .catalog()
            .may_fit(newest, bounds, inner.config.auto_cleanup)
            .map_err(|reason| EnvironmentError::Refused { reason })?;
        let victims = inner.catalog().victims();
        for victim in victims.iter().filter(|digest| *digest != newest) {
            if inner.catalog().is_within(bounds) {
                break;
            }
            match self.remove_tree(victim, |_| true).await {
                Ok(_) | Err(EnvironmentError::InUse(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if inner.catalog().is_within(bounds) {
            return Ok(());
        }
        Err(EnvironmentError::Refused {
            reason: "there is no room for another environment; remove one first".into(),
        })
    }

    /// Removes the wheels that were built here, unless a build may need one; returns their bytes.
    async fn drop_wheels(&self) -> u64 {
        // Builds that come meanwhile wait for it.
        let Ok(_nobody_builds) = self.inner.wheels.try_write() else {
            return 0;
        };
        let wheels = self.inner.requested.folder().join(sources::WHEELS);
        let removed = tokio::task::spawn_blocking(move || {
            let bytes = size_of_tree(&wheels);
            let entries = fs::read_dir(&wheels).into_iter().flatten().flatten();
            for entry in entries {
                let _ = fs::remove_dir_all(entry.path());
            }
            bytes
        });
        removed.await.unwrap_or(0)
    }

    /// Removes a tree and forgets it, unless the catalog says otherwise now that nobody can begin to
    /// use it; returns whether it was removed.
    async fn remove_tree(
        &self,
        digest: &str,
        may_go: impl FnOnce(&Catalog) -> bool,
    ) -> Result<bool, EnvironmentError> {
        let inner = &self.inner;
        let leaving = inner.claims.leave(digest).ok_or(InUse)?;
        if !may_go(&inner.catalog()) {
            return Ok(false);
        }
        if let Some(engine) = inner.engine.get() {
            let mut forgotten = engine.forget(digest).await;
            // The sandbox of an execution that was answered just now is still to be swept.
            for _ in 0..SWEEPING_TRIES {
                if forgotten.is_ok() {
                    break;
                }
                tokio::time::sleep(SWEEPING).await;
                forgotten = engine.forget(digest).await;
            }
            forgotten?;
        }
        inner.known().remove(digest);
        let tree = inner.requested.tree(digest);
        let gone = tree.with_file_name(format!(".gone-{}", Uuid::new_v4()));
        match fs::rename(&tree, &gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EnvironmentError::host("remove an environment", error));
            }
            Ok(()) | Err(_) => {}
        }
        inner.change(|catalog| catalog.forget(digest))?;
        drop(leaving);
        self.reflect().await;
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(&gone));
        match removed.await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                Err(EnvironmentError::host("remove an environment", error))
            }
            Ok(_) | Err(_) => Ok(true),
        }
    }
}

/// What the catalog of a folder says, without that of which the tree is gone: who removed it was
/// killed before it was forgotten.
fn settled(requested: &Requested) -> io::Result<Catalog> {
    let mut catalog = Catalog::load(requested.folder())?;
    let is_there = |digest: &str| requested.tree(digest).join(MANIFEST).exists();
    let lost = catalog.digests_without(is_there);
    for digest in &lost {
        tracing::warn!(digest, "an environment is gone from its folder");
        catalog.forget(digest);
    }
    if !lost.is_empty() {
        catalog.save(requested.folder())?;
    }
    Ok(catalog)
}
