//! Starting what runs executions here: the environment, then the engine on it.

use anyhow::Context;
use stepflow_python::environment::Environments;
use stepflow_python::{Engine, EngineConfig, Environment, LimitPolicy};

use crate::progress::Reporter;
use crate::settings::Common;

/// The default environment, built on first use with its progress on standard error.
pub(crate) async fn environment(common: &Common) -> anyhow::Result<Environment> {
    common.create_state_dir()?;
    let (state, python) = (common.state_dir.clone(), common.python.clone());
    let built = tokio::task::spawn_blocking(move || {
        let reporter = Reporter::new();
        Environments::new(&state)
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
    let config = EngineConfig {
        state: common.state_dir.clone(),
        environment,
        requested: None,
        limits,
        slots: size.slots,
        pool_bytes: size.pool_bytes,
        preload: common.preload.clone(),
        plain: common.plain,
        min_tier: common.min_tier,
    };
    Ok(Engine::start(config).await?)
}
