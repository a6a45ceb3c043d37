//! From the wire back into the domain; pure but for the words it keeps.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ETAG};
use bytes::Bytes;
use stepflow_python::{
    Artifact, ArtifactContent, Capabilities, CapturedOutput, Exception, ExecutionError,
    ExecutionId, ExecutionReport, ExecutorDescription, ExitStatus, Fault, Finding, ForkKind, Frame,
    Isolation, Judgement, Layer, LayerState, Limit, LimitPolicy, Limits, Outcome, Package,
    ParserDescription, PoolStatus, SkippedArtifact, Span, Usage, Value,
};

use super::client::Answer;
use crate::doors::native::capabilities::{CapabilitiesBody, ExecutorBody, ParserBody};
use crate::doors::native::wire::{
    ExceptionBody, ExecutionBody, FindingBody, LimitsBody, OutcomeBody, PoolBody, ValidatedBody,
};
use crate::error::ErrorDetailBody;

/// What an event stream brought, exactly.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Errors: a level that no server of this version knows.
pub(crate) fn judgement(body: ValidatedBody) -> Result<Judgement, String> {
    Ok(Judgement {
        level: body.policy.parse()?,
        findings: body.findings.into_iter().map(finding).collect(),
    })
}

/// Errors: a body no server of this version sends, in a few words.
pub(crate) fn report(body: ExecutionBody, streamed: Streamed) -> Result<ExecutionReport, String> {
    let outcome = outcome(body.outcome, body.value, body.exception)?;
    Ok(ExecutionReport {
        id: ExecutionId::parse(&body.id).ok_or("the execution id is malformed")?,
        exit: exit(&outcome, body.return_code),
        outcome,
        stdout: captured(body.stdout, body.dropped.stdout_bytes, streamed.stdout),
        stderr: captured(body.stderr, body.dropped.stderr_bytes, streamed.stderr),
        artifacts: body
            .artifacts
            .into_iter()
            .map(|one| Artifact {
                name: one.name,
                media_type: one.media_type,
                size_bytes: one.size_bytes,
                sha256: one.sha256,
                escaped: one.escaped,
                collected_at: SystemTime::now(),
            })
            .collect(),
        skipped: body
            .skipped_artifacts
            .into_iter()
            .map(|one| SkippedArtifact {
                name: one.name,
                reason: word(&one.reason),
            })
            .collect(),
        usage: Usage {
            wall: from_ms(body.usage.wall_ms),
            cpu: from_ms(body.usage.cpu_ms),
            memory_peak_bytes: body.usage.memory_peak_bytes,
        },
        limits: limits(&body.limits),
        start: from_ms(body.timing.start_ms),
        tier: word(&body.isolation.tier),
        preload: body.isolation.preload,
    })
}

fn outcome(
    body: OutcomeBody,
    value: Option<crate::doors::native::wire::ValueBody>,
    raised: Option<ExceptionBody>,
) -> Result<Outcome, String> {
    Ok(match body {
        OutcomeBody::Completed => Outcome::Completed(
            value
                .map(|value| Value {
                    repr: value.repr,
                    json: value.json,
                    error: value.error,
                    not_json: value.not_json,
                })
                .unwrap_or_default(),
        ),
        OutcomeBody::Raised => Outcome::Raised(exception(raised.ok_or("an exception is missing")?)),
        OutcomeBody::Rejected { findings } => {
            Outcome::Rejected(findings.into_iter().map(finding).collect())
        }
        OutcomeBody::LimitExceeded { limit: name } => Outcome::LimitExceeded(limit(&name)?),
        OutcomeBody::Crashed {
            signal: Some(signal),
            ..
        } => Outcome::Crashed(ExitStatus::Signaled(signal)),
        OutcomeBody::Crashed {
            status: Some(status),
            ..
        } => Outcome::Crashed(ExitStatus::Exited(status)),
        OutcomeBody::Crashed { .. } => {
            return Err("a crash has neither signal nor status".to_owned());
        }
        OutcomeBody::Cancelled => Outcome::Cancelled,
    })
}

fn limit(name: &str) -> Result<Limit, String> {
    let all = [
        Limit::Wall,
        Limit::Cpu,
        Limit::Memory,
        Limit::Processes,
        Limit::Disk,
        Limit::Output,
    ];
    all.into_iter()
        .find(|limit| limit.name() == name)
        .ok_or_else(|| format!("the limit `{name}` is unknown"))
}

/// The wire tells how the first process left only where that is the outcome.
fn exit(outcome: &Outcome, return_code: i32) -> Option<ExitStatus> {
    match outcome {
        Outcome::Completed(_) | Outcome::Raised(_) => Some(ExitStatus::Exited(return_code)),
        Outcome::Crashed(status) => Some(*status),
        Outcome::Rejected(_) | Outcome::LimitExceeded(_) | Outcome::Cancelled => None,
    }
}

fn exception(body: ExceptionBody) -> Exception {
    Exception {
        kind: body.kind,
        message: body.message,
        frames: body
            .frames
            .into_iter()
            .map(|frame| Frame {
                file: frame.file,
                line: frame.line,
                function: frame.function,
                source: frame.source,
            })
            .collect(),
        causes: body.causes.into_iter().map(exception).collect(),
        traceback: body.traceback,
        exit_status: body.exit_status,
    }
}

fn finding(body: FindingBody) -> Finding {
    Finding {
        code: body.code,
        message: body.message,
        span: Span {
            line: body.line,
            column: body.column,
            end_line: body.end_line,
            end_column: body.end_column,
        },
        excerpt: body.excerpt,
        suggestion: body.suggestion,
    }
}

/// What was kept: the stream's exact bytes when nothing was dropped, else the text around the gap.
fn captured(text: String, dropped_bytes: u64, streamed: Vec<u8>) -> CapturedOutput {
    let gap = format!("\n[… {dropped_bytes} bytes of output dropped …]\n");
    match text.split_once(&gap) {
        Some((head, tail)) if dropped_bytes > 0 => CapturedOutput {
            head: Bytes::copy_from_slice(head.as_bytes()),
            tail: Bytes::copy_from_slice(tail.as_bytes()),
            dropped_bytes,
        },
        _ if String::from_utf8_lossy(&streamed) == text => CapturedOutput {
            head: streamed.into(),
            tail: Bytes::new(),
            dropped_bytes,
        },
        _ => CapturedOutput {
            head: text.into(),
            tail: Bytes::new(),
            dropped_bytes,
        },
    }
}

fn limits(body: &LimitsBody) -> Limits {
    Limits {
        wall: Duration::from_millis(body.wall_ms),
        cpu: Duration::from_millis(body.cpu_ms),
        memory_bytes: body.memory_bytes,
        processes: body.processes,
        workdir_bytes: body.workdir_bytes,
        workdir_inodes: body.workdir_inodes,
        output_bytes: body.output_bytes,
        output_hard_bytes: body.output_hard_bytes,
        artifacts: body.artifacts,
        artifact_bytes: body.artifact_bytes,
        source_bytes: body.source_bytes,
    }
}

fn from_ms(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

pub(crate) fn error(told: ErrorDetailBody) -> ExecutionError {
    let fault = match (told.code.as_str(), told.retryable) {
        (
            "queue_full" | "bodies_full" | "saturated" | "unchecked" | "host_memory"
            | "shutting_down",
            _,
        ) => Fault::Capacity,
        (_, true) => Fault::Host,
        (_, false) => Fault::Caller,
    };
    ExecutionError::Remote {
        code: word(&told.code),
        message: told.message,
        fault,
    }
}

pub(crate) fn capabilities(body: CapabilitiesBody) -> Capabilities {
    let packages = body.installed_packages.into_iter();
    let layers = body.isolation.layers.into_iter().map(|layer| Layer {
        name: word(&layer.name),
        state: match layer.state.as_str() {
            "enforced" => LayerState::Enforced,
            "weaker" => LayerState::Weaker,
            _ => LayerState::Missing,
        },
        detail: layer.detail,
        meaning: layer.meaning,
        mend: layer.mend,
    });
    Capabilities {
        python_version: body.python_version.unwrap_or_default(),
        packages: packages
            .map(|one| Package {
                name: one.name,
                version: one.version,
            })
            .collect(),
        max_concurrency: body.limits.max_concurrency,
        limits: LimitPolicy {
            defaults: limits(&body.execution_limits.defaults),
            maxima: limits(&body.execution_limits.maxima),
        },
        isolation: Isolation {
            tier: word(&body.isolation.tier),
            layers: layers.collect(),
        },
        executors: body.executors.into_iter().map(executor).collect(),
        parsers: body.parsers.into_iter().map(parser).collect(),
    }
}

fn executor(body: ExecutorBody) -> ExecutorDescription {
    ExecutorDescription {
        name: body.name,
        versions: body.versions,
    }
}

fn parser(body: ParserBody) -> ParserDescription {
    ParserDescription {
        name: body.name,
        features: body.features,
    }
}

pub(crate) fn artifact_content(name: &str, answer: Answer) -> ArtifactContent {
    let header = |headers: &HeaderMap, name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned()
    };
    let artifact = Artifact {
        name: name.to_owned(),
        media_type: header(&answer.headers, CONTENT_TYPE),
        size_bytes: u64::try_from(answer.body.len()).unwrap_or(u64::MAX),
        sha256: header(&answer.headers, ETAG),
        escaped: name.contains('%'),
        collected_at: SystemTime::now(),
    };
    ArtifactContent {
        artifact,
        content: answer.body,
    }
}

/// A word of the server as one of ours. The server is our own user's: its words are few.
fn word(text: &str) -> &'static str {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    const MOST_WORDS: usize = 512;
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.get(text) {
        return known;
    }
    if words.len() >= MOST_WORDS {
        return "other";
    }
    let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
    words.insert(kept);
    kept
}

/// The facts of a pool; a kind of fork we do not know is none.
pub(super) fn pool(body: PoolBody) -> PoolStatus {
    PoolStatus {
        environment: body.environment,
        preload: body.preload,
        fork: ForkKind::parse(&body.fork).unwrap_or(ForkKind::None),
        ready: body.ready,
        wanted: body.wanted,
        child_bytes: body.child_bytes,
        leases_ready: body.leases_ready,
        leases_fresh: body.leases_fresh,
        refills: body.refills,
        zygotes: body.zygotes,
        recycles: body.recycles,
        lost: body.lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::native::report as to_wire;

    #[test]
    fn a_report_comes_back_as_it_went() {
        let report = ExecutionReport {
            id: ExecutionId::random(),
            outcome: Outcome::Raised(Exception {
                kind: "ValueError".into(),
                exit_status: Some(3),
                ..Default::default()
            }),
            exit: Some(ExitStatus::Exited(3)),
            stdout: CapturedOutput {
                head: "ab".into(),
                tail: "yz".into(),
                dropped_bytes: 7,
            },
            stderr: CapturedOutput {
                head: Bytes::from_static(b"\xff"),
                ..Default::default()
            },
            artifacts: vec![],
            skipped: vec![SkippedArtifact {
                name: "a".into(),
                reason: "symlink",
            }],
            usage: Usage {
                wall: Duration::from_micros(1500),
                ..Default::default()
            },
            limits: Limits::default(),
            start: Duration::from_millis(2),
            tier: "full",
            preload: "bare".into(),
        };
        let json = serde_json::to_string(&to_wire::body(report.clone())).unwrap();
        let streamed = Streamed {
            stdout: b"ab".to_vec(),
            stderr: b"\xff".to_vec(),
        };
        let back = super::report(serde_json::from_str(&json).unwrap(), streamed).unwrap();
        assert_eq!(format!("{back:?}"), format!("{report:?}"));
    }

    #[test]
    fn the_servers_own_failures_stay_retryable() {
        for (code, retryable, fault) in [
            ("queue_full", true, Fault::Capacity),
            ("execution_lost", true, Fault::Host),
            ("bad_request", false, Fault::Caller),
        ] {
            let told = ErrorDetailBody {
                code: code.into(),
                message: "m".into(),
                retryable,
                execution_id: None,
            };
            let error = error(told);
            assert_eq!(
                (error.code(), error.fault(), error.retryable()),
                (code, fault, retryable)
            );
        }
    }
}
