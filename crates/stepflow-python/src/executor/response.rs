//! How a guest ended, in the seed's words.

use engine::{Exception, ExecutionReport, Finding, Limit, Outcome};
use serde_json::Value;

use super::{PythonException, PythonResponse};
use crate::errors::PythonError;

impl From<ExecutionReport> for PythonResponse {
    /// `result` is the value as JSON, or its `repr` where it has no JSON.
    fn from(report: ExecutionReport) -> Self {
        let result = match &report.outcome {
            Outcome::Completed(value) => value
                .json
                .clone()
                .or_else(|| value.repr.clone().map(Value::String)),
            _ => None,
        };
        let exceptions = exceptions_of(&report.outcome).collect();
        Self {
            result,
            stdout: report.stdout.text().0,
            stderr: report.stderr.text().0,
            execution_time: report.usage.wall,
            memory_usage: usize::try_from(report.usage.memory_peak_bytes).unwrap_or(usize::MAX),
            return_code: report.outcome.return_code(),
            exceptions,
            outcome: report.outcome,
        }
    }
}

impl PythonResponse {
    /// Itself if the program ran to its end.
    ///
    /// Errors: the seed's error for every other end; a cancelled one is an `ExecutionError`.
    pub fn into_result(self) -> Result<Self, PythonError> {
        let error = match &self.outcome {
            Outcome::Completed(_) => return Ok(self),
            Outcome::Raised(raised) => raised_error(raised),
            Outcome::Rejected(findings) => rejected_error(findings),
            Outcome::LimitExceeded(Limit::Wall | Limit::Cpu) => PythonError::TimeoutExceeded,
            Outcome::LimitExceeded(Limit::Memory) => PythonError::MemoryLimitExceeded,
            Outcome::LimitExceeded(limit) => {
                PythonError::ExecutionError(format!("the {} limit ended the program", limit.name()))
            }
            Outcome::Crashed(_) => PythonError::ExecutionError(format!(
                "the program's process ended without a report, with return code {}",
                self.return_code
            )),
            Outcome::Cancelled => PythonError::ExecutionError("the execution was cancelled".into()),
        };
        Err(error)
    }
}

/// The exception that ended a program and its causes.
pub(crate) fn exceptions_of(outcome: &Outcome) -> impl Iterator<Item = PythonException> {
    let raised = match outcome {
        Outcome::Raised(raised) => Some(raised),
        _ => None,
    };
    let causes = raised.into_iter().flat_map(|raised| &raised.causes);
    raised.into_iter().chain(causes).map(exception)
}

fn exception(raised: &Exception) -> PythonException {
    PythonException {
        exception_type: raised.kind.clone(),
        message: raised.message.clone(),
        traceback: raised.traceback.clone(),
    }
}

fn raised_error(raised: &Exception) -> PythonError {
    let told = || match raised.message.as_str() {
        "" => raised.kind.clone(),
        message => format!("{}: {message}", raised.kind),
    };
    match (raised.kind.as_str(), raised.exit_status) {
        (_, Some(status)) => {
            PythonError::ExecutionError(format!("the program exited with status {status}"))
        }
        ("SyntaxError" | "IndentationError" | "TabError", None) => PythonError::SyntaxError(told()),
        ("ImportError" | "ModuleNotFoundError", None) => PythonError::ImportError(told()),
        // The allocator refused before the kernel had to: the same limit.
        ("MemoryError", None) => PythonError::MemoryLimitExceeded,
        _ => PythonError::ExecutionError(told()),
    }
}

fn rejected_error(findings: &[Finding]) -> PythonError {
    let told = findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    if findings
        .iter()
        .any(|finding| finding.code == "syntax-error")
    {
        PythonError::SyntaxError(told)
    } else {
        PythonError::SecurityViolation(told)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine::{ExitStatus, Span};

    use super::*;

    fn text(outcome: Outcome) -> String {
        let response = PythonResponse {
            result: None,
            stdout: String::new(),
            stderr: String::new(),
            execution_time: Duration::ZERO,
            memory_usage: 0,
            return_code: outcome.return_code(),
            exceptions: Vec::new(),
            outcome,
        };
        response
            .into_result()
            .map_or_else(|error| error.to_string(), |_| "ok".into())
    }

    fn raised(kind: &str, message: &str, exit_status: Option<i32>) -> Outcome {
        let (kind, message) = (kind.into(), message.into());
        Outcome::Raised(Exception {
            kind,
            message,
            exit_status,
            ..Default::default()
        })
    }

    #[test]
    fn every_end_has_the_seeds_error() {
        let finding = |code: &str| Finding {
            code: code.into(),
            message: "no".into(),
            span: Span::default(),
            excerpt: String::new(),
            suggestion: None,
        };
        for (outcome, expected) in [
            (Outcome::Completed(engine::Value::default()), "ok"),
            (
                raised("ValueError", "bad", None),
                "Execution error: ValueError: bad",
            ),
            (
                raised("KeyboardInterrupt", "", None),
                "Execution error: KeyboardInterrupt",
            ),
            (
                raised("SyntaxError", "invalid", None),
                "Syntax error: SyntaxError: invalid",
            ),
            (
                raised("ModuleNotFoundError", "x", None),
                "Import error: ModuleNotFoundError: x",
            ),
            (raised("MemoryError", "", None), "Memory limit exceeded"),
            (
                raised("SystemExit", "3", Some(3)),
                "Execution error: the program exited with status 3",
            ),
            (
                Outcome::Rejected(vec![finding("blocked-import")]),
                "Security violation: no",
            ),
            (
                Outcome::Rejected(vec![finding("syntax-error")]),
                "Syntax error: no",
            ),
            (Outcome::LimitExceeded(Limit::Cpu), "Timeout exceeded"),
            (
                Outcome::LimitExceeded(Limit::Memory),
                "Memory limit exceeded",
            ),
            (
                Outcome::LimitExceeded(Limit::Disk),
                "Execution error: the disk limit ended the program",
            ),
            (
                Outcome::Crashed(ExitStatus::Signaled(11)),
                "Execution error: the program's process ended without a report, with return code -11",
            ),
            (
                Outcome::Cancelled,
                "Execution error: the execution was cancelled",
            ),
        ] {
            assert_eq!(text(outcome.clone()), expected, "{outcome:?}");
        }
    }
}
