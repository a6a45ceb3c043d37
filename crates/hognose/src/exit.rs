//! Exit codes of this program. Source: DESIGN.md, section 5.

use stepflow_python::{ExitStatus, Outcome};

/// A failure of ours; never a program's end.
pub(crate) const OWN_ERROR: u8 = 125;
/// The policy refused the script, or would.
pub(crate) const REJECTED: u8 = 126;
/// The caller asked for the end.
pub(crate) const CANCELLED: u8 = 130;

/// The exit code for an outcome: its return code, and 128 + n for signal n.
pub(crate) fn code(outcome: &Outcome) -> u8 {
    let status = match outcome {
        Outcome::Crashed(ExitStatus::Signaled(signal)) => 128 + signal,
        Outcome::Completed(_)
        | Outcome::Raised(_)
        | Outcome::Rejected(_)
        | Outcome::LimitExceeded(_)
        | Outcome::Crashed(ExitStatus::Exited(_))
        | Outcome::Cancelled => outcome.return_code(),
    };
    // The kernel keeps the low eight bits of a status. Source: exit(3).
    u8::try_from(status & 0xff).unwrap_or(OWN_ERROR)
}

#[cfg(test)]
mod tests {
    use stepflow_python::{Exception, Limit, Value};

    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_design() {
        let raised = |exit_status| {
            Outcome::Raised(Exception {
                exit_status,
                ..Default::default()
            })
        };
        for (outcome, expected) in [
            (Outcome::Completed(Value::default()), 0),
            (raised(None), 1),
            (raised(Some(3)), 3),
            (Outcome::Rejected(vec![]), 126),
            (Outcome::LimitExceeded(Limit::Wall), 124),
            (Outcome::LimitExceeded(Limit::Cpu), 124),
            (Outcome::LimitExceeded(Limit::Memory), 137),
            (Outcome::LimitExceeded(Limit::Processes), 123),
            (Outcome::LimitExceeded(Limit::Disk), 123),
            (Outcome::LimitExceeded(Limit::Output), 123),
            (Outcome::Crashed(ExitStatus::Exited(7)), 7),
            (Outcome::Crashed(ExitStatus::Signaled(11)), 139),
            (Outcome::Cancelled, CANCELLED),
        ] {
            assert_eq!(code(&outcome), expected, "{outcome:?}");
        }
    }
}
