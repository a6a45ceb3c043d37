//! A running `hognose serve` on a state folder of its own, and what the program says of one.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) fn hognose() -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    Command::new(env!("CARGO_BIN_EXE_hognose"))
}

/// A state folder of its own with the environments of whoever runs the tests: one takes long to build.
pub(crate) fn state() -> TempDir {
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

pub(crate) struct Server {
    pub(crate) child: Child,
    address: String,
}

impl Server {
    pub(crate) fn start(state: &Path) -> Self {
        Self::start_with(state, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_with(state: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = hognose()
            .envs(variables.iter().copied())
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
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    pub(crate) fn execute(&self, source: &str) -> TcpStream {
        let body = json!({"source": source}).to_string();
        self.send("POST", "/v1/executions", &body)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        answer(self.send("GET", path, ""))
    }

    pub(crate) fn ids(&self, query: &str) -> BTreeSet<String> {
        let page = self.get(&format!("/v1/executions?limit=1000&{query}"));
        ids(&page)
    }

    /// Waits until that many executions have this state.
    pub(crate) fn until(&self, query: &str, count: usize) -> BTreeSet<String> {
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

pub(crate) fn answer(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

pub(crate) fn ids(page: &Value) -> BTreeSet<String> {
    let all = page["executions"].as_array().unwrap().iter();
    all.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What `hognose history` says about a state folder.
pub(crate) fn history(state: &Path, arguments: &[&str]) -> Value {
    let asked = hognose()
        .args(["history", "--json", "--state-dir"])
        .arg(state)
        .args(arguments)
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    serde_json::from_slice(&asked.stdout).unwrap()
}
