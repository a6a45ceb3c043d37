//! Runs Python that nobody has read, and says truthfully how it ended: the tool library of seed 003.
//!
//! Every door of Hognose calls this crate and nothing below it. It parses, judges by a policy, finds
//! dependencies, makes environments, runs code, functions, scripts and modules confined by the kernel,
//! and records all of it. A program's end is data ([`PythonResponse`], [`Outcome`]); an error
//! ([`PythonError`], [`ExecutionError`]) is a failure of ours.
//!
//! # A complete program
//!
//! It needs Linux and CPython 3.9 to 3.14, no network and no root.
//!
//! ```
//! use std::sync::Arc;
//!
//! use serde_json::json;
//! use stepflow_python::{
//!     Database, EnvironmentConfig, ExecutorConfig, FunctionRequest, PythonEnvironmentImpl,
//!     PythonExecutor, PythonExecutorImpl, PythonParser, PythonParserImpl, PythonSecurityImpl,
//!     SecuritySettings,
//! };
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), stepflow_python::PythonError> {
//! let db = Arc::new(Database::in_memory().await?);
//! let settings = SecuritySettings {
//!     blocked_modules: vec!["subprocess".into()],
//!     ..Default::default()
//! };
//! let config = EnvironmentConfig {
//!     security_settings: settings.clone(),
//!     ..Default::default()
//! };
//! let environments = PythonEnvironmentImpl::new(db.clone(), config);
//! let watch = environments.executor(None).await?.watch();
//! let security = PythonSecurityImpl::new(settings, watch)?;
//! let parser = PythonParserImpl::new(db.clone(), Default::default());
//! let executor = PythonExecutorImpl::new(
//!     db,
//!     Arc::new(environments),
//!     Arc::new(security),
//!     ExecutorConfig::default(),
//! );
//!
//! let code = "async def area(width, height=1):\n    return width * height";
//! let module = parser.parse_code(code).await?;
//! assert_eq!(module.functions[0].parameters[1].default.as_deref(), Some("1"));
//!
//! let request = FunctionRequest {
//!     code: code.into(),
//!     function_name: "area".into(),
//!     args: vec![json!(6)],
//!     kwargs: [("height".into(), json!(7))].into(),
//!     ..Default::default()
//! };
//! let response = executor.execute_function(request).await?;
//! assert_eq!(response.result, Some(json!(42)));
//!
//! let refused = FunctionRequest {
//!     code: "import subprocess\ndef f(): pass".into(),
//!     function_name: "f".into(),
//!     ..Default::default()
//! };
//! let refused = executor.execute_function(refused).await?.into_result();
//! assert!(refused.unwrap_err().to_string().starts_with("Security violation: "));
//! # Ok(())
//! # }
//! ```
//!
//! Whoever wants to say more starts an [`Engine`] and puts an [`EngineExecutor`] on it. Executors and
//! parsers of one's own register with [`Executors`]; `examples/` has one of each.
//!
//! # What the seed names, and where it is
//!
//! | the seed | here | what differs |
//! | --- | --- | --- |
//! | `PythonParser`, `PythonParserImpl`, `ParserConfig` | [`parser`] | `analyze_dependencies` takes the source, as the trait says; the sample's imports are `dependencies` of the module. The database is not used: modules are kept as tools |
//! | `PythonModule`, `PythonFunction`, `PythonClass`, `Import`, `Parameter`, `AST` | [`parser`] | fields beside the seed's; the name of bare code is `main` |
//! | `CustomPythonParser`, `CustomPythonExecutor` | [`parser`], [`executor`] | usable as `dyn`; registered with [`Executors`] |
//! | `PythonExecutor`, `PythonExecutorImpl`, `ExecutorConfig`, `ExecutionConfig` | [`executor`] | the trait has more methods, all with a default; `enable_sandboxing = false` is refused |
//! | `PythonRequest`, `PythonResponse`, `PythonException` | [`executor`] | a response also has `outcome` and `not_serialisable` |
//! | `FunctionRequest`, `ScriptRequest`, `SecurityLevel`, `PythonConfig` | [`executor`] | named in the seed, defined by use |
//! | `PythonEnvironment`, `PythonEnvironmentImpl`, `EnvironmentId`, `PipConfig` | [`environment`] | an id is a handle on a digest, which an install moves |
//! | `EnvironmentConfig`, given twice | [`environment`] | the union of both |
//! | `Dependency`, `DependencySource` | [`dependencies`] | |
//! | `PythonSecurity`, `SecuritySettings`, `SecurityStatus`, `ValidationResult` | [`security`], [`validator`] | findings are lint, the kernel is the boundary; `enable_network_access = true` is refused |
//! | `packages` | [`packages`] | what is installed |
//! | `PythonError` | [`errors`] | the seed's texts; a program's end is none, [`PythonResponse::into_result`] makes it one |
//! | `Database`, `DatabaseError`, the tables | [`records`] | the tables of the seed, and those they refer to |
//! | `ExecutionId` | [`ExecutionId`] | |
//!
//! The base package `json` of the seed is in the standard library; such names are skipped. Its variables
//! are read by the binary alone (`docs/cli.md`).

pub mod dependencies;
pub mod environment;
pub mod errors;
pub mod executor;
pub mod metrics;
pub mod packages;
pub mod parser;
pub mod records;
pub mod security;
pub mod tools;
pub mod validator;

pub use dependencies::{Dependency, DependencyError, DependencySource};
pub use engine::{
    Artifact, Call, Entry, EnvironmentChoice, Event, Execution, ExecutionError, ExecutionId,
    ExecutionReport, ExecutionRequest, Fault, Finding, InputFile, LimitOverrides, LimitPolicy,
    Limits, Outcome, Usage,
};
pub use engine::{
    CapturedOutput, Exception, ExitStatus, Frame, Isolation, Layer, LayerState, Limit, LimitError,
    SkippedArtifact, Span, Stream as OutputStream, Value,
};
pub use engine::{
    Engine, EngineConfig, Environment, EnvironmentLease, Floor, ForkKind, Interpreter, MOST_SLOTS,
    PoolStatus, RequestedEnvironments, ServingUser, StartEngineError, Tier, inspect,
    keep_heaps_small, measure_floor,
};
pub use environment::{
    EnvironmentConfig, EnvironmentDescription, EnvironmentError, EnvironmentId, EnvironmentOrder,
    EnvironmentService, Environments, InstallPolicy, ManagedEnvironments, PipConfig, ProgressSink,
    PythonEnvironment, PythonEnvironmentImpl, Requested,
};
pub use errors::PythonError;
pub use executor::{
    ArtifactContent, Capabilities, CustomPythonExecutor, EngineExecutor, EntryPoint,
    ExecutionConfig, ExecutorConfig, ExecutorDescription, Executors, FunctionRequest, Journal,
    Judgement, NATIVE, NotSerialisable, Package, ParserDescription, PythonConfig, PythonException,
    PythonExecutor, PythonExecutorImpl, PythonRequest, PythonResponse, RegistryError,
    ScriptRequest, SecurityLevel, ValidationResult,
};
pub use metrics::{
    HistogramReading, Metric, MetricFamily, MetricFilter, MetricReading, MetricSeries, MetricType,
    MonitoringError, PythonMetrics, PythonMonitoring, PythonMonitoringImpl,
};
pub use parser::{
    AST, CustomPythonParser, Import, Parameter, ParserConfig, PythonClass, PythonFunction,
    PythonModule, PythonParser, PythonParserImpl,
};
pub use records::{
    Database, DatabaseAddress, DatabaseError, ExecutionRecord, ExecutionSummary, HistoryFilter,
    HistoryPage, HistoryService, Instance, RecordState, Recorder, Retention,
};
pub use security::{PythonSecurity, PythonSecurityImpl, SecuritySettings, SecurityStatus};
pub use tools::{
    Mismatch, Shape, Tool, ToolError, ToolFunction, ToolName, ToolOrder, ToolParameter,
    ToolService, ToolSettings, ToolSummary, ToolVersion, Tools,
};
