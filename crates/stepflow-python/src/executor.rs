//! The one trait behind every door, and the executor of this process behind it.

mod custom;
mod engine;
mod entry;
mod journal;
pub(crate) mod judge;
mod registry;
mod replay;
mod request;
mod response;
mod script;
mod seed;
pub mod source;
pub mod validate;

use std::sync::Arc;

use ::engine::{
    Artifact, EnvironmentLease, Execution, ExecutionError, ExecutionId, ExecutionRequest, Finding,
    LimitPolicy, PoolStatus,
};
use async_trait::async_trait;
use bytes::Bytes;

use crate::environment::EnvironmentService;
use crate::errors::PythonError;
use crate::metrics::MetricFamily;
use crate::records::HistoryService;
use crate::tools::ToolService;

pub use crate::validator::ValidationResult;
pub use ::engine::SecurityLevel;

pub use self::custom::CustomPythonExecutor;
pub use self::engine::EngineExecutor;
pub use self::journal::Journal;
pub use self::registry::{Executors, RegistryError};
pub(crate) use self::replay::TIER as CUSTOM_TIER;
pub use self::replay::run_to_end;
pub use self::request::{EntryPoint, FunctionRequest, PythonConfig, PythonRequest, ScriptRequest};
pub(crate) use self::response::exceptions_of;
pub use self::response::{NotSerialisable, PythonException, PythonResponse};
pub use self::script::{MOST_FILES, of_script};
pub use self::seed::{ExecutionConfig, ExecutorConfig, PythonExecutorImpl};
pub use crate::packages::Package;

/// The name of the executor, and of the parser, that this product brings.
pub const NATIVE: &str = "native";

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
    /// Who can be named to run a request.
    pub executors: Vec<ExecutorDescription>,
    /// Who can be chosen to read sources.
    pub parsers: Vec<ParserDescription>,
}

impl Default for Capabilities {
    /// What is known of an executor that says nothing: no Python, no package, no layer of ours.
    fn default() -> Self {
        Self {
            python_version: String::new(),
            packages: Vec::new(),
            max_concurrency: std::thread::available_parallelism().map_or(1, Into::into),
            limits: LimitPolicy::default(),
            isolation: ::engine::Isolation {
                tier: replay::TIER,
                layers: Vec::new(),
            },
            executors: Vec::new(),
            parsers: Vec::new(),
        }
    }
}

/// Who can be named to run a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorDescription {
    /// What a request says.
    pub name: String,
    /// The versions of Python it runs.
    pub versions: Vec<String>,
}

/// Who can be chosen to read sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParserDescription {
    /// What the configuration says.
    pub name: String,
    /// What it can do.
    pub features: Vec<String>,
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

/// Runs Python. Doors hold an `Arc<dyn PythonExecutor>` and call only `start` and what follows it.
///
/// The first four methods are the seed's. An executor writes the first three or `start`: each of both
/// is made of the other where it is not written, so one that has neither never comes to an end.
#[async_trait]
pub trait PythonExecutor: Send + Sync {
    /// Runs code to its end.
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        run_to_end(self, source::of_code(request)).await
    }

    /// Runs code, then calls one of its functions.
    async fn execute_function(
        &self,
        request: FunctionRequest,
    ) -> Result<PythonResponse, PythonError> {
        run_to_end(self, source::of_function(request)).await
    }

    /// Runs a script of this host, or a folder of it.
    async fn execute_script(&self, request: ScriptRequest) -> Result<PythonResponse, PythonError> {
        run_to_end(self, of_script(request).await?).await
    }

    /// Says whether this executor can serve `config`.
    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError>;

    /// Makes what an execution needs and what takes long: the environment with its packages. Doors call
    /// it before they give the execution one of the slots, and keep what it returns until it has
    /// started. Whatever is made here `start` makes, too, where nobody has called this.
    ///
    /// Errors: those of `start`.
    async fn prepare(
        &self,
        _request: &ExecutionRequest,
    ) -> Result<Option<EnvironmentLease>, ExecutionError> {
        Ok(None)
    }

    /// Starts an execution and hands back its events.
    ///
    /// An executor that has only the seed's methods need not write it: they are called, and what they
    /// answer is replayed once it is there.
    ///
    /// Errors: a failure of ours before anything started; later ones come as `Event::Failed`.
    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        replay::start(self, request).await
    }

    /// The content of an artifact of an execution that ended; `None` when there is none.
    async fn artifact(&self, _id: ExecutionId, _name: &str) -> Option<ArtifactContent> {
        None
    }

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
        let rules = judge::Rules {
            level,
            version: numbers.next().zip(numbers.next()),
            ..Default::default()
        };
        judge::judgement(source, &rules).await
    }

    /// What this executor offers.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The facts of its pools of waiting children; empty where there are none.
    async fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }

    /// Its tools; `None` where none are kept.
    fn tools(&self) -> Option<Arc<dyn ToolService>> {
        None
    }

    /// What it has counted; empty where nothing is counted.
    async fn metrics(&self) -> Vec<MetricFamily> {
        Vec::new()
    }

    /// Where its executions are recorded and counted, for an executor that stands before it; `None`
    /// where nothing is kept.
    fn journal(&self) -> Option<Journal> {
        None
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
    async fn health(&self) -> Result<(), String> {
        Ok(())
    }
}
