//! `/v1/tools` over tools in memory and a scripted executor, and the same from behind the socket.

use std::sync::Arc;

use server::RemoteExecutor;
use stepflow_python::{PythonExecutor, ToolError, ToolOrder, ToolService, ToolSettings};
use tokio::io::AsyncWriteExt;

use crate::scripted::{Handle, Scripted};
use crate::support::{JSON, Served, served, served_with};

const TOOL: &str = r#"{"name": "sums", "version": "1.2", "source": "def add(a: int, b: int = 2):\n    '''Adds.'''\ndef other(): pass", "policy": "strict", "packages": ["numpy"], "limits": {"wall_ms": 5000}}"#;

async fn add(server: &Served, body: &str) -> crate::support::Answer {
    server.send("POST /v1/tools", &JSON, body).await
}

async fn call(server: &Served, path: &str, body: &str) -> crate::support::Answer {
    server
        .send(&format!("POST /v1/tools/{path}"), &JSON, body)
        .await
}

#[tokio::test]
async fn a_tool_is_registered_shown_called_and_removed() {
    let server = served(|_| {}).await;
    let added = add(&server, TOOL).await;
    assert_eq!(added.status, 201, "{added:?}");
    let shown = server.get("/v1/tools/sums").await.json();
    assert_eq!(shown, added.json());
    assert_eq!(
        (&shown["version"], &shown["policy"]),
        (&"1.2.0".into(), &"strict".into())
    );
    assert_eq!(
        (&shown["packages"][0], &shown["limits"]["wall_ms"]),
        (&"numpy".into(), &5000.into())
    );
    let function = &shown["functions"][0];
    assert_eq!(
        (&function["name"], &function["description"]),
        (&"add".into(), &"Adds.".into())
    );
    assert_eq!(function["parameters"]["required"][0], "a");
    assert_eq!(function["parameters"]["properties"]["b"]["default"], 2);
    let listed = server.get("/v1/tools").await.json();
    assert_eq!(listed[0]["functions"][1], "other");

    let called = call(&server, "sums/functions/add", r#"{"arguments": {"a": 1}}"#).await;
    assert_eq!(called.status, 200, "{called:?}");
    assert_eq!(called.json()["outcome"]["kind"], "completed");
    let events = [JSON[0], JSON[1], "Accept: text/event-stream"];
    let line = "POST /v1/tools/sums/functions/other";
    let streamed = server.send(line, &events, "{}").await;
    assert!(streamed.body.contains("event: finished"), "{streamed:?}");
    {
        let requests = server.scripted.requests.lock().unwrap();
        let request = format!("{:?}", requests[0]);
        for part in [
            "Strict",
            "wall_ms: Some(5000)",
            "numpy",
            "function: \"add\"",
        ] {
            assert!(request.contains(part), "{part}: {request}");
        }
    }
    let gone = server.send("DELETE /v1/tools/sums", &JSON[..1], "").await;
    assert_eq!(gone.status, 204);
    assert_eq!(server.get("/v1/tools/sums").await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_has_its_status_and_its_code_and_starts_nothing() {
    let server = served(|_| {}).await;
    assert_eq!(add(&server, TOOL).await.status, 201);
    let named = |name: &str| format!(r#"{{"name": "{name}", "source": "def f(): pass"}}"#);
    for (body, status, code, part) in [
        (named("a b"), 400, "bad_request", "`name`"),
        (named("../x"), 400, "bad_request", "`name`"),
        (named("é"), 400, "bad_request", "`name`"),
        (r#"{"name": "x"}"#.to_owned(), 400, "bad_request", "source"),
        (
            r#"{"name": "x", "source": "", "kind": 1}"#.to_owned(),
            400,
            "bad_request",
            "kind",
        ),
        (
            r#"{"name": "x", "source": "def f(): pass", "version": "v1"}"#.to_owned(),
            400,
            "bad_request",
            "`version`",
        ),
        (
            r#"{"name": "x", "source": "x = 1"}"#.to_owned(),
            400,
            "tool_refused",
            "no public function",
        ),
        (
            r#"{"name": "x", "source": "import os\ndef f(): pass", "policy": "strict"}"#.to_owned(),
            422,
            "tool_rejected",
            "`os`",
        ),
        (
            r#"{"name": "x", "source": "def f(:"}"#.to_owned(),
            422,
            "tool_rejected",
            "line 1",
        ),
        (named("sums"), 409, "tool_exists", "1.2.0"),
    ] {
        let answer = add(&server, &body).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, error["code"].as_str()),
            (status, Some(code)),
            "{body} {error}"
        );
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    for (path, body, status, code, part) in [
        (
            "sums/functions/add",
            "{}",
            400,
            "bad_arguments",
            "`add` needs the argument `a`",
        ),
        (
            "sums/functions/add",
            r#"{"arguments": {"a": "1"}}"#,
            400,
            "bad_arguments",
            "the argument `a`",
        ),
        (
            "sums/functions/add",
            r#"{"arguments": []}"#,
            400,
            "bad_request",
            "`arguments`",
        ),
        (
            "sums/functions/add",
            r#"{"argument": {}}"#,
            400,
            "bad_request",
            "argument",
        ),
        (
            "sums/functions/sub",
            "{}",
            404,
            "unknown_function",
            "it has `add`, `other`",
        ),
        (
            "sums/functions/__import__",
            "{}",
            404,
            "unknown_function",
            "`__import__`",
        ),
        ("none/functions/add", "{}", 404, "unknown_tool", "`none`"),
        ("%ff/functions/add", "{}", 404, "not_found", ""),
        ("..%2f/functions/add", "{}", 404, "unknown_tool", ""),
    ] {
        let answer = call(&server, path, body).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, error["code"].as_str()),
            (status, Some(code)),
            "{path} {body} {error}"
        );
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    let deep = format!(
        r#"{{"arguments": {{"a": {}1{}}}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(call(&server, "sums/functions/add", &deep).await.status, 400);
    let huge = format!(r#"{{"name": "x", "source": "{}"}}"#, "x".repeat(300 * 1024));
    assert_eq!(add(&server, &huge).await.status, 413);
    assert_eq!(
        server.scripted.requests.lock().unwrap().len(),
        0,
        "nothing started"
    );
    let unauthorised = server.send("GET /v1/tools", &[], "").await;
    assert_eq!(unauthorised.status, 401);
}

#[tokio::test]
async fn a_call_waits_for_a_slot_like_any_execution() {
    let server = served(|_| {}).await;
    assert_eq!(add(&server, TOOL).await.status, 201);
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(Served::request("sleep", "").as_bytes())
            .await
            .unwrap();
        busy.push(stream);
    }
    server.scripted.until(&server.scripted.started, 2).await;
    let refused = call(&server, "sums/functions/other", "{}").await;
    assert_eq!(refused.status, 429, "{refused:?}");
}

#[tokio::test]
async fn remote_tools_are_the_same_tools() {
    let server = served(|_| {}).await;
    let remote = RemoteExecutor::connect(&server.socket)
        .await
        .unwrap()
        .unwrap();
    let tools = remote.tools().unwrap();
    let order = ToolOrder {
        name: "sums".parse().unwrap(),
        version: None,
        description: Some("Sums.".into()),
        source: "def add(a: int, *b: int, **c: str): pass".into(),
        settings: ToolSettings {
            environment: Some("0b7c1f3e".into()),
            packages: vec!["numpy".into()],
            ..ToolSettings::default()
        },
        replace: true,
    };
    let added = tools.add(order.clone()).await.unwrap();
    assert_eq!(
        (&added.description, &added.settings),
        (order.description.as_ref().unwrap(), &order.settings)
    );
    let found = tools.find("sums").await.unwrap();
    assert_eq!(
        found,
        server.tools().find("sums").await.unwrap(),
        "schemas and all"
    );
    assert_eq!(found, added);
    let all = tools.list().await.unwrap();
    assert_eq!((all.len(), all[0].functions[0].as_str()), (1, "add"));
    let arguments = serde_json::from_str(r#"{"a": 1, "b": [2], "z": "x"}"#).unwrap();
    let request = found.call("add", arguments).unwrap();
    let report = remote.start(request).await.unwrap().finish().await.unwrap();
    assert_eq!(report.outcome.kind(), "completed");
    tools.remove("sums").await.unwrap();
    for name in ["sums", "../capabilities", "a/b", ""] {
        let told = tools.find(name).await;
        assert!(
            matches!(told, Err(ToolError::Refused(_) | ToolError::Remote(_))),
            "{name}: {told:?}"
        );
    }
}

#[tokio::test]
async fn without_records_there_are_no_tools_and_the_answer_says_so() {
    let scripted = Arc::new(Scripted::default());
    let executor = Arc::new(Handle(Arc::clone(&scripted)));
    let server = served_with(executor, scripted, |_| {}).await;
    let listed = server.get("/v1/tools").await;
    for answer in [listed, add(&server, TOOL).await] {
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, error["code"].as_str()),
            (404, Some("records_off"))
        );
    }
}
