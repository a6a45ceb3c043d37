//! Executors and parsers of an embedder, under the one trait that doors know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stepflow_python::{
    Call, CustomPythonExecutor, CustomPythonParser, Entry, Event, ExecutionError, ExecutionRequest,
    Executors, Fault, LimitOverrides, NATIVE, Outcome, OutputStream, PythonError, PythonException,
    PythonExecutor, PythonModule, PythonParser, PythonParserImpl, PythonRequest, PythonResponse,
    SecurityLevel,
};

use crate::support::{Bench, bench, bench_with};

/// Answers with what it was asked, and never ends when asked to wait.
#[derive(Default)]
pub(crate) struct Echo {
    waits: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
}

struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl CustomPythonExecutor for Echo {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        match request.code.as_str() {
            "wait" => {
                let _flag = Flag(Arc::clone(&self.dropped));
                self.waits.store(true, Ordering::SeqCst);
                std::future::pending().await
            }
            "level" => Ok(PythonResponse {
                result: Some(json!(request.security_level.name())),
                stdout: format!("{}end", "x".repeat(300_000)),
                ..Default::default()
            }),
            "late" => Err(PythonError::TimeoutExceeded),
            "broken" => Err(PythonError::InternalError("no wire".into())),
            "raise" => Ok(PythonResponse {
                return_code: 1,
                exceptions: vec![PythonException {
                    exception_type: "Oops".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            code => Ok(PythonResponse {
                result: Some(json!([code, request.function_name, request.parameters])),
                stdout: "out".into(),
                ..Default::default()
            }),
        }
    }

    fn get_supported_versions(&self) -> Vec<String> {
        vec!["3.12".into()]
    }

    fn get_executor_name(&self) -> &str {
        "echo"
    }
}

struct Numpy;

#[async_trait]
impl CustomPythonParser for Numpy {
    async fn parse_code(&self, _: &str) -> Result<PythonModule, PythonError> {
        PythonParserImpl::default().parse_code("import numpy").await
    }

    fn get_supported_features(&self) -> Vec<String> {
        vec!["imports".into()]
    }

    fn get_parser_name(&self) -> &str {
        "numpy-only"
    }
}

pub(crate) fn named(name: &str, source: &str) -> ExecutionRequest {
    ExecutionRequest {
        source: source.into(),
        executor: Some(name.into()),
        ..Default::default()
    }
}

/// The bench has the state of the engine, so it is kept.
async fn executors() -> (Executors, Bench) {
    let bench = bench().await;
    let executors = Executors::new(Arc::new(bench.executor.clone()));
    let executors = executors.with_executor(Arc::new(Echo::default()));
    (executors.unwrap(), bench)
}

async fn outcome(executors: &Executors, request: ExecutionRequest) -> Outcome {
    let execution = executors.start(request).await.unwrap();
    execution.finish().await.unwrap().outcome
}

#[tokio::test]
async fn a_request_names_who_runs_it() {
    let (executors, _bench) = executors().await;
    let mut execution = executors.start(named("echo", "x")).await.unwrap();
    assert!(matches!(execution.next().await, Some(Event::Started)));
    let Some(Event::Output(OutputStream::Stdout, bytes)) = execution.next().await else {
        panic!("it printed")
    };
    assert_eq!(bytes, "out");
    let report = execution.finish().await.unwrap();
    assert_eq!(report.stdout.head, "out");
    assert_eq!(report.tier, "custom");
    let Outcome::Completed(value) = report.outcome else {
        panic!("it completed")
    };
    assert_eq!(value.json, Some(json!(["x", null, {}])));
    let native = outcome(&executors, named(NATIVE, "6 * 7")).await;
    assert!(matches!(native, Outcome::Completed(value) if value.json == Some(json!(42))));
    let Err(error) = executors.start(named("nobody", "x")).await else {
        panic!("nobody has that name")
    };
    assert_eq!(
        error.to_string(),
        "there is no executor `nobody`; there are `native`, `echo`"
    );
    assert_eq!(
        (error.fault(), error.code()),
        (Fault::Caller, "no_such_executor")
    );
    let Err(error) = bench().await.executor.start(named("echo", "x")).await else {
        panic!("nobody registered it")
    };
    assert_eq!(
        error.to_string(),
        "there is no executor `echo`; there are `native`"
    );
}

#[tokio::test]
async fn head_and_tail_of_long_output_are_events() {
    let (executors, _bench) = executors().await;
    let limits = LimitOverrides {
        output_bytes: Some(10_000),
        ..Default::default()
    };
    let request = ExecutionRequest {
        limits,
        ..named("echo", "level")
    };
    let mut execution = executors.start(request).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = execution.next().await {
        match event {
            Event::Output(_, bytes) => seen.extend_from_slice(&bytes),
            Event::Finished(report) => {
                assert!(report.stdout.dropped_bytes > 0, "nothing was dropped");
                break;
            }
            Event::Started => {}
            Event::Failed(error) => panic!("{error}"),
        }
    }
    assert!(seen.ends_with(b"end"));
}

#[tokio::test]
async fn the_configuration_chooses_for_those_who_name_nobody() {
    let (executors, _bench) = executors().await;
    let executors = executors.choose_executor("echo").unwrap();
    let request = PythonRequest {
        code: "x".into(),
        function_name: Some("f".into()),
        parameters: [("a".to_owned(), json!(1))].into(),
        ..Default::default()
    };
    let response = executors.execute_code(request).await.unwrap();
    assert_eq!(response.result, Some(json!(["x", "f", {"a": 1}])));
    let native = outcome(&executors, named(NATIVE, "1")).await;
    assert!(matches!(native, Outcome::Completed(value) if value.json == Some(json!(1))));
    let refused = executors.choose_executor("else").unwrap_err().to_string();
    assert_eq!(
        refused,
        "there is no executor `else`; there are `native`, `echo`"
    );
}

#[tokio::test]
async fn its_ends_are_outcomes_and_its_failures_are_errors() {
    let (executors, _bench) = executors().await;
    let late = outcome(&executors, named("echo", "late")).await;
    assert_eq!(late.return_code(), 124);
    let raised = outcome(&executors, named("echo", "raise")).await;
    assert!(matches!(raised, Outcome::Raised(raised) if raised.kind == "Oops"));
    let execution = executors.start(named("echo", "broken")).await.unwrap();
    let error = execution.finish().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run the program by this executor: no wire"
    );
    assert_eq!(error.fault(), Fault::Host);
}

#[tokio::test]
async fn what_it_cannot_be_told_is_refused() {
    let (executors, _bench) = executors().await;
    let call = Call {
        function: "f".into(),
        args: vec![serde_json::value::RawValue::from_string("1".into()).unwrap()],
        kwargs: Default::default(),
    };
    let scripts = Entry::Script("a.py".into());
    for (request, told) in [
        (
            ExecutionRequest {
                args: vec!["a".into()],
                ..named("echo", "x")
            },
            "no arguments",
        ),
        (
            ExecutionRequest {
                directory: Some("d".into()),
                ..named("echo", "x")
            },
            "no files",
        ),
        (
            ExecutionRequest {
                entry: scripts,
                ..named("echo", "x")
            },
            "no scripts",
        ),
        (
            ExecutionRequest {
                entry: Entry::Function(call),
                ..named("echo", "x")
            },
            "by keyword only",
        ),
    ] {
        let execution = executors.start(request).await.unwrap();
        let error = execution.finish().await.unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[tokio::test]
async fn policy_limit_and_cancellation_bind_it_too() {
    let native = bench().await.executor.with_floor(SecurityLevel::Strict);
    let echo = Echo::default();
    let (waits, dropped) = (Arc::clone(&echo.waits), Arc::clone(&echo.dropped));
    let executors = Executors::new(Arc::new(native))
        .with_executor(Arc::new(echo))
        .unwrap();
    let rejected = outcome(&executors, named("echo", "import os")).await;
    assert!(matches!(rejected, Outcome::Rejected(_)), "{rejected:?}");
    let limits = LimitOverrides {
        wall_ms: Some(50),
        ..Default::default()
    };
    let timed = ExecutionRequest {
        limits,
        ..named("echo", "wait")
    };
    let timed = executors
        .start(timed)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert_eq!(timed.outcome.return_code(), 124);
    assert!(
        timed.usage.wall >= Duration::from_millis(50),
        "{:?}",
        timed.usage
    );
    let level = outcome(&executors, named("echo", "level")).await;
    assert!(
        matches!(&level, Outcome::Completed(value) if value.json == Some(json!("strict"))),
        "{level:?}"
    );
    assert!(dropped.swap(false, Ordering::SeqCst));
    let mut execution = executors.start(named("echo", "wait")).await.unwrap();
    execution.cancel();
    assert_eq!(
        execution.finish().await.unwrap().outcome,
        Outcome::Cancelled
    );
    waits.store(false, Ordering::SeqCst);
    let waiting = executors.start(named("echo", "wait")).await.unwrap();
    until(&waits).await;
    dropped.store(false, Ordering::SeqCst);
    drop(waiting);
    until(&dropped).await;
}

/// Waits until it is so.
async fn until(flag: &AtomicBool) {
    let wait = async {
        while !flag.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), wait);
    in_time.await.unwrap();
}

#[tokio::test]
async fn names_are_unique_and_all_are_listed() {
    let (executors, _bench) = executors().await;
    let taken = executors
        .with_executor(Arc::new(Echo::default()))
        .unwrap_err();
    assert_eq!(
        taken.to_string(),
        "the name `echo` is taken by another executor"
    );
    let native = Arc::new(bench().await.executor);
    let executors = Executors::new(native)
        .with_executor(Arc::new(Echo::default()))
        .unwrap();
    let executors = executors.with_parser(Arc::new(Numpy)).unwrap();
    let all = executors.capabilities();
    let names: Vec<_> = all.executors.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, [NATIVE, "echo"]);
    assert_eq!(all.executors[1].versions, ["3.12"]);
    assert_eq!(all.parsers[1].name, "numpy-only");
    assert_eq!(all.parsers[1].features, ["imports"]);
    assert!(executors.parser("numpy-only").is_some());
    assert!(executors.choose_parser("no").is_err());
}

#[tokio::test]
async fn a_chosen_parser_says_what_a_source_imports() {
    let native = bench_with(&["numpy", "numpy/linalg", "numpy/random", "numpy/fft"]).await;
    let executors = Executors::new(Arc::new(native.executor))
        .with_parser(Arc::new(Numpy))
        .unwrap();
    let preload = async |executors: &Executors| {
        let execution = executors.start(named(NATIVE, "1")).await.unwrap();
        execution.finish().await.unwrap().preload
    };
    assert_eq!(preload(&executors).await, "bare");
    let executors = executors.choose_parser("numpy-only").unwrap();
    assert_eq!(preload(&executors).await, "numpy");
}

/// An executor with the seed's methods alone.
struct Seed;

#[async_trait]
impl PythonExecutor for Seed {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        Echo::default().execute_code(request).await
    }

    async fn execute_function(
        &self,
        request: stepflow_python::FunctionRequest,
    ) -> Result<PythonResponse, PythonError> {
        let result = Some(json!(request.args));
        Ok(PythonResponse {
            result,
            ..Default::default()
        })
    }

    async fn execute_script(
        &self,
        _: stepflow_python::ScriptRequest,
    ) -> Result<PythonResponse, PythonError> {
        Err(PythonError::InternalError("none".into()))
    }

    async fn validate_environment(
        &self,
        _: &stepflow_python::PythonConfig,
    ) -> Result<stepflow_python::ValidationResult, PythonError> {
        Ok(Default::default())
    }
}

#[tokio::test]
async fn the_seeds_methods_alone_make_an_executor() {
    let execution = Seed.start(named("x", "code")).await.unwrap();
    let report = execution.finish().await.unwrap();
    let Outcome::Completed(value) = report.outcome else {
        panic!("it completed")
    };
    assert_eq!(value.json, Some(json!(["code", null, {}])));
    let call = Call {
        function: "f".into(),
        args: vec![serde_json::value::RawValue::from_string("[1.5]".into()).unwrap()],
        kwargs: Default::default(),
    };
    let request = ExecutionRequest {
        entry: Entry::Function(call),
        ..Default::default()
    };
    let report = Seed.start(request).await.unwrap().finish().await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::Completed(value) if value.json == Some(json!([[1.5]])))
    );
    let Err(error) = Seed.start(named("x", "broken")).await else {
        panic!("it fails")
    };
    assert!(matches!(error, ExecutionError::Host { .. }));
}
