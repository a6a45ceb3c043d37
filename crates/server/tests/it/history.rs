//! `GET /v1/executions` over a scripted history, and the same history from behind the socket.

use async_trait::async_trait;
use serde_json::json;
use server::RemoteExecutor;
use stepflow_python::{
    DatabaseError, ExecutionId, ExecutionRecord, ExecutionSummary, HistoryFilter, HistoryPage,
    HistoryService, PythonExecutor, RecordState,
};

use crate::support::served;

const FINISHED: &str = "0b7c1f3e-58a1-4f53-9d5e-2f5b6a1c7d10";
const LOST: &str = "1b7c1f3e-58a1-4f53-9d5e-2f5b6a1c7d10";

/// Has a finished execution and a lost one; reading the environment `broken` fails.
pub(crate) struct Scripted;

fn summary(id: &str, state: RecordState) -> ExecutionSummary {
    let is_finished = state == RecordState::Finished;
    ExecutionSummary {
        id: ExecutionId::parse(id).unwrap(),
        state,
        outcome: is_finished.then(|| "raised".into()),
        detail: is_finished.then(|| "ValueError".into()),
        return_code: is_finished.then_some(1),
        environment: Some("ab".repeat(32)),
        environment_id: None,
        tool: is_finished.then(|| "sums".into()),
        tool_id: is_finished.then(|| LOST.into()),
        policy: "strict".into(),
        started_ms: 1000,
        ended_ms: Some(2000),
        execution_time_ms: is_finished.then_some(3),
        memory_usage_kb: is_finished.then_some(4),
    }
}

fn record() -> ExecutionRecord {
    ExecutionRecord {
        summary: summary(FINISHED, RecordState::Finished),
        source_sha256: "cd".repeat(32),
        source_bytes: 9,
        source: Some("raise ValueError".into()),
        tier: Some("full".into()),
        preload: Some("bare".into()),
        limits: Some(json!({"wall_ms": 5})),
        usage: Some(json!({"cpu_ms": 0.5})),
        artifacts: None,
        function_name: Some("f".into()),
        parameters: Some(json!({"x": [1, null]})),
        result: None,
        stdout: Some("o\n".into()),
        stderr: Some(String::new()),
        exceptions: Some(json!([{"exception_type": "ValueError"}])),
    }
}

#[async_trait]
impl HistoryService for Scripted {
    async fn list(&self, filter: HistoryFilter) -> Result<HistoryPage, DatabaseError> {
        if filter.environment.as_deref() == Some("broken&=") {
            let reason = "disk at /srv/x".into();
            return Err(DatabaseError::Remote { reason });
        }
        let all = [
            summary(FINISHED, RecordState::Finished),
            summary(LOST, RecordState::Lost),
        ];
        let wanted = |one: &ExecutionSummary| filter.state.is_none_or(|state| one.state == state);
        let executions: Vec<_> = all.into_iter().filter(wanted).collect();
        // What was asked for comes back in the cursor, to be looked at.
        let next = format!("{}-{FINISHED}", filter.limit).parse().unwrap();
        Ok(HistoryPage {
            executions,
            next: filter.before.or(Some(next)),
        })
    }

    async fn show(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, DatabaseError> {
        Ok((id.to_string() == FINISHED).then(record))
    }
}

#[tokio::test]
async fn a_lost_execution_is_an_error_to_retry_and_no_outcome() {
    let server = served(|_| {}).await;
    let page = server.get("/v1/executions?state=lost").await;
    assert_eq!(page.status, 200, "{page:?}");
    let page = page.json();
    assert_eq!(page["executions"].as_array().unwrap().len(), 1);
    let lost = &page["executions"][0];
    assert_eq!(lost["outcome"], json!(null));
    assert_eq!(lost["error"]["code"], "execution_lost");
    assert_eq!(lost["error"]["retryable"], true);
    let finished = &server.get("/v1/executions").await.json()["executions"][0];
    assert_eq!(finished["outcome"], "raised");
    assert!(finished.get("error").is_none());
}

#[tokio::test]
async fn a_record_is_shown_whole_and_an_unknown_one_is_not_found() {
    let server = served(|_| {}).await;
    let shown = server.get(&format!("/v1/executions/{FINISHED}")).await;
    let body = shown.json();
    assert_eq!(body["id"], FINISHED);
    assert_eq!(body["parameters"], json!({"x": [1, null]}));
    assert_eq!(body["source"], "raise ValueError");
    for unknown in [LOST, "x"] {
        let answer = server.get(&format!("/v1/executions/{unknown}")).await;
        assert_eq!(answer.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn a_wrong_filter_is_named_and_a_failure_tells_no_path() {
    let server = served(|_| {}).await;
    for (query, named) in [
        ("outcom=raised", "outcom"),
        ("outcome=lost", "`outcome`"),
        ("state=raised", "`state`"),
        ("before=1", "`before`"),
        ("limit=-1", "limit"),
        ("since_ms=now", "since_ms"),
    ] {
        let answer = server.get(&format!("/v1/executions?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let told = answer.json()["error"]["message"].to_string();
        assert!(told.contains(named), "{query}: {told}");
    }
    let broken = server.get("/v1/executions?environment=broken%26%3D").await;
    assert_eq!(broken.status, 500);
    assert_eq!(broken.json()["error"]["retryable"], true);
    assert!(!broken.body.contains("/srv"), "{broken:?}");
}

#[tokio::test]
async fn nobody_reads_without_a_key() {
    let server = served(|_| {}).await;
    for path in ["/v1/executions", &format!("/v1/executions/{FINISHED}")] {
        let answer = server.send(&format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_remote_history_is_the_same_history() {
    let server = served(|_| {}).await;
    let remote = RemoteExecutor::connect(&server.socket)
        .await
        .unwrap()
        .unwrap();
    let history = remote.history().unwrap();
    let filter = HistoryFilter {
        state: Some(RecordState::Lost),
        limit: 7,
        ..Default::default()
    };
    let here = Scripted.list(filter.clone()).await.unwrap();
    assert_eq!(history.list(filter).await.unwrap(), here);
    let id = ExecutionId::parse(FINISHED).unwrap();
    assert_eq!(history.show(id).await.unwrap(), Some(record()));
    let unknown = history.show(ExecutionId::random()).await;
    assert_eq!(unknown.unwrap(), None);
    let broken = HistoryFilter {
        environment: Some("broken&=".into()),
        limit: 1,
        ..Default::default()
    };
    assert!(history.list(broken).await.is_err());
}
