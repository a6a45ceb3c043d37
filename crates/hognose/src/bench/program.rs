//! The programs that are measured, and whether an answer is the right one.
//!
//! Every answer is checked after the clock has stopped: a fast wrong answer is no figure.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

/// The standard library only. Source: benches/programs.
pub(crate) const PRINT: &str = include_str!("../../../../benches/programs/print.py");
/// The same after importing the whole stack.
pub(crate) const STACK: &str = include_str!("../../../../benches/programs/stack.py");
/// The same after importing numpy alone.
pub(crate) const NUMPY: &str = include_str!("../../../../benches/programs/numpy.py");
/// What all of them print.
pub(crate) const PRINTED: &str = "1\n";

/// Where a nonce stands in a program that prints one: as many characters, none of them special.
const NONCE: &str = "00000000000000000000000000000000";
/// Units: bytes.
pub(crate) const NONCE_LENGTH: usize = NONCE.len();

/// What an answer must say.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) preload: &'static str,
    pub(crate) tier: &'static str,
}

/// How an answer compares with what was expected.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// With the CPU time that it says the guest took. Units: milliseconds.
    Right { guest_cpu_ms: f64 },
    /// It completed, and with another program's output.
    MixedUp,
    /// In words.
    Wrong(String),
}

#[derive(Deserialize)]
struct AnswerBody {
    outcome: OutcomeBody,
    stdout: String,
    usage: UsageBody,
    isolation: IsolationBody,
}

#[derive(Deserialize)]
struct UsageBody {
    cpu_ms: f64,
}

#[derive(Deserialize)]
struct OutcomeBody {
    kind: String,
}

#[derive(Deserialize)]
struct IsolationBody {
    tier: String,
    preload: String,
}

/// The body of a request that runs `source`.
pub(crate) fn body(source: &str) -> String {
    json!({ "source": source }).to_string()
}

/// `source` printing a nonce instead of 1.
pub(crate) fn with_nonce(source: &str) -> String {
    source.replace("print(1)", &format!("print('{NONCE}')"))
}

/// Where the nonce stands in a request for such a program.
pub(crate) fn nonce_place(request: &[u8]) -> Option<usize> {
    let place = request.windows(NONCE_LENGTH);
    place
        .enumerate()
        .find_map(|(index, window)| (window == NONCE.as_bytes()).then_some(index))
}

impl Expected {
    /// Compares the answer to a request for a whole answer.
    pub(crate) fn judge(&self, status: u16, body: &[u8], stdout: &str) -> Verdict {
        match self.completed(status, body) {
            Err(error) => Verdict::Wrong(format!("{error:#}")),
            Ok(answer) if answer.stdout == stdout => Verdict::Right {
                guest_cpu_ms: answer.usage.cpu_ms,
            },
            Ok(_) => Verdict::MixedUp,
        }
    }

    /// Refuses an answer that is not right.
    pub(crate) fn require(&self, status: u16, body: &[u8]) -> Result<()> {
        match self.judge(status, body, PRINTED) {
            Verdict::Right { .. } => Ok(()),
            Verdict::MixedUp => bail!("an execution printed something else than it was told to"),
            Verdict::Wrong(reason) => bail!(reason),
        }
    }

    fn completed(&self, status: u16, body: &[u8]) -> Result<AnswerBody> {
        let answer: AnswerBody = (status == 200)
            .then(|| serde_json::from_slice(body).ok())
            .flatten()
            .with_context(|| {
                let text = String::from_utf8_lossy(body);
                format!("the server answered {status}: {text}")
            })?;
        self.require_end(
            &answer.outcome.kind,
            &answer.isolation.tier,
            &answer.isolation.preload,
        )?;
        Ok(answer)
    }

    /// Refuses an end of a program that is not the one to measure.
    pub(crate) fn require_end(&self, outcome: &str, tier: &str, preload: &str) -> Result<()> {
        if outcome != "completed" {
            bail!("an execution ended as `{outcome}`");
        }
        // Otherwise a row would be measured under a name that is not its own.
        if (tier, preload) != (self.tier, self.preload) {
            bail!(
                "an execution had tier `{tier}` and preload `{preload}` instead of `{}` and `{}`",
                self.tier,
                self.preload
            );
        }
        Ok(())
    }
}

/// Whether the first piece of standard output is there, to its last byte.
pub(crate) fn has_output(events: &[u8]) -> bool {
    event(events, "stdout").is_some()
}

/// The answer inside a whole stream of events.
pub(crate) fn finished(events: &[u8]) -> Result<&[u8]> {
    event(events, "finished").with_context(|| {
        let text = String::from_utf8_lossy(events);
        format!("the events have no end: {text}")
    })
}

/// The data of the first event of this name, if it is there to its last byte.
fn event<'a>(events: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let text = std::str::from_utf8(events).ok()?;
    let start = format!("event: {name}\ndata: ");
    // Data is JSON on one line, so only a real event begins behind an empty line.
    let mut blocks = text.split_inclusive("\n\n");
    let whole = blocks.find_map(|block| block.strip_prefix(&start)?.strip_suffix("\n\n"))?;
    Some(whole.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected {
        preload: "bare",
        tier: "full",
    };

    fn answer(kind: &str, stdout: &str, preload: &str) -> Vec<u8> {
        json!({"id": "x", "outcome": {"kind": kind}, "stdout": stdout,
            "usage": {"cpu_ms": 1.5}, "isolation": {"tier": "full", "preload": preload}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn only_the_right_answer_counts() {
        let judge = |status, body: &[u8]| EXPECTED.judge(status, body, PRINTED);
        assert_eq!(
            judge(200, &answer("completed", "1\n", "bare")),
            Verdict::Right { guest_cpu_ms: 1.5 }
        );
        assert_eq!(
            judge(200, &answer("completed", "2\n", "bare")),
            Verdict::MixedUp
        );
        for (status, body) in [
            (200, answer("raised", "1\n", "bare")),
            (200, answer("completed", "1\n", "full")),
            (429, answer("completed", "1\n", "bare")),
            (200, b"{}".to_vec()),
            (200, Vec::new()),
        ] {
            let verdict = judge(status, &body);
            assert!(matches!(verdict, Verdict::Wrong(_)), "{verdict:?}");
        }
    }

    #[test]
    fn events_count_once_they_are_whole() {
        let events = "event: started\ndata: {}\n\nevent: stdout\ndata: {\"text\":\"1\\n\"}\n\n\
            : still here\n\nevent: finished\ndata: {\"a\":1}\n\n";
        let seen = (0..=events.len()).find(|end| has_output(&events.as_bytes()[..*end]));
        assert_eq!(
            seen,
            Some("event: started\ndata: {}\n\nevent: stdout\ndata: {\"text\":\"1\\n\"}\n\n".len())
        );
        assert_eq!(finished(events.as_bytes()).unwrap(), b"{\"a\":1}");
        assert!(finished(&events.as_bytes()[..events.len() - 1]).is_err());
    }

    #[test]
    fn the_programs_are_what_the_rows_say() {
        assert_eq!(PRINT.trim_end(), "print(1)");
        assert!(STACK.ends_with("\nprint(1)\n"));
        assert_eq!(NUMPY, "import numpy\nprint(1)\n");
        for source in [PRINT, STACK] {
            let request = body(&with_nonce(source)).into_bytes();
            let place = nonce_place(&request).unwrap();
            assert_eq!(&request[place..place + NONCE_LENGTH], NONCE.as_bytes());
        }
    }
}
