//! The one trait behind every door, and the executor of this process behind it.

mod engine;
mod judge;
mod response;
pub mod source;
pub mod validate;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::engine::{
    Artifact, Execution, ExecutionError, ExecutionId, ExecutionRequest, Finding, LimitPolicy,
    PoolStatus,
};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::environment::{EnvironmentId, EnvironmentService};
use crate::errors::PythonError;
use crate::records::HistoryService;

pub use crate::validator::ValidationResult;
pub use ::engine::SecurityLevel;

pub use self::engine::EngineExecutor;
pub(crate) use self::response::exceptions_of;

/// The seed's name for the executor of this process.
pub type PythonExecutorImpl = EngineExecutor;

/// Code to run, as the seed writes it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the seed's fields; `memory_limit` is in bytes")]
pub struct PythonRequest {
    pub code: String,
    pub function_name: Option<String>,
    pub parameters: HashMap<String, Value>,
    pub environment_id: Option<EnvironmentId>,
    pub timeout: Option<Duration>,
    pub memory_limit: Option<usize>,
    pub security_level: SecurityLevel,
}

/// A function to call in `code`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named by use in the seed")]
pub struct FunctionRequest {
    pub code: String,
    pub function_name: String,
    pub args: Vec<Value>,
    pub kwargs: HashMap<String, Value>,
    pub timeout: Option<Duration>,
    pub memory_limit: Option<usize>,
}

/// A script file to run.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named by use in the seed")]
pub struct ScriptRequest {
    pub script_path: String,
    pub args: Vec<String>,
    pub timeout: Option<Duration>,
    pub memory_limit: Option<usize>,
}

/// How a guest ended, with the seed's fields and our outcome.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the seed's fields; `memory_usage` is in bytes")]
pub struct PythonResponse {
    pub result: Option<Value>,
    pub stdout: String,
    pub stderr: String,
    pub execution_time: Duration,
    pub memory_usage: usize,
    pub return_code: i32,
    pub exceptions: Vec<PythonException>,
    pub outcome: ::engine::Outcome,
}

/// One exception of a guest.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named by use in the seed")]
pub struct PythonException {
    pub exception_type: String,
    pub message: String,
    pub traceback: String,
}

/// What an environment is asked to be.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields of contracts/stepflow.md")]
pub struct PythonConfig {
    pub script_path: Option<String>,
    pub script_content: Option<String>,
    pub python_version: Option<String>,
    pub dependencies: Vec<String>,
    pub virtual_env: Option<String>,
    pub working_dir: Option<String>,
}

/// A package of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Normalised name.
    pub name: String,
    /// Version as installed.
    pub version: String,
}

/// What an executor offers; the source of `GET /capabilities`.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// `3.11.7`.
    pub python_version: String,
    /// Sorted by name, case-insensitively.
    pub packages: Vec<Package>,
    /// Executions that can run at once.
    pub max_concurrency: usize,
    /// Defaults and maxima.
    pub limits: LimitPolicy,
    /// Every isolation layer and whether it is enforced.
    pub isolation: ::engine::Isolation,
}

/// What the policy has against a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The level it was judged at: the one asked for, or the operator's floor.
    pub level: SecurityLevel,
    /// Empty when it may run. At the level `Permissive` only its syntax is looked at.
    pub findings: Vec<Finding>,
}

/// The content of a collected file.
#[derive(Debug, Clone)]
pub struct ArtifactContent {
    /// Its description.
    pub artifact: Artifact,
    /// Its exact bytes.
    pub content: Bytes,
}

/// Runs Python. Doors hold an `Arc<dyn PythonExecutor>` and call only `start`, `artifact`,
/// `capabilities` and `health`.
#[async_trait]
pub trait PythonExecutor: Send + Sync {
    /// Runs code to its end.
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError>;

    /// Runs code, then calls one of its functions.
    async fn execute_function(
        &self,
        request: FunctionRequest,
    ) -> Result<PythonResponse, PythonError>;

    /// Runs a script file.
    async fn execute_script(&self, request: ScriptRequest) -> Result<PythonResponse, PythonError>;

    /// Says whether this executor can serve `config`.
    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError>;

    /// Starts an execution and hands back its events.
    ///
    /// Errors: a failure of ours before anything started; later ones come as `Event::Failed`.
    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError>;

    /// The content of an artifact of an execution that ended; `None` when there is none.
    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent>;

    /// What the policy has against a source, without running it.
    ///
    /// Errors: a failure of ours.
    async fn validate(
        &self,
        source: &str,
        level: SecurityLevel,
    ) -> Result<Judgement, ExecutionError> {
        let version = self.capabilities().python_version;
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        judge::judgement(source, level, numbers.next().zip(numbers.next())).await
    }

    /// What this executor offers.
    fn capabilities(&self) -> Capabilities;

    /// The facts of its pools of waiting children; empty where there are none.
    async fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }

    /// Its environments; `None` where there is only the default one.
    fn environments(&self) -> Option<Arc<dyn EnvironmentService>> {
        None
    }

    /// What was recorded of executions; `None` where nothing is recorded.
    fn history(&self) -> Option<Arc<dyn HistoryService>> {
        None
    }

    /// `Err` with one sentence when executions cannot be served now.
    async fn health(&self) -> Result<(), String>;
}
