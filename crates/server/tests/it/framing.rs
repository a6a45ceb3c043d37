//! Requests with two readings, slow peers, and crowds of them.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::{KEY, Served, read_to_end, read_until, served};

#[tokio::test]
async fn a_request_with_two_readings_is_refused_and_nothing_behind_it_runs() {
    let server = served(|_| {}).await;
    let smuggled = Served::request("SMUGGLED", "");
    for odd in [
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 0x0\r\n",
        "Content-Length : 0\r\n",
        "X: a\r\n b\r\n",
        "X: a\nY: b\r\n",
        "X: a\0\r\n",
    ] {
        let head = format!(
            "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n{odd}\r\n"
        );
        let answer = server.raw(format!("{head}{smuggled}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{odd:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{odd:?}: {answer}");
    }
    let old = format!(
        "POST /v1/executions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    assert!(server.raw(old.as_bytes()).await.contains(" 400 "));
    assert!(server.scripted.sources.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_follows_a_request_before_its_answer_never_runs() {
    let server = served(|_| {}).await;
    let both = Served::request("first", "") + &Served::request("SMUGGLED", "");
    let answer = server.raw(both.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    let body = r#"{"source":"chunked"}"#;
    let chunked = format!(
        "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n{}",
        body.len(),
        Served::request("SMUGGLED", "")
    );
    let answer = server.raw(chunked.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    assert_eq!(
        *server.scripted.sources.lock().unwrap(),
        ["first", "chunked"]
    );
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = served(|_| {}).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream
            .write_all(Served::request("again", "").as_bytes())
            .await
            .unwrap();
        read_until(&mut stream, "\"preload\":\"bare\"}}").await;
    }
    assert_eq!(server.scripted.sources.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_closed_apart() {
    let server = served(|config| {
        config.timeouts.head = Duration::from_millis(100);
        config.timeouts.idle = Duration::from_secs(60);
    })
    .await;
    let mut idle = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /health HTTP/1.1\r\nX: ")
        .await
        .unwrap();
    assert_eq!(read_to_end(&mut slow).await, "");
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut idle).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = served(|config| config.timeouts.idle = Duration::from_millis(50)).await;
    let mut stream = server.connect().await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let server = served(|config| config.timeouts.body = Duration::from_millis(50)).await;
    let head = format!(
        "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{"
    );
    assert!(
        server
            .raw(head.as_bytes())
            .await
            .starts_with("HTTP/1.1 408")
    );
}

#[tokio::test]
async fn a_crowd_of_silent_connections_keeps_nobody_out() {
    let server = served(|config| config.max_connections = 8).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect().await;
        stream.write_all(b"G").await.unwrap();
        crowd.push(stream);
    }
    let answer = server.send("GET /health", &[], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_head_beyond_its_cap_is_refused() {
    let server = served(|_| {}).await;
    let long = format!(
        "GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    assert!(
        server
            .raw(long.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    let many = format!(
        "GET /health HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: x\r\n".repeat(200)
    );
    assert!(
        server
            .raw(many.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
}
