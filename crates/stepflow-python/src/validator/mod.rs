//! What a policy has against a source: findings by name resolution, never by searching text.
//!
//! This is lint and compatibility. Whoever wants around it gets around it; the kernel is the
//! boundary (docs/policy.md).

pub(crate) mod check;
pub(crate) mod modules;
pub(crate) mod policy;
mod resolve;
pub(crate) mod scopes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::{Finding, SecurityLevel};

use self::policy::Policy;
use crate::parser::{PythonVersionNumber, Unread, examine, newest, syntax};

/// No parser thread was free in time: a failure of ours, and worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parser is busy; try again later")]
pub struct Busy;

/// What a level has against a source: its syntax errors, else what the policy refuses.
///
/// Shape: at most 100 findings in the order of the source. A source that is too long or too deep
/// to be checked has one finding that says so: what was not looked at is not allowed.
///
/// Errors: the parser's threads are busy.
pub async fn check(
    source: &str,
    level: SecurityLevel,
    version: Option<PythonVersionNumber>,
) -> Result<Vec<Finding>, Busy> {
    check_with(source, Policy::of_level(level), version).await
}

/// The same under any policy.
pub(crate) async fn check_with(
    source: &str,
    policy: Arc<Policy>,
    version: Option<PythonVersionNumber>,
) -> Result<Vec<Finding>, Busy> {
    let version = version.map_or_else(newest, Into::into);
    let checked = examine(source.to_owned(), version, move |parse| {
        let errors = parse.syntax();
        if errors.is_empty() {
            check::findings(parse, &policy)
        } else {
            errors
        }
    });
    match checked.await {
        Ok(findings) => Ok(findings),
        Err(Unread::Refused(finding)) => Ok(vec![finding]),
        Err(Unread::Busy) => Err(Busy),
    }
}

/// Whether something is valid, and what was noticed.
///
/// Source: contracts/stepflow.md; `findings` is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidationResult {
    /// Whether there is no error.
    pub is_valid: bool,
    /// One sentence each, with its place.
    pub errors: Vec<String>,
    /// What is no error and may matter.
    pub warnings: Vec<String>,
    /// What to do instead.
    pub suggestions: Vec<String>,
    /// The same errors as data.
    pub findings: Vec<Finding>,
}

impl ValidationResult {
    /// Every finding is an error.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Self {
        let mut suggestions: Vec<String> = findings
            .iter()
            .filter_map(|one| one.suggestion.clone())
            .collect();
        suggestions.dedup();
        Self {
            is_valid: findings.is_empty(),
            errors: findings.iter().map(syntax::sentence).collect(),
            warnings: Vec::new(),
            suggestions,
            findings,
        }
    }
}
