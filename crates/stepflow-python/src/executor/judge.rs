//! The policy's word about a source, before anything of it starts.

use std::time::Instant;

use engine::{
    CapturedOutput, Engine, Event, Execution, ExecutionError, ExecutionId, ExecutionReport,
    ExecutionRequest, Outcome, SecurityLevel, Usage,
};

use super::Judgement;
use crate::parser::PythonVersionNumber;
use crate::validator;

/// What a level has against a source that is to run on `version`.
///
/// Errors: the parser's threads are busy.
pub(super) async fn judgement(
    source: &str,
    level: SecurityLevel,
    version: Option<PythonVersionNumber>,
) -> Result<Judgement, ExecutionError> {
    let findings = validator::check(source, level, version).await;
    let findings = findings.map_err(|validator::Busy| ExecutionError::Unchecked)?;
    Ok(Judgement { level, findings })
}

/// The execution of a source that is rejected; `None` for one that may start. `code` is the
/// caller's part of the source. At the level `Permissive` nothing is read.
///
/// Errors: a request that could not have started either.
pub(super) async fn rejected(
    engine: &Engine,
    code: &str,
    level: SecurityLevel,
    request: &ExecutionRequest,
) -> Result<Option<Execution>, ExecutionError> {
    if level == SecurityLevel::Permissive {
        return Ok(None);
    }
    let began = Instant::now();
    let limits = engine.limit_policy().resolve(&request.limits)?;
    let bytes = u64::try_from(request.source.len()).unwrap_or(u64::MAX);
    if bytes > limits.source_bytes {
        let limit = limits.source_bytes;
        return Err(ExecutionError::SourceTooLong { bytes, limit });
    }
    let findings = judgement(code, level, Some(version(engine)))
        .await?
        .findings;
    if findings.is_empty() {
        return Ok(None);
    }
    let id = ExecutionId::random();
    let report = ExecutionReport {
        id,
        outcome: Outcome::Rejected(findings),
        exit: None,
        stdout: CapturedOutput::default(),
        stderr: CapturedOutput::default(),
        artifacts: Vec::new(),
        skipped: Vec::new(),
        usage: Usage::default(),
        limits,
        start: began.elapsed(),
        tier: engine.isolation().tier,
        // It never had a zygote.
        preload: String::new(),
    };
    Ok(Some(Execution::ended(
        id,
        Event::Finished(Box::new(report)),
    )))
}

/// The version whose syntax counts.
pub(super) fn version(engine: &Engine) -> PythonVersionNumber {
    let (major, minor, _) = engine.environment().interpreter.version;
    (major, minor)
}
