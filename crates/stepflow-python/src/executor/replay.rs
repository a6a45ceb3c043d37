//! Between the seed's methods and `start`: each in the words of the other.

use std::time::{Duration, Instant};

use engine::{
    CapturedOutput, Event, Exception, Execution, ExecutionError, ExecutionId, ExecutionReport,
    ExecutionRequest, Fault, Finding, Limit, LimitOverrides, Limits, Outcome, Span, Stream, Usage,
};

use super::source::{Requested, requested};
use super::{PythonExecutor, PythonResponse};
use crate::errors::PythonError;

/// The tier of an execution that this engine has not confined.
pub(crate) const TIER: &str = "custom";

/// The seed's methods for an executor that has `start`.
///
/// Errors: failures of ours; how the program ended is in the answer.
pub async fn run_to_end<E: PythonExecutor + ?Sized>(
    executor: &E,
    request: ExecutionRequest,
) -> Result<PythonResponse, PythonError> {
    Ok(executor.start(request).await?.finish().await?.into())
}

/// Runs a request by the seed's methods and replays what came of it.
///
/// Errors: what the seed's requests cannot say, and failures of the executor.
pub(super) async fn start<E: PythonExecutor + ?Sized>(
    executor: &E,
    request: ExecutionRequest,
) -> Result<Execution, ExecutionError> {
    let limits = executor.capabilities().limits.resolve(&request.limits)?;
    let began = Instant::now();
    let id = ExecutionId::random();
    let events = run(executor, request, id, limits, began).await?;
    Ok(Execution::replayed(id, events))
}

/// All events of an execution. The wall-clock limit holds here, whatever the executor does with it.
pub(super) async fn run<E: PythonExecutor + ?Sized>(
    executor: &E,
    mut request: ExecutionRequest,
    id: ExecutionId,
    limits: Limits,
    began: Instant,
) -> Result<Vec<Event>, ExecutionError> {
    request.limits = resolved(&limits);
    let seed = requested(request)?;
    let start = began.elapsed();
    let answer = async {
        match seed {
            Requested::Code(request) => executor.execute_code(request).await,
            Requested::Function(request) => executor.execute_function(request).await,
        }
    };
    let unanswered = PythonResponse::default;
    let called = Instant::now();
    let (response, outcome) = match tokio::time::timeout(limits.wall, answer).await {
        Ok(Ok(response)) => {
            let outcome = response.told_outcome();
            (response, outcome)
        }
        Ok(Err(error)) => (unanswered(), ended_by(error)?),
        Err(_) => (unanswered(), Outcome::LimitExceeded(Limit::Wall)),
    };
    // An executor that answers by an error, or not at all, has no time of its own to tell.
    let wall = match response.execution_time {
        Duration::ZERO => called.elapsed(),
        told => told,
    };
    let mut report = report(id, outcome, limits, start);
    report.usage = Usage {
        wall,
        memory_peak_bytes: u64::try_from(response.memory_usage).unwrap_or(u64::MAX),
        ..Usage::default()
    };
    let mut events = vec![Event::Started];
    for (stream, text) in [
        (Stream::Stdout, response.stdout),
        (Stream::Stderr, response.stderr),
    ] {
        let captured = CapturedOutput::of(text.as_bytes(), limits.output_bytes);
        for part in [&captured.head, &captured.tail] {
            if !part.is_empty() {
                events.push(Event::Output(stream, part.clone()));
            }
        }
        match stream {
            Stream::Stdout => report.stdout = captured,
            Stream::Stderr => report.stderr = captured,
        }
    }
    events.push(Event::Finished(Box::new(report)));
    Ok(events)
}

/// The limits as a wish, so that the executor learns what holds and not only what was asked for.
fn resolved(limits: &Limits) -> LimitOverrides {
    LimitOverrides {
        wall_ms: Some(engine::limits::millis(limits.wall)),
        memory_bytes: Some(limits.memory_bytes),
        ..Default::default()
    }
}

/// An execution that a policy ended before it started, in the tier that would have confined it.
pub(super) fn rejected(
    findings: Vec<Finding>,
    limits: Limits,
    start: Duration,
    tier: &'static str,
) -> Execution {
    let id = ExecutionId::random();
    let outcome = Outcome::Rejected(findings);
    let report = ExecutionReport {
        tier,
        ..report(id, outcome, limits, start)
    };
    Execution::ended(id, Event::Finished(Box::new(report)))
}

/// A report with an outcome, and nothing measured or left behind.
pub(super) fn report(
    id: ExecutionId,
    outcome: Outcome,
    limits: Limits,
    start: Duration,
) -> ExecutionReport {
    ExecutionReport {
        id,
        outcome,
        exit: None,
        stdout: CapturedOutput::default(),
        stderr: CapturedOutput::default(),
        artifacts: Vec::new(),
        skipped: Vec::new(),
        usage: Usage::default(),
        limits,
        start,
        tier: TIER,
        // It never had a zygote.
        preload: String::new(),
    }
}

fn failed(reason: String) -> ExecutionError {
    ExecutionError::Host {
        operation: "run the program by this executor".to_owned(),
        reason,
    }
}

/// How a program ended whose executor told it by an error of the seed.
///
/// Errors: those that are the executor's own.
fn ended_by(error: PythonError) -> Result<Outcome, ExecutionError> {
    let raised = |kind: &str, message: String| {
        Outcome::Raised(Exception {
            kind: kind.to_owned(),
            message,
            ..Default::default()
        })
    };
    Ok(match error {
        PythonError::TimeoutExceeded => Outcome::LimitExceeded(Limit::Wall),
        PythonError::MemoryLimitExceeded => Outcome::LimitExceeded(Limit::Memory),
        PythonError::ParseError(told) | PythonError::SyntaxError(told) => {
            raised("SyntaxError", told)
        }
        PythonError::ImportError(told) => raised("ImportError", told),
        PythonError::SecurityViolation(message) => Outcome::Rejected(vec![Finding {
            code: "security-violation".to_owned(),
            message,
            span: Span::default(),
            excerpt: String::new(),
            suggestion: None,
        }]),
        PythonError::EnvironmentError(reason) | PythonError::DependencyError(reason) => {
            let fault = Fault::Caller;
            return Err(ExecutionError::Environment { reason, fault });
        }
        PythonError::ExecutionError(reason) | PythonError::InternalError(reason) => {
            return Err(failed(reason));
        }
        PythonError::DatabaseError(error) => return Err(failed(error.to_string())),
    })
}
