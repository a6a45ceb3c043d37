//! Starting what runs executions here: the environment, then the engine on it.

use std::path::PathBuf;

use anyhow::Context;
use stepflow_python::environment::Environments;
use stepflow_python::{
    Engine, EngineConfig, EngineExecutor, Environment, EnvironmentChoice, EnvironmentConfig,
    InstallPolicy, LimitPolicy, ManagedEnvironments, Requested,
};

use crate::progress::Reporter;
use crate::settings::{Common, Sources};

/// The default environment, built on first use with its progress on standard error.
pub(crate) async fn environment(common: &Common) -> anyhow::Result<Environment> {
    common.create_state_dir()?;
    let (state, python) = (common.state_dir.clone(), common.python.clone());
    let offline = common.offline;
    let built = tokio::task::spawn_blocking(move || {
        let reporter = Reporter::new();
        Environments::new(&state)
            .offline(offline)
            .ensure_default(python.as_deref(), &|progress| reporter.show(&progress))
    });
    Ok(built
        .await
        .context("the build of the environment broke off: run it again")??)
}

/// How many executions an engine has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Executions at once.
    pub(crate) slots: usize,
    /// Memory for children that wait for a program; 0 for none that wait.
    pub(crate) pool_bytes: u64,
}

impl Size {
    /// One execution and then the end: nothing waits for a second.
    pub(crate) const ONE: Self = Self {
        slots: 1,
        pool_bytes: 0,
    };
}

/// An engine on `environment`.
pub(crate) async fn engine(
    common: &Common,
    environment: Environment,
    size: Size,
    limits: LimitPolicy,
) -> anyhow::Result<Engine> {
    Ok(Engine::start(config(common, environment, size, limits)).await?)
}

/// An executor on an engine for one execution; with requested environments only where that wants one.
pub(crate) async fn executor_for(
    choice: &EnvironmentChoice,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<(Engine, EngineExecutor)> {
    if *choice == EnvironmentChoice::Default {
        let policy = sources.limit_policy(&[])?;
        let environment = environment(common).await?;
        let engine = engine(common, environment, Size::ONE, policy).await?;
        return Ok((engine.clone(), EngineExecutor::new(engine)));
    }
    executor_with_requested(common, sources).await
}

/// The same with requested environments, which are made by the user who serves: root is given up.
pub(crate) async fn executor_with_requested(
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<(Engine, EngineExecutor)> {
    let (policy, wish) = (sources.limit_policy(&[])?, sources.requested()?);
    let environment = environment(common).await?;
    let opened = open_requested(common, wish.folder.clone()).await?;
    let wish = (opened, wish);
    let started = engine_with_requested(common, environment, Size::ONE, policy, wish);
    let (engine, environments) = started.await?;
    engine.drop_privileges().context("cannot give up root")?;
    let executor = EngineExecutor::with_environments(engine.clone(), environments);
    Ok((engine, executor))
}

/// The folder of environments that callers ask for, opened before root is given up.
pub(crate) async fn open_requested(
    common: &Common,
    folder: Option<PathBuf>,
) -> anyhow::Result<Requested> {
    let (state, offline) = (common.state_dir.clone(), common.offline);
    let opened = tokio::task::spawn_blocking(move || {
        if offline {
            return Requested::open_offline(&state, folder.as_deref());
        }
        let reporter = Reporter::new();
        Requested::open(&state, folder.as_deref(), &|progress| {
            reporter.show(&progress);
        })
    });
    Ok(opened.await.context("the start broke off: try again")??)
}

/// Makes the folder that of the user who serves, if it is another one than now.
pub(crate) fn give_requested(requested: &Requested, uid: Option<u32>) -> anyhow::Result<()> {
    let given = uid.map_or(Ok(()), |uid| requested.give_to(uid));
    given.context("cannot give the folder of environments to the user who serves")
}

/// An engine that also serves environments that callers ask for, and those.
pub(crate) async fn engine_with_requested(
    common: &Common,
    environment: Environment,
    size: Size,
    limits: LimitPolicy,
    (requested, wish): (Requested, RequestedWish),
) -> anyhow::Result<(Engine, ManagedEnvironments)> {
    let config = EngineConfig {
        requested: Some(requested.for_engine()),
        ..config(common, environment, size, limits)
    };
    let engine = Engine::start(config).await?;
    give_requested(&requested, engine.serving_uid())?;
    let environments = ManagedEnvironments::new(requested, wish.config, wish.policy)?;
    Ok((engine, environments))
}

/// What the operator says about environments that callers ask for.
#[derive(Debug, Default)]
pub(crate) struct RequestedWish {
    /// The folder instead of the one below the state folder.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) config: EnvironmentConfig,
    pub(crate) policy: InstallPolicy,
}

fn config(
    common: &Common,
    environment: Environment,
    size: Size,
    limits: LimitPolicy,
) -> EngineConfig {
    EngineConfig {
        state: common.state_dir.clone(),
        environment,
        requested: None,
        limits,
        slots: size.slots,
        pool_bytes: size.pool_bytes,
        preload: common.preload.clone(),
        plain: common.plain,
        min_tier: common.min_tier,
    }
}
