//! What is told after the end: the files, the value, what was left out, and one last line.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use stepflow_python::{
    CapturedOutput, ExecutionReport, ExitStatus, Outcome, OutputStream, PythonExecutor, Usage,
};

use crate::output::{self, note, one_line, one_screen, write_to};

/// What was passed on of each stream, and whether it ended within a line.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    stdout_bytes: u64,
    stderr_bytes: u64,
    open_line: bool,
}

/// A collected file and where it was written.
#[derive(Debug)]
pub(crate) struct Written {
    name: String,
    pub(crate) place: anyhow::Result<PathBuf>,
}

impl Streamed {
    /// Passes bytes on as they came.
    pub(crate) fn pass(&mut self, stream: OutputStream, bytes: &[u8]) -> io::Result<()> {
        write_to(stream, bytes)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match stream {
            OutputStream::Stdout => self.stdout_bytes += length,
            OutputStream::Stderr => self.stderr_bytes += length,
        }
        if stream == OutputStream::Stderr || one_screen() {
            self.open_line = bytes.last().is_some_and(|last| *last != b'\n');
        }
        Ok(())
    }

    /// Passes on the kept end of streams that were too long, and closes an open line.
    pub(crate) fn finish(&mut self, report: &ExecutionReport) {
        self.rest(
            OutputStream::Stdout,
            "stdout",
            &report.stdout,
            self.stdout_bytes,
        );
        self.rest(
            OutputStream::Stderr,
            "stderr",
            &report.stderr,
            self.stderr_bytes,
        );
        self.close_line();
    }

    fn rest(&mut self, stream: OutputStream, name: &str, output: &CapturedOutput, passed: u64) {
        let (left_out, tail) = unseen(output, passed);
        if left_out > 0 {
            self.close_line();
            note(&format!(
                "[{left_out} bytes of {name} are left out here: the limit is output_bytes]"
            ));
        }
        if !tail.is_empty() {
            // Nobody reads it if this fails; the outcome is told all the same.
            let _ = self.pass(stream, tail);
        }
    }

    fn close_line(&mut self) {
        if std::mem::take(&mut self.open_line) {
            note("");
        }
    }
}

/// How many bytes after the first `passed` are lost, and the kept ones that come after those.
fn unseen(output: &CapturedOutput, passed: u64) -> (u64, &[u8]) {
    if output.dropped_bytes == 0 {
        return (0, &[]);
    }
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let total = length(&output.head) + output.dropped_bytes + length(&output.tail);
    let unseen = total.saturating_sub(passed);
    let kept = usize::try_from(unseen)
        .unwrap_or(usize::MAX)
        .min(output.tail.len());
    let tail = &output.tail[output.tail.len() - kept..];
    (unseen - length(tail), tail)
}

/// Writes every collected file below `folder`, which is made only for the first one.
pub(crate) async fn write_artifacts(
    executor: &dyn PythonExecutor,
    report: &ExecutionReport,
    folder: &Path,
) -> Vec<Written> {
    let mut written = Vec::new();
    for artifact in &report.artifacts {
        let found = executor.artifact(report.id, &artifact.name).await;
        let place = found
            .with_context(|| {
                format!(
                    "the output file {:?} got lost: run the script again",
                    artifact.name
                )
            })
            .and_then(|found| output::write_below(folder, &artifact.name, &found.content));
        written.push(Written {
            name: artifact.name.clone(),
            place,
        });
    }
    written
}

/// Prints the answer of the HTTP interface; files have the `path` they were written to.
pub(crate) fn print_json(report: ExecutionReport, written: &[Written]) -> anyhow::Result<()> {
    let mut answer = server::execution_json(report).context("cannot put the report into JSON")?;
    let artifacts = answer
        .get_mut("artifacts")
        .and_then(serde_json::Value::as_array_mut);
    for (artifact, written) in artifacts.into_iter().flatten().zip(written) {
        let path = written
            .place
            .as_ref()
            .ok()
            .map(|path| path.display().to_string());
        if let Some(fields) = artifact.as_object_mut() {
            // Nothing answers at that address once we are gone.
            fields.remove("url");
            fields.insert("path".into(), path.into());
        }
    }
    output::line(&answer.to_string()).context("cannot write to standard output")
}

/// Tells everything on standard error. A traceback stands there already: the guest wrote it.
pub(crate) fn tell(report: &ExecutionReport, written: &[Written]) {
    match &report.outcome {
        Outcome::Completed(value) => {
            if let Some(repr) = &value.repr {
                note(&format!("=> {}", one_line(repr)));
            }
            if let Some(error) = &value.error {
                note(&format!(
                    "the last value cannot be handed back: {}",
                    one_line(error)
                ));
            }
        }
        Outcome::Rejected(findings) => {
            for finding in findings {
                let place = format!("{}:{}", finding.span.line, finding.span.column);
                let remedy = finding
                    .suggestion
                    .as_deref()
                    .map(|what| format!("; {what}"))
                    .unwrap_or_default();
                note(&one_line(&format!(
                    "{place}: {}{remedy} [{}]",
                    finding.message, finding.code
                )));
            }
        }
        Outcome::Raised(_)
        | Outcome::LimitExceeded(_)
        | Outcome::Crashed(_)
        | Outcome::Cancelled => {}
    }
    for one in written {
        match &one.place {
            Ok(path) => note(&format!("wrote {}", one_line(&path.display().to_string()))),
            Err(error) => note(&format!("not written: {}: {error:#}", one_line(&one.name))),
        }
    }
    for skipped in &report.skipped {
        note(&format!(
            "left behind: {} ({})",
            one_line(&skipped.name),
            skipped.reason
        ));
    }
    note(&last_line(report));
}

fn last_line(report: &ExecutionReport) -> String {
    let Usage {
        wall,
        cpu,
        memory_peak_bytes,
    } = report.usage;
    let mut line = ending(&report.outcome);
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        " · start {}, run {}, cpu {}, memory {} MiB · tier {}",
        shown(report.start),
        shown(wall),
        shown(cpu),
        memory_peak_bytes.div_ceil(1024 * 1024),
        report.tier
    );
    line
}

fn ending(outcome: &Outcome) -> String {
    let kind = outcome.kind();
    match outcome {
        Outcome::Raised(exception) => match exception.exit_status {
            Some(status) => format!("{kind} (exit status {status})"),
            None => format!("{kind} ({})", one_line(&exception.kind)),
        },
        Outcome::LimitExceeded(limit) => format!("{kind} ({})", limit.name()),
        Outcome::Crashed(ExitStatus::Signaled(signal)) => format!("{kind} (signal {signal})"),
        Outcome::Crashed(ExitStatus::Exited(status)) => format!("{kind} (status {status})"),
        Outcome::Completed(_) | Outcome::Rejected(_) | Outcome::Cancelled => kind.to_owned(),
    }
}

fn shown(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use stepflow_python::{Exception, Limit};

    use super::*;

    #[test]
    fn what_was_streamed_is_not_shown_again() {
        // Cap 6 of 10 bytes "0123456789": "012345" was streamed, "012" and "789" were kept.
        let output = CapturedOutput {
            head: "012".into(),
            tail: "789".into(),
            dropped_bytes: 4,
        };
        assert_eq!(unseen(&output, 6), (1, &b"789"[..]));
        assert_eq!(unseen(&output, 8), (0, &b"89"[..]));
        assert_eq!(unseen(&output, 10), (0, &b""[..]));
        assert_eq!(unseen(&output, 0), (7, &b"789"[..]));
        let whole = CapturedOutput {
            head: "0123".into(),
            ..Default::default()
        };
        assert_eq!(unseen(&whole, 4), (0, &b""[..]));
    }

    #[test]
    fn the_last_line_begins_with_how_it_ended() {
        let raised = |kind: &str, exit_status| {
            Outcome::Raised(Exception {
                kind: kind.into(),
                exit_status,
                ..Default::default()
            })
        };
        for (outcome, expected) in [
            (raised("ValueError", None), "raised (ValueError)"),
            (raised("SystemExit", Some(3)), "raised (exit status 3)"),
            (raised("a\nb\u{1b}", None), "raised (a\\nb\\u{1b})"),
            (Outcome::LimitExceeded(Limit::Wall), "limit_exceeded (wall)"),
            (
                Outcome::Crashed(ExitStatus::Signaled(9)),
                "crashed (signal 9)",
            ),
            (Outcome::Cancelled, "cancelled"),
        ] {
            assert_eq!(ending(&outcome), expected);
        }
        assert_eq!(shown(Duration::from_micros(812)), "0.8 ms");
        assert_eq!(shown(Duration::from_micros(84_400)), "84 ms");
    }
}
