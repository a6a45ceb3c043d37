//! How a server ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Served, parse, read_to_end, served};

#[tokio::test]
async fn what_outlasts_the_drain_is_cancelled_and_still_answered() {
    let mut server = served(|_| {}).await;
    let _idle = server.connect().await;
    let mut stream = server.connect().await;
    stream
        .write_all(Served::request("sleep", "").as_bytes())
        .await
        .unwrap();
    server.scripted.until(&server.scripted.started, 1).await;
    drop(server.stop.take());
    let answer = parse(&read_to_end(&mut stream).await);
    assert_eq!(
        (answer.status, answer.json()["outcome"]["kind"].as_str()),
        (200, Some("cancelled"))
    );
    assert_eq!(server.scripted.cancelled.load(Ordering::SeqCst), 1);
    server.task.await.unwrap().unwrap();
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nothing listens any more"
    );
    assert!(!server.socket.exists(), "the socket's file is gone");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let mut server = served(|config| config.drain = Duration::from_secs(600)).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    crate::support::read_until(&mut idle, "ok").await;
    let _fresh = server.connect().await;
    drop(server.stop.take());
    tokio::time::timeout(Duration::from_secs(5), server.task)
        .await
        .expect("soon")
        .unwrap()
        .unwrap();
}
