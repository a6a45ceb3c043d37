//! An executor of one's own behind `/v1/executions`: a request names it and is answered by it.
//!
//! `cargo run -p examples --example custom_executor`

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use server::{Bound, KeyMode, RemoteExecutor, ServerConfig};
use stepflow_python::environment::Environments;
use stepflow_python::{
    CustomPythonExecutor, Engine, EngineConfig, EngineExecutor, ExecutionRequest, Executors,
    Outcome, PythonError, PythonExecutor, PythonRequest, PythonResponse,
};
use tokio::sync::oneshot;

/// Runs nothing: says what it was asked, as a dry run does.
struct DryRun;

#[async_trait]
impl CustomPythonExecutor for DryRun {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        Ok(PythonResponse {
            result: Some(json!({"lines": request.code.lines().count()})),
            stdout: "nothing was run\n".to_owned(),
            ..Default::default()
        })
    }

    fn get_supported_versions(&self) -> Vec<String> {
        vec!["3.9".to_owned(), "3.13".to_owned()]
    }

    fn get_executor_name(&self) -> &str {
        "dry-run"
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let state = tempfile::tempdir()?;
    // A bare interpreter is enough here; `ensure_default` has the scientific stack.
    let environment = Environments::new(state.path()).ensure_bare(None)?;
    let engine = Engine::start(EngineConfig::new(state.path().to_owned(), environment)).await?;
    let executors = Executors::new(Arc::new(EngineExecutor::new(engine)));
    let executors = executors.with_executor(Arc::new(DryRun))?;

    let socket = state.path().join("socket");
    let mut config = ServerConfig::new(state.path().to_owned());
    config.socket = Some(socket.clone());
    config.key = KeyMode::Keyless;
    let (ready, bound) = oneshot::channel::<Bound>();
    let (stop, stopped) = oneshot::channel::<()>();
    let ready = |bound| drop(ready.send(bound));
    let served = tokio::spawn(server::serve(Arc::new(executors), config, ready, stopped));
    bound.await?;

    // A client of the same host; `curl --unix-socket` would do as well.
    let client = RemoteExecutor::connect(&socket)
        .await?
        .ok_or("nobody serves")?;
    for (executor, expected) in [("dry-run", json!({"lines": 2})), ("native", json!(42))] {
        let request = ExecutionRequest {
            source: "x = 6\nx * 7".to_owned(),
            executor: Some(executor.to_owned()),
            ..Default::default()
        };
        let report = client.start(request).await?.finish().await?;
        let Outcome::Completed(value) = report.outcome else {
            return Err(format!("{executor}: {:?}", report.outcome).into());
        };
        assert_eq!(value.json, Some(expected));
        eprintln!("{executor}: {:?}, tier {}", value.json, report.tier);
    }
    drop(stop);
    served.await??;
    Ok(())
}
