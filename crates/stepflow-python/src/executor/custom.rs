//! An executor of an embedder, with the seed's three methods and nothing else.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use engine::{Event, Execution, ExecutionId, ExecutionRequest, Limits, Outcome};
use tokio::sync::{mpsc, oneshot};

use super::{
    Capabilities, FunctionRequest, PythonConfig, PythonExecutor, PythonRequest, PythonResponse,
    ScriptRequest, ValidationResult, replay, validate,
};
use crate::errors::PythonError;

/// An executor of an embedder, chosen by its name. Source: seed 003, "自定义执行器".
///
/// What it runs is confined by nothing of ours: that is its own affair. The policy is asked before it,
/// and the wall-clock limit ends it.
#[async_trait]
pub trait CustomPythonExecutor: Send + Sync {
    /// Runs code to its end. A program that fails is an answer; an error is a failure of the executor.
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError>;

    /// The versions of Python it runs, such as `3.11`; shown in `/capabilities`.
    fn get_supported_versions(&self) -> Vec<String>;

    /// The name it is chosen by.
    fn get_executor_name(&self) -> &str;
}

/// One of them as a whole executor. What it has no word for is refused, or is told by `native`.
#[derive(Clone)]
pub(super) struct Custom {
    pub(super) own: Arc<dyn CustomPythonExecutor>,
    pub(super) native: Arc<dyn PythonExecutor>,
}

impl Custom {
    /// Starts an execution on a task of its own, so that it can be cancelled by a caller who waits.
    pub(super) fn spawn(self, request: ExecutionRequest, limits: Limits) -> Execution {
        let (id, began) = (ExecutionId::random(), Instant::now());
        let (cancel, mut cancelled) = oneshot::channel::<()>();
        let (events, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let all = tokio::select! {
                // Dropped with the execution, too.
                _ = &mut cancelled => {
                    let took = began.elapsed();
                    let mut report = replay::report(id, Outcome::Cancelled, limits, took);
                    report.usage.wall = took;
                    Ok(vec![Event::Finished(Box::new(report))])
                }
                all = replay::run(&self, request, id, limits, began) => all,
            };
            for event in all.unwrap_or_else(|error| vec![Event::Failed(error)]) {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        });
        Execution::new(id, receiver, cancel)
    }
}

#[async_trait]
impl PythonExecutor for Custom {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        self.own.execute_code(request).await
    }

    async fn execute_function(
        &self,
        request: FunctionRequest,
    ) -> Result<PythonResponse, PythonError> {
        if !request.args.is_empty() {
            let name = self.own.get_executor_name();
            let told =
                format!("the executor `{name}` takes a function's arguments by keyword only");
            return Err(PythonError::ExecutionError(told));
        }
        let request = PythonRequest {
            code: request.code,
            function_name: Some(request.function_name),
            parameters: request.kwargs,
            environment_id: request.environment_id,
            timeout: request.timeout,
            memory_limit: request.memory_limit,
            security_level: request.security_level,
        };
        self.own.execute_code(request).await
    }

    async fn execute_script(&self, _: ScriptRequest) -> Result<PythonResponse, PythonError> {
        let name = self.own.get_executor_name();
        let told = format!("the executor `{name}` runs code and functions, not scripts");
        Err(PythonError::ExecutionError(told))
    }

    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        Ok(validate::version(
            &self.own.get_supported_versions(),
            config,
        ))
    }

    fn capabilities(&self) -> Capabilities {
        self.native.capabilities()
    }
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Custom")
            .field(&self.own.get_executor_name())
            .finish()
    }
}
