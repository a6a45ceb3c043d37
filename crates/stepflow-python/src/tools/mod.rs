//! Python modules as tools: registered once, shown with JSON Schemas, called by name with JSON.
//!
//! A tool is text until it is called. Registering parses and judges it and runs nothing of it; a
//! call is an execution like any other, confined in the same way, with the environment, packages,
//! policy and limits that were registered. A schema never refuses what the function would take.

mod annotation;
mod call;
mod docstring;
mod error;
mod function;
mod name;
mod service;
mod shape;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use engine::{ExecutionRequest, LimitOverrides, SecurityLevel};

use crate::parser::{PythonVersionNumber, Unread, examine, newest};

pub use self::call::Arguments;
pub use self::error::ToolError;
pub use self::function::{ToolFunction, ToolParameter};
pub use self::name::{ToolName, ToolVersion};
pub use self::service::Tools;
pub use self::shape::{Mismatch, Shape};

/// Most public functions of a tool.
pub const MOST_FUNCTIONS: usize = 1000;
/// Most parameters of all of them together.
pub const MOST_PARAMETERS: usize = 10_000;

/// How the calls of a tool are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolSettings {
    /// What the source is judged at, when it is registered and at every call.
    pub policy: SecurityLevel,
    /// The id of an environment, or the beginning of its digest.
    pub environment: Option<String>,
    /// Requirements that have to be there, too. Source: PEP 508.
    pub packages: Vec<String>,
    /// Limits that are tightened.
    pub limits: LimitOverrides,
}

/// A tool that is registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its identity, which a newer version keeps: the `tool_id` in the records of its calls.
    pub id: String,
    /// Its name.
    pub name: ToolName,
    /// Its version.
    pub version: ToolVersion,
    /// What it is for; the module's docstring where nobody said.
    pub description: String,
    /// The module's text.
    pub source: String,
    /// How its calls are run.
    pub settings: ToolSettings,
    /// What can be called.
    pub functions: Vec<ToolFunction>,
}

/// A tool in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSummary {
    /// Its name.
    pub name: ToolName,
    /// Its version.
    pub version: ToolVersion,
    /// What it is for.
    pub description: String,
    /// The names of what can be called.
    pub functions: Vec<String>,
}

/// A tool that is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOrder {
    /// Its name.
    pub name: ToolName,
    /// Its version; `None` is 1.0.0 for a new name, and the version that there is for another.
    pub version: Option<ToolVersion>,
    /// What it is for; `None` is the module's docstring.
    pub description: Option<String>,
    /// The module's text.
    pub source: String,
    /// How its calls are run.
    pub settings: ToolSettings,
    /// Whether it takes the place of one that is not older.
    pub replace: bool,
}

impl Tool {
    /// The execution that calls one of its functions.
    ///
    /// Errors: no such function; arguments that its schema does not allow, in one sentence.
    pub fn call(
        &self,
        function: &str,
        arguments: Arguments,
    ) -> Result<ExecutionRequest, ToolError> {
        service::request(self, function, arguments)
    }
}

/// Registers, lists, shows, removes and calls tools.
#[async_trait]
pub trait ToolService: Send + Sync {
    /// Registers one. A name that is there is replaced by a newer version, or where the order says
    /// so; the same tool again changes nothing.
    async fn add(&self, order: ToolOrder) -> Result<Tool, ToolError>;

    /// All, by name.
    async fn list(&self) -> Result<Vec<ToolSummary>, ToolError>;

    /// The one of a name.
    async fn find(&self, name: &str) -> Result<Tool, ToolError>;

    /// Removes the one of a name.
    async fn remove(&self, name: &str) -> Result<(), ToolError>;
}

/// The public functions of a source: those that its top level defines, outside of any block, whose
/// names do not begin with `_`; of several of one name the last.
///
/// Errors: a source that is too long or too deep; too many functions; the parser is busy.
pub async fn functions_of(
    source: &str,
    version: Option<PythonVersionNumber>,
) -> Result<Vec<ToolFunction>, ToolError> {
    let version = version.map_or_else(newest, Into::into);
    let found = examine(source.to_owned(), version, function::functions).await;
    let functions = found.map_err(|why| match why {
        Unread::Refused(finding) => ToolError::Rejected(vec![finding]),
        Unread::Busy => ToolError::Busy,
    })?;
    functions.map_err(ToolError::Refused)
}
