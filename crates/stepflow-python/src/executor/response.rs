//! How a guest ended, in the seed's words.

use std::time::Duration;

use engine::{Exception, ExecutionReport, ExitStatus, Finding, Limit, Outcome, Value as LastValue};
use serde_json::Value;

use crate::errors::PythonError;

/// How a guest ended. Source: seed 003, "PythonResponse"; the last two fields are ours.
#[derive(Debug, Clone)]
pub struct PythonResponse {
    /// What the function returned, or the last expression was, as JSON. `None` when it was `None`, when
    /// there was none, and when it is no JSON: then `not_serialisable` has it.
    pub result: Option<Value>,
    /// Standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Wall-clock time of the program.
    pub execution_time: Duration,
    /// The most memory that it had. Units: bytes.
    pub memory_usage: usize,
    /// See [`Outcome::return_code`].
    pub return_code: i32,
    /// The exception that ended it, then its causes.
    pub exceptions: Vec<PythonException>,
    /// A result that is no JSON.
    pub not_serialisable: Option<NotSerialisable>,
    /// How it ended, decided by the host.
    pub outcome: Outcome,
}

/// A result that is no JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotSerialisable {
    /// `repr()` of it, cut to 64 KiB; `None` when that failed, too.
    pub repr: Option<String>,
    /// Why it is none, such as ``it has a value of the type `set` ``.
    pub reason: String,
}

/// One exception of a guest. Defined nowhere in the seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonException {
    /// `ValueError`, or `json.decoder.JSONDecodeError`.
    pub exception_type: String,
    /// `str()` of it.
    pub message: String,
    /// As CPython prints it; empty for a cause.
    pub traceback: String,
}

impl Default for PythonResponse {
    /// A program that ran to its end and had nothing to tell.
    fn default() -> Self {
        Self {
            result: None,
            stdout: String::new(),
            stderr: String::new(),
            execution_time: Duration::ZERO,
            memory_usage: 0,
            return_code: 0,
            exceptions: Vec::new(),
            not_serialisable: None,
            outcome: Outcome::Completed(LastValue::default()),
        }
    }
}

impl From<ExecutionReport> for PythonResponse {
    fn from(report: ExecutionReport) -> Self {
        let value = match &report.outcome {
            Outcome::Completed(value) => Some(value),
            _ => None,
        };
        let exceptions = exceptions_of(&report.outcome).collect();
        Self {
            result: value.and_then(|value| value.json.clone()),
            not_serialisable: value.and_then(not_serialisable),
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

/// The value if it is there and no JSON, whatever the guest said of it.
fn not_serialisable(value: &LastValue) -> Option<NotSerialisable> {
    let is_there = value.repr.is_some() || value.error.is_some();
    let why = value.error.as_ref().or(value.not_json.as_ref());
    (is_there && value.json.is_none()).then(|| NotSerialisable {
        repr: value.repr.clone(),
        reason: why.cloned().unwrap_or_else(|| "it is no JSON".to_owned()),
    })
}

impl PythonResponse {
    /// The outcome, read from the seed's fields where an executor has filled only those.
    #[must_use]
    pub fn told_outcome(&self) -> Outcome {
        if self.outcome != Outcome::Completed(LastValue::default()) {
            return self.outcome.clone();
        }
        if let Some((first, causes)) = self.exceptions.split_first() {
            return Outcome::Raised(Exception {
                causes: causes.iter().map(told_exception).collect(),
                exit_status: (self.return_code > 1).then_some(self.return_code),
                ..told_exception(first)
            });
        }
        match self.return_code {
            0 => Outcome::Completed(self.told_value()),
            124 => Outcome::LimitExceeded(Limit::Wall),
            137 => Outcome::LimitExceeded(Limit::Memory),
            signal @ ..0 => Outcome::Crashed(ExitStatus::Signaled(signal.saturating_neg())),
            status => Outcome::Crashed(ExitStatus::Exited(status)),
        }
    }

    fn told_value(&self) -> LastValue {
        let told = self.not_serialisable.as_ref();
        let shown = self.result.as_ref().map(Value::to_string);
        LastValue {
            repr: told.and_then(|told| told.repr.clone()).or(shown),
            json: self.result.clone(),
            not_json: told.map(|told| told.reason.clone()),
            error: None,
        }
    }

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

fn told_exception(told: &PythonException) -> Exception {
    Exception {
        kind: told.exception_type.clone(),
        message: told.message.clone(),
        traceback: told.traceback.clone(),
        ..Default::default()
    }
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
    use engine::{ExitStatus, Span};

    use super::*;

    fn text(outcome: Outcome) -> String {
        let response = PythonResponse {
            return_code: outcome.return_code(),
            outcome,
            ..Default::default()
        };
        response
            .into_result()
            .map_or_else(|error| error.to_string(), |_| "ok".into())
    }

    #[test]
    fn the_seeds_fields_alone_tell_an_outcome() {
        let exception = |kind: &str| PythonException {
            exception_type: kind.into(),
            ..Default::default()
        };
        let of_code = |return_code| PythonResponse {
            return_code,
            ..Default::default()
        };
        for code in [124, 137, -9, 3, 123] {
            assert_eq!(of_code(code).told_outcome().return_code(), code);
        }
        let completed = PythonResponse {
            result: Some(Value::from(7)),
            ..Default::default()
        };
        let expected = LastValue {
            repr: Some("7".into()),
            json: Some(Value::from(7)),
            ..Default::default()
        };
        assert_eq!(completed.told_outcome(), Outcome::Completed(expected));
        for code in [0, 1, 5] {
            let raised = PythonResponse {
                exceptions: vec![exception("A"), exception("B")],
                ..of_code(code)
            };
            let Outcome::Raised(told) = raised.told_outcome() else {
                panic!("it raised")
            };
            assert_eq!((told.kind.as_str(), told.causes.len()), ("A", 1));
            assert_eq!(told.exit_status, (code > 1).then_some(code));
        }
        let own = PythonResponse {
            outcome: Outcome::Cancelled,
            ..of_code(1)
        };
        assert_eq!(own.told_outcome(), Outcome::Cancelled);
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
