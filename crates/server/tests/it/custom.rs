//! An executor of an embedder behind `/v1/executions`.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use stepflow_python::{
    CustomPythonExecutor, Executors, PythonError, PythonRequest, PythonResponse,
};

use crate::scripted::{Handle, Scripted};
use crate::support::{Served, served_with};

struct Upper;

#[async_trait]
impl CustomPythonExecutor for Upper {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        Ok(PythonResponse {
            result: Some(json!({"function": request.function_name, "with": request.parameters})),
            stdout: request.code.to_uppercase(),
            ..Default::default()
        })
    }

    fn get_supported_versions(&self) -> Vec<String> {
        vec!["3.13".into()]
    }

    fn get_executor_name(&self) -> &str {
        "upper"
    }
}

async fn served() -> Served {
    let scripted = Arc::new(Scripted::default());
    let native = Arc::new(Handle(Arc::clone(&scripted)));
    let executors = Executors::new(native)
        .with_executor(Arc::new(Upper))
        .unwrap();
    served_with(Arc::new(executors), scripted, |_| {}).await
}

#[tokio::test]
async fn a_request_names_its_executor() {
    let server = served().await;
    let body = r#"{"source":"x","executor":"upper","function":{"name":"f","kwargs":{"a":1}}}"#;
    let answer = server.execute(body).await.json();
    assert_eq!(answer["outcome"]["kind"], "completed");
    assert_eq!(answer["stdout"], "X");
    assert_eq!(
        answer["value"]["json"],
        json!({"function": "f", "with": {"a": 1}})
    );
    assert_eq!(answer["isolation"]["tier"], "custom");
    let native = server
        .execute(r#"{"source":"print","executor":"native"}"#)
        .await
        .json();
    assert_eq!(native["isolation"]["tier"], "full");
    let capabilities = server.get("/capabilities").await.json();
    let expected = json!([
        {"name": "native", "versions": ["3.11.7"]},
        {"name": "upper", "versions": ["3.13"]},
    ]);
    assert_eq!(capabilities["executors"], expected);
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_those_there_are() {
    let server = served().await;
    let answer = server.execute(r#"{"source":"x","executor":"lower"}"#).await;
    assert_eq!(answer.status, 400);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "no_such_executor");
    let told = "there is no executor `lower`; there are `native`, `upper`";
    assert_eq!(error["message"], told);
    let bad = server
        .execute(r#"{"source":"","function":{"name":"f()"},"executor":"upper"}"#)
        .await;
    assert_eq!(
        (bad.status, bad.json()["error"]["code"].as_str()),
        (400, Some("bad_entry"))
    );
    let metrics = server.get("/metrics").await.body;
    let none = "\nhognose_executions_failed_total 0\n";
    assert!(metrics.contains(none), "{metrics}");
}
