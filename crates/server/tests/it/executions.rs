//! Executions over HTTP: what is taken, what comes back, and what ends them.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Served, parse, read_to_end, read_until, served};

#[tokio::test]
async fn an_execution_is_answered_whole() {
    let server = served(|_| {}).await;
    let answer = server.execute(r#"{"source":"print(1)"}"#).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let keys: Vec<_> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for key in [
        "id",
        "outcome",
        "return_code",
        "stdout",
        "stderr",
        "value",
        "exception",
        "artifacts",
    ] {
        assert!(keys.contains(&key), "{key}");
    }
    let id = body["id"].as_str().unwrap();
    assert_eq!(body["outcome"], json!({"kind": "completed"}));
    assert_eq!(body["value"], json!({"repr": "1", "json": 1}));
    assert_eq!(body["exception"], Value::Null);
    assert_eq!(body["stdout"], "h\u{e9}\n");
    assert_eq!(
        body["usage"],
        json!({"wall_ms": 1.5, "cpu_ms": 0.25, "memory_peak_bytes": 9})
    );
    assert_eq!(body["timing"], json!({"start_ms": 0.7, "run_ms": 1.5}));
    assert_eq!(
        body["isolation"],
        json!({"tier": "full", "preload": "bare"})
    );
    assert_eq!(body["truncated"], false);
    assert_eq!(body["lossy"], json!({"stdout": false, "stderr": false}));
    assert_eq!(body["limits"]["wall_ms"], 30_000);
    assert_eq!(
        body["artifacts"][0]["url"],
        format!("/v1/executions/{id}/artifacts/dir/p%C3%A4.png")
    );

    let raised = server.execute(r#"{"source":"raise"}"#).await.json();
    assert_eq!(
        (&raised["outcome"]["kind"], &raised["return_code"]),
        (&json!("raised"), &json!(1))
    );
    assert_eq!(raised["exception"]["type"], "ValueError");
    assert_eq!(raised["value"], Value::Null);
    let rejected = server.execute(r#"{"source":"reject"}"#).await.json();
    assert_eq!(
        rejected["outcome"],
        json!({"kind": "rejected", "findings": []})
    );
}

#[tokio::test]
async fn our_own_failures_are_errors_and_never_outcomes() {
    let server = served(|_| {}).await;
    let lost = server.execute(r#"{"source":"fail"}"#).await;
    assert_eq!(lost.status, 500);
    let error = &lost.json()["error"];
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&json!("execution_lost"), &json!(true))
    );
    assert!(error["execution_id"].is_string());
    let busy = server.execute(r#"{"source":"busy"}"#).await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")));
}

#[tokio::test]
async fn a_bad_request_names_its_field_and_runs_nothing() {
    let server = served(|_| {}).await;
    for (body, needle) in [
        (
            r#"{"source":"1","limits":{"wall_ms":-1}}"#,
            "`limits.wall_ms`",
        ),
        (
            r#"{"source":"1","limits":{"wall_ms":1e308}}"#,
            "`limits.wall_ms`",
        ),
        (
            r#"{"source":"1","limits":{"memory_bytes":"1"}}"#,
            "`limits.memory_bytes`",
        ),
        (r#"{"source":"1","privileged":true}"#, "`privileged`"),
        (
            r#"{"source":"1","files":[{"name":"../x","content_base64":""}]}"#,
            "`files[0].name`",
        ),
        (r#"{"source":"\ud800"}"#, "`source`"),
        ("{", "`body`"),
        ("[]", "`body`"),
    ] {
        let answer = server.execute(body).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["retryable"]),
            (400, &json!("bad_request"), &json!(false)),
            "{body}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(needle),
            "{body}: {error}"
        );
    }
    assert!(server.scripted.sources.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_over_its_cap_is_refused_before_and_while_it_comes() {
    let server = served(|_| {}).await;
    let key =
        "Authorization: Bearer the-right-key\r\nHost: localhost\r\nContent-Type: application/json";
    let announced =
        format!("POST /v1/executions HTTP/1.1\r\n{key}\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(parse(&server.raw(announced.as_bytes()).await).status, 413);
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = format!(
        "POST /v1/executions HTTP/1.1\r\n{key}\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunk.repeat(5)
    );
    assert_eq!(parse(&server.raw(chunked.as_bytes()).await).status, 413);
}

#[tokio::test]
async fn events_come_in_order_and_decode_across_chunks() {
    let server = served(|_| {}).await;
    let request = Served::request(
        "print",
        "Accept: text/event-stream\r\nConnection: close\r\n",
    );
    let answer = parse(&server.raw(request.as_bytes()).await);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/event-stream"))
    );
    let events: Vec<(String, Value)> = answer
        .body
        .split_terminator("\n\n")
        .map(|frame| {
            let (event, data) = frame.split_once('\n').unwrap();
            let data = data.strip_prefix("data: ").unwrap();
            (
                event.strip_prefix("event: ").unwrap().to_owned(),
                serde_json::from_str(data).unwrap(),
            )
        })
        .collect();
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["started", "stdout", "stderr", "stdout", "finished"]);
    assert_eq!(events[1].1, json!({"text": "h"}));
    assert_eq!(events[2].1, json!({"text": "e\u{fffd}", "base64": "Zf8="}));
    assert_eq!(events[3].1, json!({"text": "\u{e9}\n"}));
    assert_eq!(events[4].1["outcome"], json!({"kind": "completed"}));
    assert_eq!(events[4].1["id"], events[0].1["id"]);

    let request = Served::request("fail", "Accept: text/event-stream\r\nConnection: close\r\n");
    let failed = parse(&server.raw(request.as_bytes()).await);
    assert!(
        failed
            .body
            .contains("event: error\ndata: {\"code\":\"execution_lost\""),
        "{}",
        failed.body
    );
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive() {
    let server =
        served(|config| config.timeouts.keep_alive = std::time::Duration::from_millis(20)).await;
    let mut stream = server.connect().await;
    stream
        .write_all(Served::request("sleep", "Accept: text/event-stream\r\n").as_bytes())
        .await
        .unwrap();
    read_until(&mut stream, ": still running\n\n").await;
}

#[tokio::test]
async fn a_vanished_client_takes_its_execution_along() {
    let server = served(|_| {}).await;
    for (count, accept) in [(1, ""), (2, "Accept: text/event-stream\r\n")] {
        let mut stream = server.connect().await;
        stream
            .write_all(Served::request("sleep", accept).as_bytes())
            .await
            .unwrap();
        server.scripted.until(&server.scripted.started, count).await;
        if !accept.is_empty() {
            read_until(&mut stream, "first").await;
        }
        drop(stream);
        server.scripted.until(&server.scripted.killed, count).await;
    }
    // Both slots are free again.
    assert_eq!(server.execute(r#"{"source":"1"}"#).await.status, 200);
    let metrics = server.get("/metrics").await.body;
    assert!(
        metrics.contains("hognose_executions_abandoned_total 2\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("hognose_executions_running 0\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_wait_ends() {
    let server = served(|_| {}).await;
    let mut held = Vec::new();
    for count in 1..=2 {
        let mut stream = server.connect().await;
        stream
            .write_all(Served::request("sleep", "").as_bytes())
            .await
            .unwrap();
        server.scripted.until(&server.scripted.started, count).await;
        held.push(stream);
    }
    let mut waiting = server.connect().await;
    waiting
        .write_all(Served::request("1", "Connection: close\r\n").as_bytes())
        .await
        .unwrap();
    while !server
        .get("/metrics")
        .await
        .body
        .contains("hognose_executions_waiting 1\n")
    {}
    let refused = server.execute(r#"{"source":"1"}"#).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(refused.json()["error"]["code"], "queue_full");
    let waited = parse(&read_to_end(&mut waiting).await);
    assert_eq!(
        (waited.status, &waited.json()["error"]["code"]),
        (429, &json!("saturated"))
    );
    drop(held);
}

#[tokio::test]
async fn a_freed_slot_goes_to_who_waits() {
    let server = served(|config| config.queue_wait = std::time::Duration::from_secs(20)).await;
    let mut held = Vec::new();
    for count in 1..=2 {
        let mut stream = server.connect().await;
        stream
            .write_all(Served::request("sleep", "").as_bytes())
            .await
            .unwrap();
        server.scripted.until(&server.scripted.started, count).await;
        held.push(stream);
    }
    let mut waiting = server.connect().await;
    waiting
        .write_all(Served::request("1", "Connection: close\r\n").as_bytes())
        .await
        .unwrap();
    while !server
        .get("/metrics")
        .await
        .body
        .contains("hognose_executions_waiting 1\n")
    {}
    held.pop();
    assert_eq!(parse(&read_to_end(&mut waiting).await).status, 200);
}

#[tokio::test]
async fn an_execution_can_be_cancelled_by_its_id() {
    let server = served(|_| {}).await;
    let mut stream = server.connect().await;
    let request = Served::request(
        "sleep",
        "Accept: text/event-stream\r\nConnection: close\r\n",
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let started = read_until(&mut stream, "first").await;
    let id = started
        .split("\"id\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let key = ["X-API-Key: the-right-key"];
    assert_eq!(
        server
            .send(&format!("DELETE /v1/executions/{id}"), &key, "")
            .await
            .status,
        202
    );
    assert!(
        read_to_end(&mut stream)
            .await
            .contains("\"outcome\":{\"kind\":\"cancelled\"}")
    );
    assert_eq!(
        server
            .send(&format!("DELETE /v1/executions/{id}"), &key, "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn capabilities_have_the_contracts_keys_first() {
    let server = served(|_| {}).await;
    let text = server.get("/capabilities").await.body;
    let order = [
        "{\"pythonVersion\":\"3.11.7\",\"installedPackages\":[{\"name\":\"attrs\"",
        "{\"name\":\"numpy\"",
        "{\"name\":\"Pillow\"",
        "\"limits\":{\"maxConcurrency\":2,\"executionTimeoutSeconds\":30,\"container\":{\"memory\":\"512m\",\"cpus\":",
        "\"pidsLimit\":256}",
        "\"input\":{\"maxFiles\":",
        "\"maxFileBytes\":",
        "\"totalMaxBytes\":",
        "\"output\":{\"maxFiles\":20,\"maxFileBytes\":20971520,\"totalMaxBytes\":",
        "\"allowedExtensions\":[",
        "\"networkPolicy\":{\"executorNetworkMode\":\"none\",\"internetAccess\":false,\"supportsHttpInputFiles\":false,\"supportsPipInstall\":false,\"introspection\":{\"ok\":true,\"error\":null}}",
        "\"isolation\":{\"tier\":\"full\",\"layers\":[{\"name\":\"seccomp\",\"state\":\"enforced\",\"detail\":\"d\",\"meaning\":\"m\",\"mend\":null}",
        "\"executors\":[{\"name\":\"native\",\"versions\":[\"3.11.7\"]}]",
        "\"parsers\":[{\"name\":\"native\",\"features\":[\"imports\"]}]",
    ];
    let mut rest = text.as_str();
    for key in order {
        let at = rest
            .find(key)
            .unwrap_or_else(|| panic!("{key} is missing or too early in {text}"));
        rest = &rest[at + key.len()..];
    }
}
