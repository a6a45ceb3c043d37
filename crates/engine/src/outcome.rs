//! How an execution ended: data, decided from host-side facts.

use std::time::SystemTime;

use bytes::Bytes;

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The program ran to its end (or called `sys.exit(0)`).
    Completed(Value),
    /// An exception (or `sys.exit` with a status) ended the program.
    Raised(Exception),
    /// The policy refused the source; it never started. The engine never emits this.
    Rejected(Vec<Finding>),
    /// A limit ended the program.
    LimitExceeded(Limit),
    /// The process went without its end report: a signal, or an exit behind Python's back.
    Crashed(ExitStatus),
    /// The caller went away or asked for the end.
    Cancelled,
}

impl Outcome {
    /// Every word of [`kind`](Self::kind).
    pub const KINDS: [&'static str; 6] = [
        "completed",
        "raised",
        "rejected",
        "limit_exceeded",
        "crashed",
        "cancelled",
    ];

    /// The stable word for this outcome at every door.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Self::Completed(_) => 0,
            Self::Raised(_) => 1,
            Self::Rejected(_) => 2,
            Self::LimitExceeded(_) => 3,
            Self::Crashed(_) => 4,
            Self::Cancelled => 5,
        }]
    }

    /// The return code of this outcome.
    ///
    /// Shape: the exit status; `-n` for signal n; 124 wall or CPU; 137 memory; 1 raised; 126
    /// rejected; 130 cancelled; 123 other limits. Source: contracts/rulings.md, "Everywhere".
    #[must_use]
    pub fn return_code(&self) -> i32 {
        match self {
            Self::Completed(_) => 0,
            Self::Raised(exception) => exception.exit_status.unwrap_or(1),
            Self::Rejected(_) => 126,
            Self::LimitExceeded(Limit::Wall | Limit::Cpu) => 124,
            Self::LimitExceeded(Limit::Memory) => 137,
            Self::LimitExceeded(Limit::Processes | Limit::Disk | Limit::Output) => 123,
            Self::Crashed(ExitStatus::Exited(status)) => *status,
            Self::Crashed(ExitStatus::Signaled(signal)) => -*signal,
            Self::Cancelled => 130,
        }
    }
}

/// A limit that can end an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Wall-clock time.
    Wall,
    /// CPU time of the tree.
    Cpu,
    /// Memory of the tree.
    Memory,
    /// Processes and threads.
    Processes,
    /// Bytes or inodes of the workdir, or one file too large.
    Disk,
    /// The hard cap on output.
    Output,
}

impl Limit {
    /// The stable word for this limit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Disk => "disk",
            Self::Output => "output",
        }
    }
}

/// How the guest's first process left. Source: `waitid(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// `_exit` with this status.
    Exited(i32),
    /// Killed by this signal.
    Signaled(i32),
}

/// What the last expression was, or what a function returned. A guest's claim: data without authority.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Value {
    /// `repr()` of the last expression, cut to 64 KiB; `None` when there is none or it is `None`.
    pub repr: Option<String>,
    /// The same as JSON when it is JSON.
    pub json: Option<serde_json::Value>,
    /// Why there is no value although the program had one.
    pub error: Option<String>,
    /// Why it is not JSON, such as `it has a value of the type `set``.
    pub not_json: Option<String>,
}

/// An exception that ended a program. A guest's claim: data without authority.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exception {
    /// Qualified name, `ValueError` or `json.decoder.JSONDecodeError`.
    pub kind: String,
    /// `str()` of the exception, cut to 64 KiB.
    pub message: String,
    /// The user's own frames, outermost first.
    pub frames: Vec<Frame>,
    /// `__cause__` or `__context__`, oldest last, at most 16.
    pub causes: Vec<Exception>,
    /// The traceback as CPython prints it, without our own frames.
    pub traceback: String,
    /// The status of `sys.exit(status)`, when that was the end.
    pub exit_status: Option<i32>,
}

/// One frame of a traceback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// `/code/main.py` for the user's own source, else a path inside the sandbox.
    pub file: String,
    /// 1-based, in the user's own numbering.
    pub line: u32,
    /// Name of the function, or `<module>`.
    pub function: String,
    /// Text of that line, when it is the user's source.
    pub source: Option<String>,
}

/// One remark by the validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable code, such as `syntax-error` or `blocked-import`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The text in question: the first line of it, cut to 80 characters; empty when there is none.
    pub excerpt: String,
    /// What to do instead, when we know.
    pub suggestion: Option<String>,
}

/// A place in the source. All zero when it is about the source as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// The line of the first character behind it.
    pub end_line: u32,
    /// The column of the first character behind it.
    pub end_column: u32,
}

/// Bytes of one output stream: all of it, or its head and tail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturedOutput {
    /// The first bytes; everything when nothing was dropped.
    pub head: Bytes,
    /// The last bytes; empty when nothing was dropped.
    pub tail: Bytes,
    /// Bytes between head and tail that were counted and not kept.
    pub dropped_bytes: u64,
}

impl CapturedOutput {
    /// The output as text, and whether bytes that are not UTF-8 were replaced.
    ///
    /// Shape: head, then, if bytes were dropped, one line saying how many, then the tail.
    #[must_use]
    pub fn text(&self) -> (String, bool) {
        let (head, tail) = (
            String::from_utf8_lossy(&self.head),
            String::from_utf8_lossy(&self.tail),
        );
        let lossy =
            std::str::from_utf8(&self.head).is_err() || std::str::from_utf8(&self.tail).is_err();
        if self.dropped_bytes == 0 {
            return (format!("{head}{tail}"), lossy);
        }
        (
            format!(
                "{head}\n[… {} bytes of output dropped …]\n{tail}",
                self.dropped_bytes
            ),
            lossy,
        )
    }
}

/// A file collected after an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Path below `output/`, with `/` between components; escaped when `escaped`.
    pub name: String,
    /// Guessed from the name; `application/octet-stream` otherwise.
    pub media_type: String,
    /// Exact size of the content.
    pub size_bytes: u64,
    /// Lower-case hexadecimal SHA-256 of the content.
    pub sha256: String,
    /// Whether the name had characters that were percent-escaped.
    pub escaped: bool,
    /// When it was collected.
    pub collected_at: SystemTime,
}

/// A file that stayed behind, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedArtifact {
    /// Name below `output/`, escaped.
    pub name: String,
    /// `symlink`, `not_regular`, `hard_link`, `too_large`, `too_many`, `too_deep`, `bad_name`,
    /// `foreign_owner` or `unreadable`.
    pub reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_bytes_are_named_between_head_and_tail() {
        let output = CapturedOutput {
            head: "ab".into(),
            tail: "yz".into(),
            dropped_bytes: 7,
        };
        assert_eq!(
            output.text(),
            ("ab\n[… 7 bytes of output dropped …]\nyz".to_owned(), false)
        );
        let binary = CapturedOutput {
            head: Bytes::from_static(b"\xff"),
            ..Default::default()
        };
        assert_eq!(binary.text(), ("\u{fffd}".to_owned(), true));
    }

    #[test]
    fn return_codes_are_those_of_the_rulings() {
        let raised = Exception {
            exit_status: Some(3),
            ..Default::default()
        };
        for (outcome, code) in [
            (Outcome::Completed(Value::default()), 0),
            (Outcome::Raised(Exception::default()), 1),
            (Outcome::Raised(raised), 3),
            (Outcome::Rejected(vec![]), 126),
            (Outcome::LimitExceeded(Limit::Cpu), 124),
            (Outcome::LimitExceeded(Limit::Memory), 137),
            (Outcome::LimitExceeded(Limit::Disk), 123),
            (Outcome::Crashed(ExitStatus::Exited(0)), 0),
            (Outcome::Crashed(ExitStatus::Signaled(11)), -11),
            (Outcome::Cancelled, 130),
        ] {
            assert_eq!(outcome.return_code(), code, "{outcome:?}");
        }
    }
}
