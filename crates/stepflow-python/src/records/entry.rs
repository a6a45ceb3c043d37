//! What is written of one execution, cut to what a record may take; pure.

use std::collections::BTreeMap;

use engine::{
    Artifact, CapturedOutput, Ending, Entry, EnvironmentChoice, ExecutionError, ExecutionId,
    ExecutionReport, ExecutionRequest, ExitStatus, Limits, Outcome, SecurityLevel, Usage,
};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::environment::EnvironmentId;
use crate::executor::{CUSTOM_TIER, PythonException, exceptions_of};

/// Bytes kept of the source and of the result, each.
pub(super) const MOST_TEXT: usize = 64 * 1024;
/// Bytes kept of stdout, of stderr, and of each text of an exception.
pub(super) const MOST_OUTPUT: usize = 16 * 1024;

/// Bytes that a row takes beside its texts, with its part of the indexes; roughly.
const ROW: usize = 1024;

/// What is known when an execution starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Started {
    pub(super) id: ExecutionId,
    pub(super) source_sha256: String,
    pub(super) source_bytes: i64,
    pub(super) source: String,
    /// The digest of its environment.
    pub(super) environment: Option<String>,
    /// The handle by which it was named, or the default environment's digest.
    pub(super) environment_id: Option<String>,
    /// The tool whose function is called.
    pub(super) tool_id: Option<String>,
    pub(super) policy: &'static str,
    /// Which function is called, and with what.
    pub(super) function_name: Option<String>,
    pub(super) parameters: Option<String>,
    pub(super) started_ms: i64,
}

impl Started {
    /// From a request as it came; it has no identity, environment and time yet.
    pub(crate) fn new(request: &ExecutionRequest, policy: SecurityLevel) -> Self {
        let digest = Sha256::digest(request.source.as_bytes());
        let environment_id = match &request.environment {
            EnvironmentChoice::Asked {
                name: Some(name), ..
            } => name.parse::<EnvironmentId>().ok().map(|id| id.to_string()),
            EnvironmentChoice::Asked { name: None, .. }
            | EnvironmentChoice::Default
            | EnvironmentChoice::Built(_) => None,
        };
        Self {
            id: ExecutionId::random(),
            source_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            source_bytes: signed(request.source.len()),
            source: cut(&request.source, MOST_TEXT),
            environment: None,
            environment_id,
            tool_id: request.tool.clone(),
            policy: policy.name(),
            function_name: match &request.entry {
                Entry::Function(call) => Some(cut(&call.function, 200)),
                Entry::Source | Entry::Globals(_) | Entry::Script(_) | Entry::Module(_) => None,
            },
            parameters: parameters(&request.entry).filter(|text| text.len() <= MOST_TEXT),
            started_ms: 0,
        }
    }

    /// The same in an environment. The default one stands under its digest.
    pub(crate) fn within(self, digest: &str, is_default: bool) -> Self {
        let handle = is_default.then(|| digest.to_owned());
        Self {
            environment_id: self.environment_id.or(handle),
            environment: Some(digest.to_owned()),
            ..self
        }
    }

    /// Bytes of its row and its texts.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.function_name, &self.parameters];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        ROW + self.source.len() + texts
    }
}

/// What a call or a program is given, as JSON: an object of keywords, with `args` beside them where
/// some come by position. What is too long is not kept.
fn parameters(entry: &Entry) -> Option<String> {
    let json = match entry {
        Entry::Source | Entry::Script(_) | Entry::Module(_) => return None,
        Entry::Globals(globals) => serde_json::to_string(globals),
        Entry::Function(call) if call.args.is_empty() => serde_json::to_string(&call.kwargs),
        Entry::Function(call) => serde_json::to_string(&Arguments {
            args: &call.args,
            kwargs: &call.kwargs,
        }),
    };
    json.ok()
}

#[derive(Serialize)]
struct Arguments<'a> {
    args: &'a [Box<RawValue>],
    kwargs: &'a BTreeMap<String, Box<RawValue>>,
}

/// What is known when it has ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ended {
    pub(super) state: &'static str,
    pub(super) outcome: Option<&'static str>,
    pub(super) detail: Option<String>,
    pub(super) tier: Option<&'static str>,
    pub(super) preload: Option<String>,
    pub(super) limits: Option<String>,
    pub(super) usage: Option<String>,
    pub(super) artifacts: Option<String>,
    pub(super) ended_ms: i64,
    pub(super) result: Option<String>,
    pub(super) stdout: Option<String>,
    pub(super) stderr: Option<String>,
    pub(super) execution_time_ms: Option<i64>,
    pub(super) memory_usage_kb: Option<i64>,
    pub(super) return_code: Option<i64>,
    pub(super) exceptions: Option<String>,
}

impl Ended {
    pub(super) fn new(ending: Ending<'_>, now_ms: i64) -> Self {
        let ended = match ending {
            Ending::Finished(report) => Self::finished(report),
            Ending::Failed(error) => Self::failed(error),
            // The caller went away; whatever the guest did until it died, nobody was told.
            Ending::Abandoned => Self {
                state: "finished",
                outcome: Some(Outcome::Cancelled.kind()),
                detail: Some("abandoned".into()),
                return_code: Some(Outcome::Cancelled.return_code().into()),
                ..Self::default()
            },
        };
        Self {
            ended_ms: now_ms,
            ..ended
        }
    }

    fn finished(report: &ExecutionReport) -> Self {
        let exceptions: Vec<Value> = exceptions_of(&report.outcome).map(exception_json).collect();
        // The kernel has measured nothing of another executor, whose word is all there is.
        let is_ours = report.tier != CUSTOM_TIER;
        let limits = if is_ours {
            limits_json
        } else {
            outer_limits_json
        };
        let memory_kb = report.usage.memory_peak_bytes / 1024;
        Self {
            state: "finished",
            outcome: Some(report.outcome.kind()),
            detail: detail(&report.outcome),
            tier: Some(report.tier),
            preload: Some(report.preload.clone()).filter(|name| !name.is_empty()),
            limits: Some(limits(&report.limits).to_string()),
            usage: is_ours.then(|| usage_json(report.usage).to_string()),
            artifacts: (!report.artifacts.is_empty()).then(|| artifacts_json(&report.artifacts)),
            ended_ms: 0,
            result: result(&report.outcome),
            stdout: Some(output(&report.stdout)),
            stderr: Some(output(&report.stderr)),
            execution_time_ms: Some(signed(report.usage.wall.as_millis())),
            memory_usage_kb: (is_ours || memory_kb > 0).then(|| signed(memory_kb)),
            return_code: Some(report.outcome.return_code().into()),
            exceptions: (!exceptions.is_empty()).then(|| Value::from(exceptions).to_string()),
        }
    }

    fn failed(error: &ExecutionError) -> Self {
        Self {
            state: "failed",
            detail: Some(error.code().to_owned()),
            ..Self::default()
        }
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let texts = [
            &self.detail,
            &self.preload,
            &self.limits,
            &self.usage,
            &self.artifacts,
            &self.result,
            &self.stdout,
            &self.stderr,
            &self.exceptions,
        ];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

/// Which limit, signal, status or finding.
fn detail(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Completed(_) | Outcome::Cancelled => None,
        Outcome::Raised(exception) => Some(cut(&exception.kind, 200)),
        Outcome::Rejected(findings) => {
            let codes: Vec<&str> = findings.iter().map(|one| one.code.as_str()).collect();
            Some(cut(&codes.join(", "), 200))
        }
        Outcome::LimitExceeded(limit) => Some(limit.name().to_owned()),
        Outcome::Crashed(ExitStatus::Signaled(signal)) => Some(format!("signal {signal}")),
        Outcome::Crashed(ExitStatus::Exited(status)) => Some(format!("status {status}")),
    }
}

/// The value as JSON. Where that is too much, the beginning of the JSON as a text; where there is
/// none, the `repr`: both say at their end if anything is missing.
fn result(outcome: &Outcome) -> Option<String> {
    let Outcome::Completed(value) = outcome else {
        return None;
    };
    let told = match (&value.json, &value.repr) {
        (Some(json), _) => match json.to_string() {
            whole if whole.len() <= MOST_TEXT => return Some(whole),
            long => cut(&long, MOST_TEXT),
        },
        (None, Some(repr)) => known_part(repr),
        (None, None) => return None,
    };
    Some(Value::from(told).to_string())
}

/// A `repr`, which the guest has cut without counting what it left out. Source: guest/values.py.
fn known_part(repr: &str) -> String {
    // A character that did not fit leaves up to three bytes of room.
    if repr.len() + 3 < MOST_TEXT {
        return storable(repr);
    }
    let begin = cut(repr, MOST_TEXT);
    format!("{begin}\n[… whatever follows was not recorded …]")
}

fn exception_json(exception: PythonException) -> Value {
    json!({
        "exception_type": cut(&exception.exception_type, MOST_OUTPUT),
        "message": cut(&exception.message, MOST_OUTPUT),
        "traceback": cut(&exception.traceback, MOST_OUTPUT),
    })
}

fn limits_json(limits: &Limits) -> Value {
    json!({
        "wall_ms": signed(limits.wall.as_millis()),
        "cpu_ms": signed(limits.cpu.as_millis()),
        "memory_bytes": limits.memory_bytes,
        "processes": limits.processes,
        "workdir_bytes": limits.workdir_bytes,
        "workdir_inodes": limits.workdir_inodes,
        "output_bytes": limits.output_bytes,
        "output_hard_bytes": limits.output_hard_bytes,
        "artifacts": limits.artifacts,
        "artifact_bytes": limits.artifact_bytes,
        "source_bytes": limits.source_bytes,
    })
}

/// Those that hold for an executor that is not ours.
fn outer_limits_json(limits: &Limits) -> Value {
    json!({
        "wall_ms": signed(limits.wall.as_millis()),
        "output_bytes": limits.output_bytes,
        "source_bytes": limits.source_bytes,
    })
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "wall_ms": usage.wall.as_secs_f64() * 1000.0,
        "cpu_ms": usage.cpu.as_secs_f64() * 1000.0,
        "memory_peak_bytes": usage.memory_peak_bytes,
    })
}

fn artifacts_json(artifacts: &[Artifact]) -> String {
    let one = |artifact: &Artifact| {
        json!({
            "name": artifact.name,
            "media_type": artifact.media_type,
            "size_bytes": artifact.size_bytes,
            "sha256": artifact.sha256,
        })
    };
    artifacts.iter().map(one).collect::<Value>().to_string()
}

/// Of a long output its head and its tail.
fn output(captured: &CapturedOutput) -> String {
    let (head, tail) = (&captured.head, &captured.tail);
    let kept = head.len() + tail.len();
    if kept <= MOST_OUTPUT {
        return storable(&captured.text().0);
    }
    let half = MOST_OUTPUT / 2;
    let (first, last) = if tail.len() >= half {
        (
            head.slice(..half.min(head.len())),
            tail.slice(tail.len() - half..),
        )
    } else {
        let from_head = half - tail.len();
        let mut last = head.slice(head.len() - from_head..).to_vec();
        last.extend_from_slice(tail);
        (head.slice(..half), last.into())
    };
    let dropped = captured.dropped_bytes + (kept - first.len() - last.len()) as u64;
    let short = CapturedOutput {
        head: first,
        tail: last,
        dropped_bytes: dropped,
    };
    storable(&short.text().0)
}

/// The beginning of a text, and how much is missing.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return storable(text);
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let begin = storable(&text[..end]);
    format!("{begin}\n[… {} bytes not recorded …]", text.len() - end)
}

/// PostgreSQL has no NUL in its texts.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn signed<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
