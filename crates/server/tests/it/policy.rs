//! Policy levels and findings over HTTP, there and back.

use serde_json::json;
use server::RemoteExecutor;
use stepflow_python::{ExecutionRequest, Outcome, PythonExecutor, SecurityLevel};

use crate::scripted;
use crate::support::{JSON, served};

#[tokio::test]
async fn a_level_arrives_and_findings_come_back_whole() {
    let server = served(|_| {}).await;
    for (policy, level) in [
        ("", "permissive"),
        (r#","policy":"standard""#, "standard"),
        (r#","policy":"strict""#, "strict"),
    ] {
        let body = format!(r#"{{"source":"level"{policy}}}"#);
        let answer = server.execute(&body).await;
        assert_eq!(answer.status, 200);
        let finding = json!({
            "code": "level", "message": level, "line": 1, "column": 2, "end_line": 3,
            "end_column": 4, "excerpt": "é", "suggestion": "another",
        });
        let outcome = json!({"kind": "rejected", "findings": [finding]});
        assert_eq!(
            (&answer.json()["outcome"], &answer.json()["return_code"]),
            (&outcome, &json!(126))
        );
    }
    assert_eq!(
        server
            .execute(r#"{"source":"","policy":"none"}"#)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_source_is_judged_without_being_run() {
    let server = served(|_| {}).await;
    let validate = async |body: &str| server.send("POST /v1/validate", &JSON, body).await;
    let answer = validate(r#"{"source":"import os\neval('1')","policy":"standard"}"#).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(
        (&body["valid"], &body["policy"]),
        (&json!(false), &json!("standard"))
    );
    assert_eq!(
        body["findings"],
        json!([{
            "code": "blocked-function",
            "message": "`eval` is not allowed: it runs text as code that nobody has checked",
            "line": 2, "column": 1, "end_line": 2, "end_column": 5, "excerpt": "eval",
            "suggestion": "use ast.literal_eval for data",
        }])
    );
    let fine = validate(r#"{"source":"import os"}"#).await.json();
    assert_eq!(
        fine,
        json!({"valid": true, "policy": "permissive", "findings": []})
    );
    for (body, part) in [
        ("{}", "missing field `source`"),
        (r#"{"source":"","policy":"no"}"#, "`policy`: "),
        (r#"{"source":"","x":1}"#, "unknown field"),
    ] {
        let answer = validate(body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains(part),
            "{body}"
        );
    }
    assert_eq!(
        server
            .send(
                "POST /v1/validate",
                &["Content-Type: application/json"],
                "{}"
            )
            .await
            .status,
        401
    );
    assert!(server.scripted.sources.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_remote_executor_tells_what_the_server_says() {
    let server = served(|_| {}).await;
    let executor = RemoteExecutor::connect(&server.socket)
        .await
        .unwrap()
        .unwrap();
    let request = ExecutionRequest {
        source: "level".into(),
        policy: SecurityLevel::Strict,
        ..Default::default()
    };
    let report = executor
        .start(request)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert_eq!(
        report.outcome,
        Outcome::Rejected(vec![scripted::finding("strict")])
    );
    let judged = executor
        .validate("eval(1)", SecurityLevel::Standard)
        .await
        .unwrap();
    assert_eq!(
        (judged.level, judged.findings[0].code.as_str()),
        (SecurityLevel::Standard, "blocked-function")
    );
}
