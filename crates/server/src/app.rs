//! What every route shares, and the routers' one list.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::response::IntoResponse;
use stepflow_python::PythonExecutor;
use tokio::sync::{Semaphore, watch};

use crate::admission::Admission;
use crate::auth::{self, Access};
use crate::config::ServerConfig;
use crate::doors;
use crate::doors::native::Registry;
use crate::error::Failure;
use crate::metrics::Metrics;

/// The state behind every route.
pub(crate) struct App {
    pub(crate) executor: Arc<dyn PythonExecutor>,
    pub(crate) access: Access,
    pub(crate) admission: Admission,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bodies: Bodies,
    pub(crate) running: Arc<Registry>,
    pub(crate) keep_alive: Duration,
    /// Turns true when executions that still run must be cancelled.
    pub(crate) stop: watch::Receiver<bool>,
}

/// How bodies are taken in.
pub(crate) struct Bodies {
    pub(crate) execution_bytes: usize,
    pub(crate) timeout: Duration,
    /// KiB that bodies may hold together until their executions start.
    pub(crate) budget_kib: Arc<Semaphore>,
    pub(crate) budget_wait: Duration,
}

impl Bodies {
    /// What a body of `bytes` takes from the budget; the budget holds at least one full body.
    pub(crate) fn cost_kib(&self, bytes: usize) -> u32 {
        let kib = bytes.min(self.execution_bytes).div_ceil(1024).max(1);
        u32::try_from(kib).unwrap_or(u32::MAX)
    }
}

impl App {
    pub(crate) fn new(
        executor: Arc<dyn PythonExecutor>,
        config: &ServerConfig,
        access: Access,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let metrics = Arc::new(Metrics::default());
        let slots = executor.capabilities().max_concurrency;
        // A budget below one body would refuse what the body cap allows.
        let budget = config
            .waiting_body_bytes
            .max(config.execution_body_bytes)
            .div_ceil(1024)
            .max(1);
        Self {
            executor,
            access,
            admission: Admission::new(slots, config.queue, config.queue_wait, Arc::clone(&metrics)),
            metrics,
            bodies: Bodies {
                execution_bytes: config.execution_body_bytes,
                timeout: config.timeouts.body,
                budget_kib: Arc::new(Semaphore::new(budget.min(Semaphore::MAX_PERMITS))),
                budget_wait: config.queue_wait,
            },
            running: Arc::default(),
            keep_alive: config.timeouts.keep_alive,
            stop,
        }
    }
}

/// Every dialect's routes, behind one guard.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .merge(doors::native::routes())
        .fallback(async || Failure::not_found().into_response())
        .method_not_allowed_fallback(async || Failure::method_not_allowed().into_response())
        .layer(middleware::from_fn_with_state(Arc::clone(app), auth::guard))
        .with_state(Arc::clone(app))
}
