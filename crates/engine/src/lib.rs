//! Runs executions: spawner, zygotes, leases, evidence, outcomes and artifacts.
//!
//! The engine never parses Python. It takes an [`ExecutionRequest`], gives back an [`Execution`]
//! (a bounded stream of [`Event`]s) and decides from host facts alone how it ended.

mod capture;
mod channel;
mod collect;
mod config;
pub mod engine;
pub mod environment;
pub mod error;
mod evidence;
pub mod execution;
mod hand_over;
pub mod held;
pub mod isolation;
pub mod kit;
mod lease;
pub mod limits;
pub mod metrics;
pub mod outcome;
mod pace;
mod pool;
pub mod preload;
mod process;
pub mod request;
mod root;
mod sampler;
mod serving_user;
mod slot;
mod spawner;
pub mod start;
mod store;
mod streams;
mod supervise;
mod witness;
mod zygote;

pub use config::{EngineConfig, MOST_SLOTS};
pub use engine::Engine;
pub use environment::{Environment, Interpreter, RequestedEnvironments};
pub use error::{ExecutionError, Fault};
pub use execution::{Ending, Event, Execution, ExecutionId, ExecutionReport, Hold, Stream};
pub use held::HeldFolder;
pub use isolation::{Isolation, Layer, LayerState, Tier};
pub use limits::{LimitError, LimitOverrides, LimitPolicy, Limits, Usage};
pub use metrics::{ForkKind, PoolStatus};
pub use outcome::{
    Artifact, CapturedOutput, Exception, ExitStatus, Finding, Frame, Limit, Outcome,
    SkippedArtifact, Span, Value,
};
pub use pool::{InUse, Lease as EnvironmentLease};
pub use request::{Call, Entry, EnvironmentChoice, ExecutionRequest, InputFile, SecurityLevel};
pub use sandbox::host::floor::{Floor, measure as measure_floor};
pub use sandbox::sys::memory::keep_heaps_small;
pub use sandbox::sys::process::die_with_caller;
pub use serving_user::ServingUser;
pub use start::{StartEngineError, inspect};
