//! The seed's `PythonEnvironmentImpl`: an engine and its environments, started at their first use.
//!
//! The seed makes one with `new(db, config)`, which can neither wait nor fail. So whatever can go wrong
//! is told by the first call, and a start that failed is tried again by the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Engine, EngineConfig};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{
    EnvironmentConfig, EnvironmentId, Environments, InstallPolicy, ManagedEnvironments,
    PythonEnvironment, Requested,
};
use crate::dependencies::Dependency;
use crate::errors::PythonError;
use crate::executor::EngineExecutor;
use crate::records::{Database, DatabaseAddress, Instance, Recorder, Retention};

/// The environments of an embedder, and the engine that runs them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PythonEnvironmentImpl {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Arc<Database>,
    config: EnvironmentConfig,
    started: OnceCell<Started>,
}

/// What runs once it has been used.
#[derive(Debug)]
struct Started {
    executor: EngineExecutor,
    /// Or why there are none: without `uv` programs run all the same.
    environments: Result<ManagedEnvironments, PythonError>,
    /// The state of an engine whose records are in memory; it goes with it.
    _state: Option<TempDir>,
}

impl PythonEnvironmentImpl {
    /// Nothing is started, made or checked yet.
    ///
    /// The state of the engine is kept beside the database's file, in the folder `state`; in a temporary
    /// folder where the database has no file. Executions are recorded in the database.
    #[must_use]
    pub fn new(db: Arc<Database>, config: EnvironmentConfig) -> Self {
        let started = OnceCell::new();
        Self {
            inner: Arc::new(Inner {
                db,
                config,
                started,
            }),
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &EnvironmentConfig {
        &self.inner.config
    }

    /// The executor on its engine, started now if it has not been. `python` is the interpreter of the
    /// default environment, which has no packages; the first call decides.
    ///
    /// Errors: settings that are refused; a host that cannot confine; no usable interpreter.
    pub async fn executor(&self, python: Option<&Path>) -> Result<&EngineExecutor, PythonError> {
        Ok(&self.started(python).await?.executor)
    }

    /// The same if it has been started.
    #[must_use]
    pub fn running(&self) -> Option<&EngineExecutor> {
        self.inner.started.get().map(|started| &started.executor)
    }

    async fn started(&self, python: Option<&Path>) -> Result<&Started, PythonError> {
        let inner = &self.inner;
        let start = || start(Arc::clone(&inner.db), inner.config.clone(), python);
        inner.started.get_or_try_init(start).await
    }

    async fn environments(&self) -> Result<&ManagedEnvironments, PythonError> {
        let started = self.started(None).await?;
        started.environments.as_ref().map_err(Clone::clone)
    }
}

async fn start(
    db: Arc<Database>,
    config: EnvironmentConfig,
    python: Option<&Path>,
) -> Result<Started, PythonError> {
    config.security_settings.check()?;
    let broken = |error: &dyn std::fmt::Display| PythonError::EnvironmentError(error.to_string());
    let (folder, temporary) = state_of(&db).map_err(|error| broken(&error))?;
    let (python, requested) = (python.map(Path::to_owned), config.virtual_env_path.clone());
    let (state, own) = (folder.clone(), requested.map(PathBuf::from));
    // Both may start programs and wait for them.
    let prepared = tokio::task::spawn_blocking(move || {
        let environment = Environments::new(&state).ensure_bare(python.as_deref())?;
        let requested = Requested::open(&state, own.as_deref(), &|_| {});
        Ok::<_, super::EnvironmentError>((environment, requested))
    });
    let prepared = prepared.await.map_err(|error| broken(&error))?;
    let (environment, requested) = prepared.map_err(|error| broken(&error))?;
    let mut engine = EngineConfig::new(folder.clone(), environment);
    engine.requested = requested.as_ref().ok().map(Requested::for_engine);
    let engine = Engine::start(engine)
        .await
        .map_err(|error| broken(&error))?;
    let environments = match requested {
        Ok(requested) => {
            if let Some(uid) = engine.serving_uid() {
                requested.give_to(uid).map_err(|error| broken(&error))?;
            }
            ManagedEnvironments::new(requested, config, InstallPolicy::default())
                .map_err(|error| broken(&error))
        }
        Err(error) => Err(broken(&error)),
    };
    let executor = match &environments {
        Ok(environments) => EngineExecutor::with_environments(engine, environments.clone()),
        Err(_) => EngineExecutor::new(engine),
    };
    let instance = Instance::take(&folder)?;
    let recorder = Recorder::begin(Database::clone(&db), instance, Retention::default()).await?;
    let executor = executor.with_recorder(recorder);
    executor.record_environments().await?;
    Ok(Started {
        executor,
        environments,
        _state: temporary,
    })
}

/// The state folder, and the temporary folder that it is, if it is one.
fn state_of(db: &Database) -> std::io::Result<(PathBuf, Option<TempDir>)> {
    if let DatabaseAddress::File(path) = db.address() {
        let folder = std::path::absolute(path)?.with_file_name("state");
        std::fs::create_dir_all(&folder)?;
        return Ok((folder, None));
    }
    let temporary = tempfile::tempdir()?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

#[async_trait]
impl PythonEnvironment for PythonEnvironmentImpl {
    async fn create_environment(
        &self,
        config: &EnvironmentConfig,
    ) -> Result<EnvironmentId, PythonError> {
        config.security_settings.check()?;
        self.environments().await?.create_environment(config).await
    }

    async fn activate_environment(&self, env_id: &EnvironmentId) -> Result<(), PythonError> {
        self.environments()
            .await?
            .activate_environment(env_id)
            .await
    }

    async fn install_dependencies(
        &self,
        env_id: &EnvironmentId,
        dependencies: &[Dependency],
    ) -> Result<(), PythonError> {
        let environments = self.environments().await?;
        environments
            .install_dependencies(env_id, dependencies)
            .await
    }

    async fn cleanup_environment(&self, env_id: &EnvironmentId) -> Result<(), PythonError> {
        self.environments().await?.cleanup_environment(env_id).await
    }

    fn as_native(&self) -> Option<&PythonEnvironmentImpl> {
        Some(self)
    }
}
