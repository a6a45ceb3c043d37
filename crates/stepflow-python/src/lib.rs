//! The Python tool library of seed 003: every door calls it and nothing below it.

pub mod environment;
pub mod errors;
pub mod executor;
pub mod parser;

pub use engine::{
    Artifact, Event, Execution, ExecutionError, ExecutionId, ExecutionReport, ExecutionRequest,
    Fault, Finding, InputFile, LimitOverrides, LimitPolicy, Limits, Outcome, Usage,
};
pub use engine::{
    CapturedOutput, Exception, ExitStatus, Frame, Isolation, Layer, LayerState, Limit, LimitError,
    SkippedArtifact, Span, Stream as OutputStream, Value,
};
pub use engine::{
    Engine, EngineConfig, Environment, ForkKind, Interpreter, MOST_SLOTS, PoolStatus,
    StartEngineError, Tier, inspect, keep_heaps_small,
};
pub use environment::{EnvironmentError, Environments};
pub use errors::PythonError;
pub use executor::{
    ArtifactContent, Capabilities, EngineExecutor, FunctionRequest, Package, PythonConfig,
    PythonException, PythonExecutor, PythonExecutorImpl, PythonRequest, PythonResponse,
    ScriptRequest, SecurityLevel, ValidationResult,
};
