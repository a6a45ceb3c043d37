//! Who waits for whom, as callers see it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scripted::Scripted;
use crate::support::{Served, served_by};

/// Sends a program on a connection and waits for the whole answer, not longer than five seconds.
async fn status_of(connection: &mut TcpStream, source: &str) -> String {
    let answering = async {
        let request = Served::request(source, "");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        loop {
            let mut buffer = [0; 4096];
            let count = connection.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the answer was cut short: {answer}");
            answer.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            if is_whole(&answer) {
                return answer.lines().next().unwrap().to_owned();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), answering)
        .await
        .expect("an answer in time")
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    length == Some(body.len())
}

#[tokio::test]
async fn who_proved_to_be_brief_is_served_beside_a_crowd_that_fills_slots_and_queue() {
    let scripted = Scripted {
        more_slots: 2,
        ..Default::default()
    };
    let server = served_by(scripted, |config| {
        config.queue = 2;
        config.queue_wait = Duration::from_secs(20);
    })
    .await;
    let mut honest = server.connect().await;
    for _ in 0..4 {
        assert_eq!(status_of(&mut honest, "1").await, "HTTP/1.1 200 OK");
    }
    let mut crowd = Vec::new();
    for _ in 0..5 {
        let mut one = server.connect().await;
        let request = Served::request("sleep", "");
        one.write_all(request.as_bytes()).await.unwrap();
        crowd.push(one);
    }
    server.scripted.until(&server.scripted.started, 4 + 3).await;
    let two_wait = "hognose_executions_waiting 2\n";
    while !server.get("/metrics").await.body.contains(two_wait) {}
    // The fourth slot is kept for callers like this one, and only for these.
    assert_eq!(server.execute(r#"{"source":"1"}"#).await.status, 429);
    for _ in 0..3 {
        assert_eq!(status_of(&mut honest, "1").await, "HTTP/1.1 200 OK");
    }
    assert_eq!(server.scripted.started.load(Ordering::SeqCst), 4 + 3 + 3);
    // Who is alone takes the processors, and who is brief takes them from the others.
    let gave_way = server.scripted.gave_way.lock().unwrap().clone();
    assert_eq!(
        gave_way,
        [[false; 4].as_slice(), &[false, true, true], &[false; 3]].concat()
    );
}
