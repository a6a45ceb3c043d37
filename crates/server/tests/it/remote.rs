//! A server's own user on its unix socket, through the executor that hides it.

use std::sync::Arc;

use serde_json::value::RawValue;
use server::RemoteExecutor;
use stepflow_python::{
    Call, Entry, Event, Execution, ExecutionId, ExecutionRequest, Fault, FunctionRequest,
    InputFile, LimitOverrides, Outcome, OutputStream, PythonConfig, PythonExecutor, PythonRequest,
    ScriptRequest,
};

use crate::scripted::{self, KNOWN_ID, Scripted};
use crate::support::{Served, served, served_by};

async fn connect(server: &Served) -> Arc<dyn PythonExecutor> {
    Arc::new(
        RemoteExecutor::connect(&server.socket)
            .await
            .unwrap()
            .expect("a server"),
    )
}

async fn start(executor: &Arc<dyn PythonExecutor>, source: &str) -> Execution {
    executor
        .start(ExecutionRequest {
            source: source.to_owned(),
            ..Default::default()
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn no_socket_and_a_dead_one_are_no_server() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("socket");
    assert!(RemoteExecutor::connect(&path).await.unwrap().is_none());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(RemoteExecutor::connect(&path).await.unwrap().is_none());
}

#[tokio::test]
async fn the_facts_of_the_pools_arrive_whole() {
    let server = served(|_| {}).await;
    assert_eq!(connect(&server).await.pools().await, [scripted::pool()]);
}

#[tokio::test]
async fn the_same_events_and_the_same_report_arrive() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    let request = ExecutionRequest {
        source: "print".to_owned(),
        stdin: Some(b"\xff".as_slice().into()),
        files: vec![InputFile {
            name: "a".into(),
            content: "b".into(),
        }],
        limits: LimitOverrides {
            wall_ms: Some(5),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut execution = executor.start(request).await.unwrap();
    let (mut stdout, mut stderr, mut report) = (Vec::new(), Vec::new(), None);
    assert!(matches!(execution.next().await, Some(Event::Started)));
    while let Some(event) = execution.next().await {
        match event {
            Event::Output(OutputStream::Stdout, bytes) => stdout.extend_from_slice(&bytes),
            Event::Output(OutputStream::Stderr, bytes) => stderr.extend_from_slice(&bytes),
            Event::Finished(last) => report = Some(last),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (stdout.as_slice(), stderr.as_slice()),
        ("h\u{e9}\n".as_bytes(), b"e\xff".as_slice())
    );
    let report = report.expect("a report");
    assert_eq!(report.id, execution.id());
    assert!(
        matches!(&report.outcome, Outcome::Completed(value) if value.repr.as_deref() == Some("1"))
    );
    assert_eq!(report.stdout.head, "h\u{e9}\n");
    assert_eq!((report.tier, report.preload.as_str()), ("full", "bare"));
    assert_eq!(report.artifacts[0].name, "dir/p\u{e4}.png");
}

#[tokio::test]
async fn dropping_kills_and_cancelling_brings_a_report() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    drop(start(&executor, "sleep").await);
    server.scripted.until(&server.scripted.killed, 1).await;
    let mut execution = start(&executor, "sleep").await;
    execution.cancel();
    let report = execution.finish().await.unwrap();
    assert_eq!(report.outcome, Outcome::Cancelled);
    server.scripted.until(&server.scripted.cancelled, 1).await;
}

#[tokio::test]
async fn ends_before_a_start_and_failures_keep_their_kind() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    let rejected = start(&executor, "reject").await.finish().await.unwrap();
    assert_eq!(rejected.outcome, Outcome::Rejected(vec![]));
    let lost = start(&executor, "fail").await.finish().await.unwrap_err();
    assert_eq!(
        (lost.code(), lost.fault(), lost.retryable()),
        ("execution_lost", Fault::Host, true)
    );
    let request = ExecutionRequest {
        source: "busy".to_owned(),
        ..Default::default()
    };
    let busy = executor.start(request).await.unwrap_err();
    assert_eq!((busy.code(), busy.fault()), ("saturated", Fault::Capacity));
}

#[tokio::test]
async fn a_server_that_goes_away_is_a_retryable_loss() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    let execution = start(&executor, "sleep").await;
    // As a crash would: nothing is drained.
    server.task.abort();
    let error = execution.finish().await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("execution_lost", true));
    let request = ExecutionRequest {
        source: "1".to_owned(),
        ..Default::default()
    };
    assert!(executor.start(request).await.unwrap_err().retryable());
}

#[tokio::test]
async fn artifacts_capabilities_and_health_come_through() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    let id = ExecutionId::parse(KNOWN_ID).unwrap();
    let artifact = executor.artifact(id, "dir/p\u{e4}.png").await.unwrap();
    assert_eq!(
        (
            artifact.content.as_ref(),
            artifact.artifact.media_type.as_str()
        ),
        (b"<script>".as_slice(), "image/png")
    );
    assert_eq!(artifact.artifact.sha256, "ab".repeat(32));
    assert!(executor.artifact(id, "nothing").await.is_none());
    let capabilities = executor.capabilities();
    assert_eq!(
        (
            capabilities.python_version.as_str(),
            capabilities.max_concurrency
        ),
        ("3.11.7", 2)
    );
    assert_eq!(capabilities.limits, stepflow_python::LimitPolicy::default());
    assert_eq!(
        capabilities.isolation.layers[1].mend.as_deref(),
        Some("mend it")
    );
    assert_eq!(executor.health().await, Ok(()));
    let sick = served_by(
        Scripted {
            sick: true,
            ..Default::default()
        },
        |_| {},
    )
    .await;
    let reason = connect(&sick).await.health().await.unwrap_err();
    assert!(
        reason.contains("/srv/kit"),
        "the owner is told all: {reason}"
    );
}

#[tokio::test]
async fn the_seeds_methods_work_through_start() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    let code = PythonRequest {
        code: "raise".to_owned(),
        ..Default::default()
    };
    let raised = executor.execute_code(code).await.unwrap();
    assert_eq!(
        (
            raised.return_code,
            raised.exceptions[0].exception_type.as_str()
        ),
        (1, "ValueError")
    );
    let function = FunctionRequest {
        code: "def f(): pass".into(),
        function_name: "f".into(),
        ..Default::default()
    };
    let called = executor.execute_function(function).await.unwrap();
    assert_eq!(called.result, Some(1.into()));
    let script = server.state.path().join("script.py");
    std::fs::write(&script, "print(2)").unwrap();
    let script = ScriptRequest {
        script_path: script.to_str().unwrap().to_owned(),
        ..Default::default()
    };
    assert_eq!(
        executor.execute_script(script).await.unwrap().stdout,
        "h\u{e9}\n"
    );
    let sources = server.scripted.sources.lock().unwrap().clone();
    assert_eq!(sources, ["raise", "def f(): pass", "print(2)"]);
    let entries = server.scripted.entries.lock().unwrap().clone();
    assert_eq!(
        entries,
        [
            "\"source\" None None",
            r#"{"function":"f","args":[],"kwargs":{}} None None"#,
            r#"{"script":"script.py"} None None"#,
        ]
    );
    let wanted = |version: &str, package: &str| PythonConfig {
        python_version: Some(version.to_owned()),
        dependencies: vec![package.to_owned()],
        ..Default::default()
    };
    for (version, package, valid) in [
        ("3.11", "pillow>=1", true),
        ("3.11", "pillow>=9", false),
        ("3.1", "numpy", false),
        ("3.11.7", "torch", false),
    ] {
        let result = executor
            .validate_environment(&wanted(version, package))
            .await
            .unwrap();
        assert_eq!(
            result.is_valid, valid,
            "{version} {package}: {:?}",
            result.errors
        );
    }
}

#[tokio::test]
async fn what_is_run_arrives_to_the_digit() {
    let server = served(|_| {}).await;
    let executor = connect(&server).await;
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let call = Call {
        function: "A.f".into(),
        args: vec![raw("1.10"), raw("123456789012345678901234567890")],
        kwargs: [("k".to_owned(), raw("{\"a\":[]}"))].into(),
    };
    for (entry, source) in [
        (Entry::Function(call), "print"),
        (
            Entry::Globals([("x".to_owned(), raw("0.1"))].into()),
            "print",
        ),
        (Entry::Script("a/b.py".into()), "print"),
        (Entry::Module("a.b".into()), ""),
    ] {
        let request = ExecutionRequest {
            source: source.to_owned(),
            entry,
            directory: Some("d".into()),
            executor: Some("e".into()),
            files: vec![InputFile {
                name: "a/c.py".into(),
                content: "".into(),
            }],
            ..Default::default()
        };
        executor
            .start(request)
            .await
            .unwrap()
            .finish()
            .await
            .unwrap();
    }
    let entries = server.scripted.entries.lock().unwrap().clone();
    let kwargs = r#""kwargs":{"k":{"a":[]}}}"#;
    let expected = [
        &format!(r#"{{"function":"A.f","args":[1.10,123456789012345678901234567890],{kwargs}"#),
        r#"{"globals":{"x":0.1}}"#,
        r#"{"script":"a/b.py"}"#,
        r#"{"module":"a.b"}"#,
    ];
    let expected = expected.map(|entry| format!(r#"{entry} Some("d") Some("e")"#));
    assert_eq!(entries, expected);
}
