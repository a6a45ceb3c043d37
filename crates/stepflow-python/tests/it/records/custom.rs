//! What an embedder's executor runs is recorded and counted like everything else.

use std::sync::Arc;

use serde_json::json;
use stepflow_python::{
    Event, ExecutionRecord, ExecutionRequest, Executors, LimitOverrides, PythonExecutor,
    RecordState, SecurityLevel,
};

use super::{Fresh, all, postgres, recording, sqlite, until};
use crate::custom::{Echo, named};

async fn each_end_is_recorded(fresh: Fresh) {
    let (bench, _recorder) = recording(&fresh).await;
    let executors = Executors::new(Arc::new(bench.executor.clone()));
    let executors = executors.with_executor(Arc::new(Echo::default())).unwrap();
    let history = executors.history().unwrap();
    let strict = ExecutionRequest {
        policy: SecurityLevel::Strict,
        ..named("echo", "import os")
    };
    let brief = ExecutionRequest {
        limits: LimitOverrides {
            wall_ms: Some(70),
            ..Default::default()
        },
        ..named("echo", "wait")
    };
    let recorded = async |request: ExecutionRequest| -> ExecutionRecord {
        let execution = executors.start(request).await.unwrap();
        let id = execution.id();
        // A failure of the executor is its last event.
        let _ = execution.finish().await;
        history.show(id).await.unwrap().unwrap()
    };
    for (request, outcome, detail, code) in [
        (named("echo", "x"), Some("completed"), None, Some(0)),
        (
            named("echo", "raise"),
            Some("raised"),
            Some("Oops"),
            Some(1),
        ),
        (strict, Some("rejected"), Some("blocked-import"), Some(126)),
        (brief, Some("limit_exceeded"), Some("wall"), Some(124)),
        (named("echo", "broken"), None, Some("host_error"), None),
    ] {
        let source = request.source.clone();
        let record = recorded(request).await;
        let summary = &record.summary;
        let state = match outcome {
            Some(_) => RecordState::Finished,
            None => RecordState::Failed,
        };
        assert_eq!(summary.state, state, "{source}");
        assert_eq!(summary.outcome.as_deref(), outcome, "{source}");
        assert_eq!(summary.detail.as_deref(), detail, "{source}");
        assert_eq!(summary.return_code, code, "{source}");
        assert_eq!(record.source, Some(source));
    }
    let completed = recorded(named("echo", "x")).await;
    assert_eq!(completed.tier.as_deref(), Some("custom"));
    assert_eq!(completed.result, Some(json!(["x", null, {}])));
    assert_eq!(completed.stdout.as_deref(), Some("out"));
    // Nobody has measured or enforced these.
    assert_eq!((completed.usage, completed.preload), (None, None));
    let summary = completed.summary;
    assert_eq!((summary.memory_usage_kb, summary.environment), (None, None));
    let limits = completed.limits.unwrap();
    assert_eq!(limits["wall_ms"], 30_000);
    assert!(limits.get("memory_bytes").is_none(), "{limits}");

    let mut waiting = executors.start(named("echo", "wait")).await.unwrap();
    until(&*history, RecordState::Running).await;
    waiting.cancel();
    let cancelled = waiting.id();
    waiting.finish().await.unwrap();
    let record = history.show(cancelled).await.unwrap().unwrap();
    assert_eq!(record.summary.outcome.as_deref(), Some("cancelled"));
    assert!(
        record.summary.execution_time_ms.unwrap() >= 50,
        "{record:?}"
    );

    let metrics = bench.executor.monitoring().metrics();
    let page = history.list(all()).await.unwrap().executions;
    let ended = page.iter().filter(|one| one.outcome.is_some()).count();
    assert_eq!((page.len(), ended), (7, 6));
    assert_eq!(metrics.total_executions, 6, "{metrics:?}");
    assert_eq!(metrics.memory_usage, 0, "none was told");
}

#[tokio::test]
async fn each_end_of_a_custom_executor_is_recorded_in_sqlite() {
    each_end_is_recorded(sqlite().await).await;
}

#[tokio::test]
async fn each_end_of_a_custom_executor_is_recorded_in_postgres() {
    if let Some(fresh) = postgres().await {
        each_end_is_recorded(fresh).await;
    }
}

#[tokio::test]
async fn a_custom_execution_whose_caller_went_away_is_cancelled() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let executors = Executors::new(Arc::new(bench.executor.clone()));
    let executors = executors.with_executor(Arc::new(Echo::default())).unwrap();
    let history = executors.history().unwrap();
    let mut execution = executors.start(named("echo", "x")).await.unwrap();
    let id = execution.id();
    assert!(matches!(execution.next().await, Some(Event::Started)));
    drop(execution);
    until(&*history, RecordState::Finished).await;
    let record = history.show(id).await.unwrap().unwrap();
    assert_eq!(record.summary.detail.as_deref(), Some("abandoned"));
}
