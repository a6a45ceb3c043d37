//! Runs executions: spawner, zygotes, leases, evidence, outcomes and artifacts.
//!
//! The engine never parses Python. It takes an [`ExecutionRequest`], gives back an [`Execution`]
//! (a bounded stream of [`Event`]s) and decides from host facts alone how it ended.

pub mod error;
pub mod execution;
pub mod limits;
pub mod outcome;
pub mod request;

pub use error::{ExecutionError, Fault};
pub use execution::{Event, Execution, ExecutionId, ExecutionReport, Stream};
pub use limits::{LimitError, LimitOverrides, LimitPolicy, Limits, Usage};
pub use outcome::{
    Artifact, CapturedOutput, Exception, ExitStatus, Finding, Frame, Limit, Outcome,
    SkippedArtifact, Span, Value,
};
pub use request::{ExecutionRequest, InputFile};

pub mod isolation;
pub use isolation::{Isolation, Layer, LayerState};
