//! Compares how a program ended with how it must end. Pure: an answer comes in, objections go out.

use serde_json::Value;

use crate::corpus::{ArtifactRule, Attempt, Expectation, Proof};

/// What a server answered about one execution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a>(pub(crate) &'a Value);

impl Ending<'_> {
    pub(crate) fn kind(&self) -> &str {
        self.text("/outcome/kind")
    }

    pub(crate) fn stdout(&self) -> &str {
        self.text("/stdout")
    }

    pub(crate) fn last_line(&self) -> &str {
        self.stdout()
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .trim()
    }

    pub(crate) fn artifacts(&self) -> Vec<&str> {
        self.names("artifacts")
    }

    fn names(&self, key: &str) -> Vec<&str> {
        let list = self.0[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        list.iter()
            .filter_map(|item| item["name"].as_str())
            .collect()
    }

    fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    fn limit(&self) -> &str {
        self.text("/outcome/limit")
    }

    fn exception(&self) -> &str {
        self.text("/exception/type")
    }

    /// One line for the person who reads a failure.
    pub(crate) fn summary(&self) -> String {
        let tail = |text: &str| {
            text.chars()
                .rev()
                .take(200)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<String>()
        };
        format!(
            "{} exception={:?} last line={:?} stderr={:?}",
            self.0["outcome"],
            self.exception(),
            tail(self.last_line()),
            tail(self.text("/stderr"))
        )
    }
}

/// What speaks against an ending; empty when it is as it must be.
pub(crate) fn objections(attempt: &Attempt, ending: Ending<'_>, rootless: bool) -> Vec<String> {
    let mut objections = Vec::new();
    let expect = match (&attempt.rootless, rootless) {
        (Some(rule), true) => rule,
        _ => &attempt.expect,
    };
    let ended_well = if expect.is_empty() {
        bounded(ending)
    } else {
        expect.iter().any(|one| meets(one, ending))
    };
    if !ended_well {
        objections.push(format!("ended otherwise: {}", ending.summary()));
    }
    objections.extend(
        attempt
            .artifacts
            .iter()
            .filter_map(|rule| broken(rule, ending)),
    );
    objections.extend(
        attempt
            .never
            .iter()
            .filter(|text| appears(ending.0, text))
            .map(|text| format!("{text:?} appears in a field")),
    );
    objections
}

/// `bounded otherwise`: any end, as long as the program itself does not claim to have escaped.
fn bounded(ending: Ending<'_>) -> bool {
    !ending.kind().is_empty()
        && serde_json::from_str::<Value>(ending.last_line())
            .map_or(true, |line| line["escaped"] != true)
}

fn meets(expectation: &Expectation, ending: Ending<'_>) -> bool {
    match (expectation, ending.kind()) {
        (Expectation::Completed(proof), "completed") => proves(proof, ending),
        (Expectation::Raised(None), "raised")
        | (Expectation::Crashed, "crashed")
        | (Expectation::Rejected, "rejected") => true,
        (Expectation::Raised(Some(kind)), "raised") => {
            ending.exception() == kind || ending.exception().ends_with(&format!(".{kind}"))
        }
        (Expectation::RaisedStatus(status), "raised") => {
            ending.number("/exception/exit_status") == Some(*status)
        }
        (Expectation::LimitExceeded(limit), "limit_exceeded") => ending.limit() == limit,
        (Expectation::CrashedSignal(signal), "crashed") => {
            ending.number("/outcome/signal") == Some(*signal)
        }
        (Expectation::CrashedStatus(status), "crashed") => {
            ending.number("/outcome/status") == Some(*status)
        }
        (
            Expectation::Completed(_)
            | Expectation::Raised(_)
            | Expectation::RaisedStatus(_)
            | Expectation::LimitExceeded(_)
            | Expectation::Crashed
            | Expectation::CrashedSignal(_)
            | Expectation::CrashedStatus(_)
            | Expectation::Rejected,
            _,
        ) => false,
    }
}

fn proves(proof: &Proof, ending: Ending<'_>) -> bool {
    match proof {
        Proof::None => true,
        Proof::Safe => serde_json::from_str::<Value>(ending.last_line())
            .is_ok_and(|line| line["escaped"] == false),
        Proof::Prints(text) => ending.last_line() == text,
        Proof::Value(repr) => ending.text("/value/repr") == repr,
        Proof::Truncated => ending.0["truncated"] == true,
    }
}

/// Why a rule about artifacts is broken, if it is.
fn broken(rule: &ArtifactRule, ending: Ending<'_>) -> Option<String> {
    let collected = ending.artifacts();
    let fine = match rule {
        ArtifactRule::Present(name) => collected.contains(&name.as_str()),
        ArtifactRule::Absent(name) => !collected.contains(&name.as_str()),
        ArtifactRule::AtMost(most) => collected.len() <= *most,
        ArtifactRule::Skipped { name, reason } => {
            let list = ending.0["skipped_artifacts"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let named = |item: &&Value| item["name"].as_str() == Some(name);
            let reason_fits = |item: &Value| {
                reason
                    .as_ref()
                    .is_none_or(|reason| item["reason"].as_str() == Some(reason))
            };
            !collected.contains(&name.as_str()) && list.iter().find(named).is_some_and(reason_fits)
        }
    };
    (!fine).then(|| {
        format!(
            "artifacts break {rule:?}: collected {collected:?}, skipped {}",
            ending.0["skipped_artifacts"]
        )
    })
}

/// Whether `text` stands in any field but stdout and stderr, which are opaque bytes, and the
/// exception's own source lines.
fn appears(answer: &Value, text: &str) -> bool {
    match answer {
        Value::String(field) => field.contains(text),
        Value::Array(items) => items.iter().any(|item| appears(item, text)),
        Value::Object(fields) => {
            let opaque = ["stdout", "stderr", "traceback", "source"];
            fields.iter().any(|(name, field)| {
                name.contains(text) || !opaque.contains(&name.as_str()) && appears(field, text)
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::corpus::parse;

    fn check(headers: &str, answer: &Value, fine: bool) {
        let attempt = parse("x", &format!("# Attempts: x.\n{headers}\n")).unwrap();
        let found = objections(&attempt, Ending(answer), false);
        assert_eq!(found.is_empty(), fine, "{headers} {answer}: {found:?}");
    }

    #[test]
    fn only_the_expected_end_passes() {
        let crashed = json!({"outcome": {"kind": "crashed", "signal": 6}, "stdout": "{\"escaped\": false}\n"});
        check("# Expect: crashed signal 6", &crashed, true);
        check(
            "# Expect: crashed signal 9 | crashed status 6",
            &crashed,
            false,
        );
        check("# Expect: completed safe", &crashed, false);
        let safe = json!({"outcome": {"kind": "completed"}, "stdout": "x\n{\"escaped\": false}\n"});
        check("# Expect: completed safe", &safe, true);
        check("# Expect: completed works", &safe, false);
        let escaped = json!({"outcome": {"kind": "completed"}, "stdout": "{\"escaped\": true}"});
        check("# Expect: completed safe", &escaped, false);
        let raised = json!({"outcome": {"kind": "raised"}, "exception": {"type": "json.decoder.JSONDecodeError"}});
        check("# Expect: raised JSONDecodeError", &raised, true);
        check("# Expect: raised Error", &raised, false);
    }

    #[test]
    fn forged_fields_and_missing_files_are_seen() {
        let forged =
            json!({"outcome": {"kind": "crashed", "status": 7}, "value": {"repr": "FORGED"}});
        check(
            "# Expect: crashed status 7\n# Never: FORGED",
            &forged,
            false,
        );
        let printed = json!({"outcome": {"kind": "crashed", "status": 7}, "stdout": "FORGED"});
        check(
            "# Expect: crashed status 7\n# Never: FORGED",
            &printed,
            true,
        );
        let skipped = json!({"outcome": {"kind": "completed"}, "artifacts": [], "skipped_artifacts": [{"name": "a", "reason": "symlink"}]});
        check(
            "# Expect: completed\n# Artifacts: a skipped symlink, count <= 0",
            &skipped,
            true,
        );
        check(
            "# Expect: completed\n# Artifacts: a skipped too_large",
            &skipped,
            false,
        );
        check(
            "# Expect: completed\n# Artifacts: a present",
            &skipped,
            false,
        );
    }
}
