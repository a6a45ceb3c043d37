//! The Python tool library of seed 003: every door calls it and nothing below it.

pub mod dependencies;
pub mod environment;
pub mod errors;
pub mod executor;
pub mod parser;
pub mod records;
pub mod security;
pub mod validator;

pub use dependencies::{Dependency, DependencyError, DependencySource};
pub use engine::{
    Artifact, EnvironmentChoice, Event, Execution, ExecutionError, ExecutionId, ExecutionReport,
    ExecutionRequest, Fault, Finding, InputFile, LimitOverrides, LimitPolicy, Limits, Outcome,
    Usage,
};
pub use engine::{
    CapturedOutput, Exception, ExitStatus, Frame, Isolation, Layer, LayerState, Limit, LimitError,
    SkippedArtifact, Span, Stream as OutputStream, Value,
};
pub use engine::{
    Engine, EngineConfig, Environment, ForkKind, Interpreter, MOST_SLOTS, PoolStatus,
    RequestedEnvironments, StartEngineError, Tier, inspect, keep_heaps_small,
};
pub use environment::{
    EnvironmentConfig, EnvironmentDescription, EnvironmentError, EnvironmentId, EnvironmentOrder,
    EnvironmentService, Environments, InstallPolicy, PipConfig, ProgressSink, PythonEnvironment,
    PythonEnvironmentImpl, Requested,
};
pub use errors::PythonError;
pub use executor::{
    ArtifactContent, Capabilities, EngineExecutor, FunctionRequest, Judgement, Package,
    PythonConfig, PythonException, PythonExecutor, PythonExecutorImpl, PythonRequest,
    PythonResponse, ScriptRequest, SecurityLevel, ValidationResult,
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
