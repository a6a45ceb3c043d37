//! From the domain to the answer of a request; pure.

use std::fmt::Write;
use std::time::Duration;

use stepflow_python::{
    Artifact, CapturedOutput, Exception, ExecutionId, ExecutionReport, ExitStatus, Finding,
    Judgement, Limits, Outcome, PoolStatus, Value,
};

use super::wire::{
    ArtifactBody, ConfinedBody, DroppedBody, ExceptionBody, ExecutionBody, FindingBody, LimitsBody,
    LossyBody, OutcomeBody, PoolBody, SkippedBody, TimingBody, TracebackFrameBody, UsageBody,
    ValidatedBody, ValueBody,
};

/// The answer of `POST /v1/executions` for a report that came from anywhere.
pub fn execution_json(report: ExecutionReport) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(body(report))
}

/// The answer for an execution that ended.
pub(crate) fn body(report: ExecutionReport) -> ExecutionBody {
    let (stdout, stdout_lossy) = report.stdout.text();
    let (stderr, stderr_lossy) = report.stderr.text();
    let dropped = |output: &CapturedOutput| output.dropped_bytes;
    let dropped = DroppedBody {
        stdout_bytes: dropped(&report.stdout),
        stderr_bytes: dropped(&report.stderr),
    };
    let return_code = report.outcome.return_code();
    let (outcome, value, exception) = outcome(report.outcome);
    ExecutionBody {
        id: report.id.to_string(),
        outcome,
        return_code,
        stdout,
        stderr,
        value,
        exception,
        artifacts: report
            .artifacts
            .into_iter()
            .map(|one| artifact(report.id, one))
            .collect(),
        skipped_artifacts: report
            .skipped
            .into_iter()
            .map(|one| SkippedBody {
                name: one.name,
                reason: one.reason.to_owned(),
            })
            .collect(),
        usage: UsageBody {
            wall_ms: fractional_ms(report.usage.wall),
            cpu_ms: fractional_ms(report.usage.cpu),
            memory_peak_bytes: report.usage.memory_peak_bytes,
        },
        limits: limits(&report.limits),
        truncated: dropped.stdout_bytes > 0 || dropped.stderr_bytes > 0,
        dropped,
        lossy: LossyBody {
            stdout: stdout_lossy,
            stderr: stderr_lossy,
        },
        timing: TimingBody {
            start_ms: fractional_ms(report.start),
            run_ms: fractional_ms(report.usage.wall),
        },
        isolation: ConfinedBody {
            tier: report.tier.to_owned(),
            preload: report.preload,
        },
    }
}

fn outcome(outcome: Outcome) -> (OutcomeBody, Option<ValueBody>, Option<ExceptionBody>) {
    let body = match outcome {
        Outcome::Completed(value) => return (OutcomeBody::Completed, value_body(value), None),
        Outcome::Raised(raised) => return (OutcomeBody::Raised, None, Some(exception(raised))),
        Outcome::Rejected(findings) => OutcomeBody::Rejected {
            findings: findings.into_iter().map(finding).collect(),
        },
        Outcome::LimitExceeded(limit) => OutcomeBody::LimitExceeded {
            limit: limit.name().to_owned(),
        },
        Outcome::Crashed(ExitStatus::Signaled(signal)) => OutcomeBody::Crashed {
            signal: Some(signal),
            status: None,
        },
        Outcome::Crashed(ExitStatus::Exited(status)) => OutcomeBody::Crashed {
            signal: None,
            status: Some(status),
        },
        Outcome::Cancelled => OutcomeBody::Cancelled,
    };
    (body, None, None)
}

fn value_body(value: Value) -> Option<ValueBody> {
    if value == Value::default() {
        return None;
    }
    Some(ValueBody {
        repr: value.repr,
        json: value.json,
        error: value.error,
        not_json: value.not_json,
    })
}

fn exception(raised: Exception) -> ExceptionBody {
    ExceptionBody {
        kind: raised.kind,
        message: raised.message,
        frames: raised
            .frames
            .into_iter()
            .map(|frame| TracebackFrameBody {
                file: frame.file,
                line: frame.line,
                function: frame.function,
                source: frame.source,
            })
            .collect(),
        causes: raised.causes.into_iter().map(exception).collect(),
        traceback: raised.traceback,
        exit_status: raised.exit_status,
    }
}

/// The answer of `POST /v1/validate` for a judgement that came from anywhere.
///
/// Errors: none that a judgement can bring about.
pub fn judgement_json(judgement: Judgement) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(validated(judgement))
}

/// What the policy says, as it travels.
pub(crate) fn validated(judgement: Judgement) -> ValidatedBody {
    ValidatedBody {
        valid: judgement.findings.is_empty(),
        policy: judgement.level.name().to_owned(),
        findings: judgement.findings.into_iter().map(finding).collect(),
    }
}

fn finding(finding: Finding) -> FindingBody {
    FindingBody {
        code: finding.code,
        message: finding.message,
        line: finding.span.line,
        column: finding.span.column,
        end_line: finding.span.end_line,
        end_column: finding.span.end_column,
        excerpt: finding.excerpt,
        suggestion: finding.suggestion,
    }
}

fn artifact(id: ExecutionId, artifact: Artifact) -> ArtifactBody {
    ArtifactBody {
        url: artifact_url(id, &artifact.name),
        name: artifact.name,
        media_type: artifact.media_type,
        size_bytes: artifact.size_bytes,
        sha256: artifact.sha256,
        escaped: artifact.escaped,
    }
}

/// Path of an artifact; the `/` of nested names stay.
pub(crate) fn artifact_url(id: ExecutionId, name: &str) -> String {
    format!(
        "/v1/executions/{id}/artifacts/{}",
        percent_encode(name, b"-._~/")
    )
}

/// Everything but letters, digits and `plain` as `%XX`. Source: RFC 3986, section 2.
pub(crate) fn percent_encode(text: &str, plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Limits as callers read them.
pub(crate) fn limits(limits: &Limits) -> LimitsBody {
    LimitsBody {
        wall_ms: whole_ms(limits.wall),
        cpu_ms: whole_ms(limits.cpu),
        memory_bytes: limits.memory_bytes,
        processes: limits.processes,
        workdir_bytes: limits.workdir_bytes,
        workdir_inodes: limits.workdir_inodes,
        output_bytes: limits.output_bytes,
        output_hard_bytes: limits.output_hard_bytes,
        artifacts: limits.artifacts,
        artifact_bytes: limits.artifact_bytes,
        source_bytes: limits.source_bytes,
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn fractional_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The facts of a pool as they travel.
pub(crate) fn pool(pool: PoolStatus) -> PoolBody {
    PoolBody {
        environment: pool.environment,
        preload: pool.preload,
        fork: pool.fork.name().to_owned(),
        ready: pool.ready,
        wanted: pool.wanted,
        child_bytes: pool.child_bytes,
        leases_ready: pool.leases_ready,
        leases_fresh: pool.leases_fresh,
        refills: pool.refills,
        zygotes: pool.zygotes,
        recycles: pool.recycles,
        lost: pool.lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_url_survives_any_name() {
        let id = ExecutionId::random();
        assert_eq!(
            artifact_url(id, "a/ü %2e.png"),
            format!("/v1/executions/{id}/artifacts/a/%C3%BC%20%252e.png")
        );
    }
}
