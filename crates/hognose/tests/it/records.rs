//! What is left of executions when the server is killed, as a caller and an operator see it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::served::{Server, answer, history, hognose, ids, state};

#[test]
fn a_killed_server_has_lost_no_execution_that_was_answered() {
    let state = state();
    let server = Server::start(state.path());
    let sleepers: Vec<_> = (0..3)
        .map(|_| server.execute("import time\ntime.sleep(600)"))
        .collect();
    let running = server.until("state=running", sleepers.len());
    let mut answered = BTreeSet::new();
    for round in 0..5 {
        let asked: Vec<_> = (0..4)
            .map(|number| server.execute(&format!("{round} * {number}")))
            .collect();
        for stream in asked {
            let answer = answer(stream);
            assert_eq!(answer["outcome"]["kind"], "completed", "{answer}");
            answered.insert(answer["id"].as_str().unwrap().to_owned());
        }
    }
    // At once after the last answer.
    drop(server);
    drop(sleepers);
    let offline = history(state.path(), &["--state", "finished", "--limit", "1000"]);
    assert_eq!(ids(&offline), answered, "read without a server");

    let server = Server::start(state.path());
    assert_eq!(server.ids("state=finished"), answered);
    assert_eq!(server.ids("state=lost"), running);
    assert!(server.ids("state=running").is_empty());
    for id in &running {
        let record = server.get(&format!("/v1/executions/{id}"));
        assert_eq!(record["outcome"], Value::Null, "{record}");
        assert_eq!(record["error"]["code"], "execution_lost");
        assert_eq!(record["error"]["retryable"], true);
    }
    // The unix socket says the same.
    let asked = history(state.path(), &["--state", "lost"]);
    assert_eq!(ids(&asked), running);
    let environment =
        server.get("/v1/executions?limit=1")["executions"][0]["environment_id"].clone();
    assert!(environment.is_string(), "the default environment is a row");
}

#[test]
fn a_server_that_is_stopped_leaves_in_time_and_an_empty_log() {
    let state = state();
    let mut server = Server::start(state.path());
    let answer = answer(server.execute("1"));
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is stopped"
    )]
    let told = Command::new("kill")
        .arg(server.child.id().to_string())
        .status();
    assert!(told.unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    let log = std::fs::metadata(state.path().join("records.sqlite-wal"));
    assert_eq!(log.map_or(0, |log| log.len()), 0);
    let told = history(state.path(), &[]);
    assert_eq!(told["executions"][0]["id"], answer["id"]);
}

#[test]
fn a_second_server_does_not_take_the_records_of_the_first() {
    let state = state();
    let _server = Server::start(state.path());
    let second = hognose()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--keyless",
            "--state-dir",
        ])
        .arg(state.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(125), "{said}");
    assert!(said.contains("--state-dir"), "{said}");
}

#[test]
fn without_records_there_is_nothing_to_read() {
    let state = state();
    let asked = hognose()
        .args(["history", "--state-dir"])
        .arg(state.path())
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    assert!(asked.stdout.is_empty());
    let wrong = hognose()
        .args(["history", "--outcome", "bogus", "--state-dir"])
        .arg(state.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success(), "{said}");
    assert!(said.contains("--outcome: use one of completed"), "{said}");
    assert!(!state.path().join("records.sqlite").exists());
}
