//! How an execution ended, decided from host-side facts.
//!
//! Nothing a guest says turns a kill into a success: its report counts only when neither the
//! supervisor nor the kernel has anything against it, and only when it agrees with `waitid`.

use wire::report::{ExceptionFrame, ReportFrame, StackFrame, ValueFrame};

use crate::outcome::{Exception, ExitStatus, Frame, Limit, Outcome, Value};

/// What the host knows once the tree is dead.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    /// The caller asked for the end, or went away, before it came by itself.
    pub(crate) cancelled: bool,
    /// The limit for which the supervisor killed the tree, if it did.
    pub(crate) killed_for: Option<Limit>,
    /// Rise of `oom_kill` during this execution. Source: cgroup-v1/memory.rst, cgroup-v2.rst.
    pub(crate) oom_kills: u64,
    /// Rise of the pids controller's `max` event.
    pub(crate) refused_forks: u64,
    /// The tree has used all the CPU time it may.
    pub(crate) cpu_used_up: bool,
    /// The workdir has no free block or no free inode left.
    pub(crate) workdir_full: bool,
    /// How the first process left.
    pub(crate) exit: ExitStatus,
    /// Its report, if it was one with the right nonce.
    pub(crate) report: Option<ReportFrame>,
}

/// Decides the outcome: the caller's wish, our own kill, the kernel's, then what the guest did.
pub(crate) fn classify(evidence: Evidence) -> Outcome {
    let Evidence {
        cancelled,
        killed_for,
        oom_kills,
        refused_forks,
        cpu_used_up,
        workdir_full,
        exit,
        report,
    } = evidence;
    if cancelled {
        return Outcome::Cancelled;
    }
    if let Some(limit) = killed_for {
        return Outcome::LimitExceeded(limit);
    }
    if oom_kills > 0 {
        return Outcome::LimitExceeded(Limit::Memory);
    }
    let said = believed(exit, report);
    if let Some(Outcome::Completed(value)) = said {
        return Outcome::Completed(value);
    }
    // From here on the guest did not complete, and a limit it ran into explains why.
    match exit {
        ExitStatus::Signaled(libc_signal::SIGXCPU) if cpu_used_up => {
            return Outcome::LimitExceeded(Limit::Cpu);
        }
        ExitStatus::Signaled(libc_signal::SIGXFSZ) => return Outcome::LimitExceeded(Limit::Disk),
        ExitStatus::Exited(_) | ExitStatus::Signaled(_) => {}
    }
    if refused_forks > 0 {
        return Outcome::LimitExceeded(Limit::Processes);
    }
    if workdir_full {
        return Outcome::LimitExceeded(Limit::Disk);
    }
    said.unwrap_or(Outcome::Crashed(exit))
}

/// Signal numbers that are the same on every Linux architecture we build for. Source: signal(7).
mod libc_signal {
    pub(super) const SIGXCPU: i32 = 24;
    pub(super) const SIGXFSZ: i32 = 25;
}

/// The report as an outcome, if the kernel tells the same story.
fn believed(exit: ExitStatus, report: Option<ReportFrame>) -> Option<Outcome> {
    match (exit, report?) {
        (ExitStatus::Exited(0), ReportFrame::Completed(value)) => {
            Some(Outcome::Completed(value_of(value)))
        }
        (ExitStatus::Exited(status), ReportFrame::Raised(exception))
            if status != 0 && status == exception.exit_status.unwrap_or(1) =>
        {
            Some(Outcome::Raised(exception_of(exception)))
        }
        (
            ExitStatus::Exited(_) | ExitStatus::Signaled(_),
            ReportFrame::Completed(_) | ReportFrame::Raised(_),
        ) => None,
    }
}

fn value_of(frame: ValueFrame) -> Value {
    Value {
        repr: frame.repr,
        // One of the two is told, whatever a guest claims.
        not_json: frame.not_json.filter(|_| frame.json.is_none()),
        json: frame.json,
        error: frame.error,
    }
}

fn exception_of(frame: ExceptionFrame) -> Exception {
    Exception {
        kind: frame.kind,
        message: frame.message,
        frames: frame.frames.into_iter().map(frame_of).collect(),
        causes: frame.causes.into_iter().map(exception_of).collect(),
        traceback: frame.traceback,
        exit_status: frame.exit_status,
    }
}

fn frame_of(frame: StackFrame) -> Frame {
    Frame {
        file: frame.file,
        line: frame.line,
        function: frame.function,
        source: frame.source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: &str = r#"{"end":"completed","value":{"repr":"2","json":2,"error":null}}"#;
    const RAISED: &str = r#"{"end":"raised","exception":{"type":"ValueError","message":"m","frames":[],"causes":[],"traceback":"","exit_status":null}}"#;

    fn report(json: &str) -> Option<ReportFrame> {
        let mut decoder = wire::report::ReportDecoder::new();
        let length = u32::try_from(json.len()).unwrap();
        decoder.push(&[[7; 32].as_slice(), &length.to_le_bytes(), json.as_bytes()].concat());
        Some(decoder.finish(&[7; 32]).unwrap())
    }

    fn quiet(exit: ExitStatus, report: Option<ReportFrame>) -> Evidence {
        Evidence {
            cancelled: false,
            killed_for: None,
            oom_kills: 0,
            refused_forks: 0,
            cpu_used_up: false,
            workdir_full: false,
            exit,
            report,
        }
    }

    fn check(evidence: Evidence, expected: &str) {
        let outcome = classify(evidence.clone());
        let shown = match &outcome {
            Outcome::LimitExceeded(limit) => limit.name().to_owned(),
            Outcome::Crashed(status) => format!("{status:?}"),
            Outcome::Completed(_)
            | Outcome::Raised(_)
            | Outcome::Rejected(_)
            | Outcome::Cancelled => outcome.kind().to_owned(),
        };
        assert_eq!(shown, expected, "{evidence:?}");
    }

    #[test]
    fn a_report_counts_only_when_waitid_agrees() {
        check(quiet(ExitStatus::Exited(0), report(DONE)), "completed");
        check(quiet(ExitStatus::Exited(1), report(RAISED)), "raised");
        check(quiet(ExitStatus::Exited(7), report(DONE)), "Exited(7)");
        check(quiet(ExitStatus::Exited(0), report(RAISED)), "Exited(0)");
        check(quiet(ExitStatus::Signaled(9), report(DONE)), "Signaled(9)");
        check(quiet(ExitStatus::Exited(0), None), "Exited(0)");
    }

    #[test]
    fn a_kill_outranks_a_report() {
        let done = quiet(ExitStatus::Exited(0), report(DONE));
        check(
            Evidence {
                killed_for: Some(Limit::Wall),
                ..done.clone()
            },
            "wall",
        );
        check(
            Evidence {
                oom_kills: 1,
                ..done.clone()
            },
            "memory",
        );
        check(
            Evidence {
                oom_kills: 1,
                killed_for: Some(Limit::Output),
                ..done.clone()
            },
            "output",
        );
        check(
            Evidence {
                cancelled: true,
                oom_kills: 1,
                killed_for: Some(Limit::Wall),
                ..done
            },
            "cancelled",
        );
    }

    #[test]
    fn a_limit_explains_a_failure_but_never_undoes_a_completion() {
        let done = quiet(ExitStatus::Exited(0), report(DONE));
        check(
            Evidence {
                refused_forks: 3,
                workdir_full: true,
                ..done
            },
            "completed",
        );
        let raised = quiet(ExitStatus::Exited(1), report(RAISED));
        check(
            Evidence {
                refused_forks: 3,
                workdir_full: true,
                ..raised.clone()
            },
            "processes",
        );
        check(
            Evidence {
                workdir_full: true,
                ..raised
            },
            "disk",
        );
        let signaled = quiet(ExitStatus::Signaled(24), None);
        check(
            Evidence {
                cpu_used_up: true,
                ..signaled.clone()
            },
            "cpu",
        );
        check(signaled, "Signaled(24)");
        check(quiet(ExitStatus::Signaled(25), None), "disk");
    }
}
