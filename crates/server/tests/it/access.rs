//! Who is let in, and what everyone else is told.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use server::{ConfigError, KeyMode, RemoteExecutor, ServeError, ServerConfig};
use stepflow_python::PythonExecutor;

use crate::scripted::{self, Handle, Scripted};
use crate::support::{JSON, KEY, Served, served, served_by};

const PATHS: [&str; 7] = [
    "GET /v1/pools",
    "GET /capabilities",
    "GET /metrics",
    "GET /v1/executions/6fa459ea-ee8a-4ca4-894e-db77e160355e/artifacts/x.html",
    "GET /nothing",
    "PUT /capabilities",
    "DELETE /v1/executions/6fa459ea-ee8a-4ca4-894e-db77e160355e",
];

#[tokio::test]
async fn no_route_but_health_is_open() {
    let server = served(|_| {}).await;
    let expected = server
        .send(
            "POST /v1/executions",
            &["Content-Type: application/json"],
            "{}",
        )
        .await;
    assert_eq!(expected.status, 401);
    assert_eq!(expected.header("www-authenticate"), Some("Bearer"));
    assert_eq!(expected.json()["error"]["code"], "unauthorized");
    for path in PATHS {
        let answer = server.send(path, &[], "").await;
        assert_eq!(
            (answer.status, &answer.body),
            (401, &expected.body),
            "{path}"
        );
    }
    let health = server
        .send("GET /health", &["Host: anything.example"], "")
        .await;
    assert_eq!(
        (health.status, health.body.as_str()),
        (200, r#"{"status":"ok"}"#)
    );
}

#[tokio::test]
async fn the_key_counts_in_three_places_and_once() {
    let server = served(|_| {}).await;
    let basic = |key: &str| {
        format!(
            "Authorization: Basic {}",
            STANDARD.encode(format!("anyone:{key}"))
        )
    };
    let (right, wrong) = (basic(KEY), basic("wrong"));
    for (headers, status) in [
        (vec!["Authorization: Bearer the-right-key"], 200),
        (vec!["authorization: bearer the-right-key"], 200),
        (vec!["X-API-Key: the-right-key"], 200),
        (vec![right.as_str()], 200),
        (
            vec![
                "X-API-Key: the-right-key",
                "Authorization: Bearer the-right-key",
            ],
            200,
        ),
        (vec![], 401),
        (vec![wrong.as_str()], 401),
        (vec!["Authorization: Bearer wrong"], 401),
        (vec!["Authorization: Bearer "], 401),
        (vec!["Authorization: Bearer"], 401),
        (vec!["Authorization: Bearer  the-right-key"], 401),
        (vec!["Authorization: Bearer THE-RIGHT-KEY"], 401),
        (vec!["Authorization: the-right-key"], 401),
        (vec!["X-API-Key: "], 401),
        (vec!["X-API-Key: changeme"], 401),
        (
            vec!["X-API-Key: the-right-key", "X-API-Key: the-right-key"],
            401,
        ),
        (
            vec![
                "Authorization: Bearer the-right-key",
                "Authorization: Bearer wrong",
            ],
            401,
        ),
        (
            vec!["X-API-Key: the-right-key", "Authorization: Bearer wrong"],
            401,
        ),
        (vec!["Cookie: key=the-right-key"], 401),
    ] {
        let answer = server.send("GET /capabilities", &headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(
            !answer
                .header("www-authenticate")
                .unwrap_or_default()
                .contains("Basic")
        );
    }
    for query in ["key", "api_key", "token", "access_token"] {
        assert_eq!(
            server
                .send(&format!("GET /capabilities?{query}={KEY}"), &[], "")
                .await
                .status,
            401
        );
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let server = served(|config| config.allowed_hosts = vec!["box.example".to_owned()]).await;
    let key = "X-API-Key: the-right-key";
    let port = server.address.port();
    let own_origin = format!("Origin: http://localhost:{port}");
    let own_host = format!("Host: localhost:{port}");
    for (headers, status) in [
        (vec![key, "Host: 127.0.0.1"], 200),
        (vec![key, "Host: [::1]:80"], 200),
        (vec![key, "Host: box.example"], 200),
        (vec![key, own_host.as_str(), own_origin.as_str()], 200),
        (vec![key, "Host: evil.example"], 403),
        (vec![key, "Host: localhost.evil.example"], 403),
        (vec![key, "Host: localhost", "Host: localhost"], 400),
        (vec![key, "Origin: https://evil.example"], 403),
        (vec![key, "Origin: null"], 403),
        (
            vec![key, "Host: localhost:1", "Origin: http://localhost:2"],
            403,
        ),
        (
            vec![
                key,
                "Host: localhost",
                "Origin: http://localhost",
                "Origin: http://localhost",
            ],
            403,
        ),
    ] {
        let answer = server.send("GET /capabilities", &headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let absolute = server
        .send("GET http://evil.example/capabilities", &[key], "")
        .await;
    assert_eq!(absolute.status, 400);
    let hostless = server
        .raw(format!("GET /capabilities HTTP/1.1\r\n{key}\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    assert!(hostless.starts_with("HTTP/1.1 400"), "{hostless}");
}

#[tokio::test]
async fn a_mutation_needs_json() {
    let server = served(|_| {}).await;
    let key = "X-API-Key: the-right-key";
    let body = r#"{"source":"1"}"#;
    for (headers, status) in [
        (vec![key, "Content-Type: application/json"], 200),
        (
            vec![key, "content-type: Application/JSON; charset=utf-8"],
            200,
        ),
        (vec![key], 415),
        (vec![key, "Content-Type: text/plain"], 415),
        (
            vec![key, "Content-Type: application/x-www-form-urlencoded"],
            415,
        ),
        (
            vec![
                key,
                "Content-Type: application/json",
                "Content-Type: text/plain",
            ],
            415,
        ),
    ] {
        assert_eq!(
            server
                .send("POST /v1/executions", &headers, body)
                .await
                .status,
            status,
            "{headers:?}"
        );
    }
    assert_eq!(server.scripted.sources.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn keyless_still_checks_host_and_origin() {
    let server = served(|config| config.key = KeyMode::Keyless).await;
    assert_eq!(server.send("GET /capabilities", &[], "").await.status, 200);
    assert_eq!(
        server
            .send("GET /capabilities", &["Host: evil.example"], "")
            .await
            .status,
        403
    );
    assert_eq!(
        server
            .send("GET /capabilities", &["Origin: https://evil.example"], "")
            .await
            .status,
        403
    );
    assert_eq!(
        server
            .send("POST /v1/executions", &["Content-Type: text/plain"], "{}")
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn a_key_is_made_at_the_first_start_and_told_once() {
    let server = served(|config| config.key = KeyMode::Stored).await;
    let key = server.bound.key_created.clone().expect("a new key");
    let stored = std::fs::read_to_string(server.state.path().join("api-key")).unwrap();
    assert_eq!(stored.trim_end(), key);
    let header = format!("X-API-Key: {key}");
    assert_eq!(
        server
            .send("GET /capabilities", &[&header], "")
            .await
            .status,
        200
    );
    let state = server.state.path().to_owned();
    let again = served(|config| {
        config.key = KeyMode::Stored;
        config.state_dir = state;
    })
    .await;
    assert_eq!(again.bound.key_created, None);
    assert_eq!(
        again.send("GET /capabilities", &[&header], "").await.status,
        200
    );
}

#[tokio::test]
async fn beyond_loopback_a_server_without_an_own_key_does_not_start() {
    for key in [KeyMode::Stored, KeyMode::Keyless] {
        let state = tempfile::tempdir().unwrap();
        let mut config = ServerConfig::new(state.path().to_owned());
        config.listen = Some("0.0.0.0:0".parse().unwrap());
        config.key = key;
        let executor = std::sync::Arc::new(Handle(std::sync::Arc::default()));
        let ended = serve_never_ready(executor, config).await;
        let refused = matches!(
            ended,
            ServeError::Config(
                ConfigError::NeedsKey { .. } | ConfigError::KeylessBeyondLoopback { .. }
            )
        );
        assert!(refused, "{ended}");
        assert_eq!(
            std::fs::read_dir(state.path()).unwrap().count(),
            0,
            "nothing was made"
        );
    }
}

async fn serve_never_ready(executor: std::sync::Arc<Handle>, config: ServerConfig) -> ServeError {
    let ready = |_| panic!("it must not start");
    server::serve(executor, config, ready, std::future::pending::<()>())
        .await
        .expect_err("a refusal")
}

#[tokio::test]
async fn a_second_server_does_not_take_the_socket_and_a_dead_ones_is_taken_over() {
    let first = served(|_| {}).await;
    let mut config = ServerConfig::new(PathBuf::new());
    config.listen = None;
    config.socket = Some(first.socket.clone());
    let ended = serve_never_ready(
        std::sync::Arc::new(Handle(std::sync::Arc::default())),
        config,
    )
    .await;
    assert!(matches!(ended, ServeError::SocketTaken { .. }), "{ended}");

    let leftover = first.state.path().join("leftover");
    drop(std::os::unix::net::UnixListener::bind(&leftover).unwrap());
    let second = served(|config| config.socket = Some(leftover.clone())).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&leftover).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    drop(second);
}

#[tokio::test]
async fn a_sick_executor_is_told_without_host_facts() {
    let server = served_by(
        Scripted {
            sick: true,
            ..Default::default()
        },
        |_| {},
    )
    .await;
    let answer = server.send("GET /health", &[], "").await;
    assert_eq!(
        (answer.status, answer.json()["status"].as_str()),
        (503, Some("unavailable"))
    );
    assert!(
        answer.json()["reason"].is_string() && !answer.body.contains("/srv"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn metrics_count_and_unknown_addresses_have_the_one_error_body() {
    let server: Served = served(|_| {}).await;
    server.execute(r#"{"source":"1"}"#).await;
    server.send("GET /capabilities", &[], "").await;
    let metrics = server.get("/metrics").await;
    assert!(
        metrics
            .body
            .contains("hognose_executions_total{outcome=\"completed\"} 1\n"),
        "{}",
        metrics.body
    );
    assert!(
        metrics.body.contains("hognose_http_unauthorized_total 1\n"),
        "{}",
        metrics.body
    );
    let missing = server.get("/v1/nothing").await;
    assert_eq!(
        (missing.status, missing.json()["error"]["code"].as_str()),
        (404, Some("not_found"))
    );
    let method = server.send("PUT /v1/executions", &JSON, "{}").await;
    assert_eq!(
        (method.status, method.json()["error"]["code"].as_str()),
        (405, Some("method_not_allowed"))
    );
}

#[tokio::test]
async fn what_the_executor_counted_is_told_as_text_and_as_json() {
    let server = served(|_| {}).await;
    let text = server.get("/metrics").await;
    assert!(
        text.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")),
        "{text:?}"
    );
    let lines = "# HELP scripted_seconds Times.\n# TYPE scripted_seconds histogram\n\
        scripted_seconds_bucket{outcome=\"raised\",le=\"0.5\"} 1\n\
        scripted_seconds_bucket{outcome=\"raised\",le=\"+Inf\"} 3\n\
        scripted_seconds_sum{outcome=\"raised\"} 4.25\n\
        scripted_seconds_count{outcome=\"raised\"} 3\n";
    assert!(text.body.contains(lines), "{}", text.body);
    assert!(
        text.body.contains("hognose_pool_recycles_total{"),
        "{}",
        text.body
    );
    let headers = [JSON[0], "Accept: application/json"];
    let json = server.send("GET /metrics", &headers, "").await.json();
    let families = json.as_array().unwrap();
    let found = families
        .iter()
        .find(|one| one["name"] == "scripted_seconds");
    let series = &found.unwrap()["series"][0];
    assert_eq!(series["changed_ms"], 7);
    assert_eq!(series["histogram"]["count"], 3);
    assert_eq!(series["histogram"]["p99"], 0.5);
    assert_eq!(
        series["histogram"]["buckets"][1]["le"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn a_remote_executor_reads_the_same_metrics() {
    let server = served(|_| {}).await;
    let remote = RemoteExecutor::connect(&server.socket)
        .await
        .unwrap()
        .unwrap();
    let read = remote.metrics().await;
    assert!(read.contains(&scripted::family()), "{read:?}");
    assert!(
        read.iter()
            .any(|one| one.name == "hognose_executions_total")
    );
}
