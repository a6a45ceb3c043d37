//! Why a tool is not registered, found or called.

use engine::{Fault, Finding};

use crate::records::DatabaseError;

/// Why a tool is not registered, found or called. A call that fails is an outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ToolError {
    /// No tool has this name.
    #[error("there is no tool `{name}`")]
    Unknown {
        /// As it was asked for, cut to 80 characters.
        name: String,
    },
    /// The tool has no public function of this name.
    #[error("the tool `{tool}` has no public function `{function}`; it has {has}")]
    NoFunction {
        /// The tool.
        tool: String,
        /// As it was asked for, cut to 80 characters.
        function: String,
        /// What there is.
        has: String,
    },
    /// The name is taken by one that is not older and not the same.
    #[error(
        "the tool `{name}` is there in version {version}: give a newer version, or ask to replace it"
    )]
    Exists {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// What the parser or the policy has against the source.
    #[error("the source is refused: {}", sentence(.0))]
    Rejected(Vec<Finding>),
    /// Anything else that is wrong with what was asked for, in one sentence.
    #[error("{0}")]
    Refused(String),
    /// Arguments that the schema does not allow, in one sentence.
    #[error("{0}")]
    Arguments(String),
    /// The parser's threads are busy.
    #[error("the parser is busy; try again later")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] DatabaseError),
    /// The server that was asked did not answer as it should.
    #[error("the server of this host could not be asked: {0}")]
    Remote(String),
}

impl ToolError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unknown { .. }
            | Self::NoFunction { .. }
            | Self::Exists { .. }
            | Self::Rejected(_)
            | Self::Refused(_)
            | Self::Arguments(_) => Fault::Caller,
            Self::Busy => Fault::Capacity,
            Self::Store(_) | Self::Remote(_) => Fault::Host,
        }
    }
}

/// The first of the findings, and how many more there are.
fn sentence(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else {
        return "it is not valid".into();
    };
    let place = match first.span.line {
        0 => String::new(),
        line => format!("line {line}: "),
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        1 => " (and 1 finding more)".to_owned(),
        many => format!(" (and {many} findings more)"),
    };
    format!("{place}{}{more}", first.message)
}
