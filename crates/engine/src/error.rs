//! Our own failures. They never look like a program's end.

use std::time::Duration;

use crate::limits::LimitError;

/// Whose fault a failure is; a door maps it to its status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request can never work: HTTP 4xx.
    Caller,
    /// Too busy now: HTTP 429 or 503.
    Capacity,
    /// The host failed: HTTP 500.
    Host,
}

/// Why an execution has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecutionError {
    /// A limit that cannot work.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The source is longer than its limit.
    #[error("the source has {bytes} bytes, but the limit is {limit}")]
    SourceTooLong {
        /// Its length.
        bytes: u64,
        /// `source_bytes`.
        limit: u64,
    },
    /// An input file that cannot be placed.
    #[error(
        "the path {name:?} must be plain names with `/` between them, without control characters, `.` or `..`"
    )]
    FileName {
        /// The name as given.
        name: String,
    },
    /// Two files that cannot both be there.
    #[error("the input file {name:?} is there twice, or stands in what is a file itself")]
    FileClash {
        /// The one that is too many.
        name: String,
    },
    /// What is to be run cannot be.
    #[error("{reason}")]
    Entry {
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody runs executions by this name.
    #[error("there is no executor `{name}`; there are {known}")]
    Executor {
        /// The name as given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Input files that do not fit into the workdir.
    #[error("the input files have {bytes} bytes, but the workdir holds {limit}")]
    FilesTooLarge {
        /// Their sum.
        bytes: u64,
        /// `workdir_bytes`.
        limit: u64,
    },
    /// The environment asked for cannot serve.
    #[error("{reason}")]
    Environment {
        /// Which, and why.
        reason: String,
        /// Whose fault it is.
        fault: Fault,
    },
    /// No sandbox became free in time.
    #[error("no sandbox became free within {waited:?}; try again later")]
    Saturated {
        /// How long the request waited.
        waited: Duration,
    },
    /// The policy could not look at the source in time.
    #[error("the source could not be checked against the policy in time; try again later")]
    Unchecked,
    /// One isolation step failed, so nothing was started.
    #[error("the sandbox could not be set up: {step}: {reason}")]
    Confine {
        /// The step's name.
        step: String,
        /// What the kernel said.
        reason: String,
    },
    /// A process of ours died under the execution.
    #[error("{what} died while the execution was running; run it again")]
    Lost {
        /// `the zygote`, `the spawner` …
        what: &'static str,
    },
    /// All guests together ran out of memory, and the kernel chose this one although it was within
    /// its own limit.
    #[error("the host ran out of memory for its guests; run it again later")]
    HostMemory,
    /// Its end could not be written down, so it is not told either. Or so many wait to be written
    /// down that it was not begun.
    #[error("the execution could not be recorded; run it again later: {reason}")]
    Unrecorded {
        /// What the database said.
        reason: String,
    },
    /// The engine is shutting down.
    #[error("the engine is shutting down; run it again elsewhere")]
    ShuttingDown,
    /// A host operation failed.
    #[error("cannot {operation}: {reason}")]
    Host {
        /// What we were doing.
        operation: String,
        /// What the kernel said.
        reason: String,
    },
    /// A server on this host that runs executions for us answered with an error.
    #[error("{message}")]
    Remote {
        /// Its stable code.
        code: &'static str,
        /// Its sentence.
        message: String,
        /// Whose fault it said it was.
        fault: Fault,
    },
}

impl ExecutionError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Limit(_)
            | Self::SourceTooLong { .. }
            | Self::FileName { .. }
            | Self::FileClash { .. }
            | Self::Entry { .. }
            | Self::Executor { .. }
            | Self::FilesTooLarge { .. } => Fault::Caller,
            Self::Saturated { .. } | Self::Unchecked | Self::HostMemory | Self::ShuttingDown => {
                Fault::Capacity
            }
            Self::Confine { .. }
            | Self::Lost { .. }
            | Self::Unrecorded { .. }
            | Self::Host { .. } => Fault::Host,
            Self::Environment { fault, .. } | Self::Remote { fault, .. } => *fault,
        }
    }

    /// Whether the same request may succeed when sent again.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.fault() != Fault::Caller
    }

    /// The stable code callers see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Limit(_) => "bad_limit",
            Self::SourceTooLong { .. } => "source_too_long",
            Self::FileName { .. } | Self::FileClash { .. } => "bad_file_name",
            Self::Entry { .. } => "bad_entry",
            Self::Executor { .. } => "no_such_executor",
            Self::FilesTooLarge { .. } => "files_too_large",
            Self::Environment { .. } => "bad_environment",
            Self::Saturated { .. } => "saturated",
            Self::Unchecked => "unchecked",
            Self::Confine { .. } => "confine_failed",
            Self::Lost { .. } => "execution_lost",
            Self::HostMemory => "host_memory",
            Self::Unrecorded { .. } => "unrecorded",
            Self::ShuttingDown => "shutting_down",
            Self::Host { .. } => "host_error",
            Self::Remote { code, .. } => code,
        }
    }
}
