//! What is left of executions when the server is killed, as a caller and an operator see it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

fn hognose() -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    Command::new(env!("CARGO_BIN_EXE_hognose"))
}

/// A state folder of its own with the environments of whoever runs the tests: one takes long to build.
fn state() -> TempDir {
    let built = hognose().args(["env", "build"]).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let data = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(variable("HOME")?.join(".local/share")));
    let shared = data.unwrap().join("hognose");
    let state = tempfile::tempdir().unwrap();
    for name in ["environments", "tools"] {
        symlink(shared.join(name), state.path().join(name)).unwrap();
    }
    state
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(state: &Path) -> Self {
        let mut child = hognose()
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--keyless",
                "--slots",
                "8",
            ])
            .arg("--state-dir")
            .arg(state)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { child, address }
    }

    /// Sends a request whose answer nobody has read yet.
    fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    fn execute(&self, source: &str) -> TcpStream {
        let body = json!({"source": source}).to_string();
        self.send("POST", "/v1/executions", &body)
    }

    fn get(&self, path: &str) -> Value {
        answer(self.send("GET", path, ""))
    }

    fn ids(&self, query: &str) -> BTreeSet<String> {
        let page = self.get(&format!("/v1/executions?limit=1000&{query}"));
        ids(&page)
    }

    /// Waits until that many executions have this state.
    fn until(&self, query: &str, count: usize) -> BTreeSet<String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.ids(query);
            if found.len() == count {
                return found;
            }
            assert!(Instant::now() < deadline, "{query}: {found:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    /// With -9: whatever is tested here has to bear it.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

fn ids(page: &Value) -> BTreeSet<String> {
    let all = page["executions"].as_array().unwrap().iter();
    all.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What `hognose history` says about a state folder.
fn history(state: &Path, arguments: &[&str]) -> Value {
    let asked = hognose()
        .args(["history", "--json", "--state-dir"])
        .arg(state)
        .args(arguments)
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    serde_json::from_slice(&asked.stdout).unwrap()
}

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
