//! A server around a scripted executor, and a client that sends exactly the bytes it is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use server::{ApiKey, Bound, KeyMode, ServeError, ServerConfig, serve};
use stepflow_python::{Database, LimitPolicy, PythonExecutor, SecurityLevel, Tools};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::scripted::{Handle, Scripted};

pub(crate) const KEY: &str = "the-right-key";
/// A running server; it is told to stop when dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) bound: Bound,
    pub(crate) scripted: Arc<Scripted>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<Result<(), ServeError>>,
    pub(crate) state: TempDir,
}

/// A server with [`KEY`], a queue of one and short patience, changed by `adjust`.
pub(crate) async fn served(adjust: impl FnOnce(&mut ServerConfig)) -> Served {
    served_by(Scripted::default(), adjust).await
}

pub(crate) async fn served_by(
    mut scripted: Scripted,
    adjust: impl FnOnce(&mut ServerConfig),
) -> Served {
    let database = Database::in_memory().await.unwrap();
    let limits = LimitPolicy::default();
    let tools = Tools::new(database, SecurityLevel::default(), None, limits);
    scripted.tools = Some(tools);
    let scripted = Arc::new(scripted);
    let executor = Arc::new(Handle(Arc::clone(&scripted)));
    served_with(executor, scripted, adjust).await
}

/// The same with `executor` before the scripted one.
pub(crate) async fn served_with(
    executor: Arc<dyn PythonExecutor>,
    scripted: Arc<Scripted>,
    adjust: impl FnOnce(&mut ServerConfig),
) -> Served {
    let state = tempfile::tempdir().unwrap();
    let socket = state.path().join("socket");
    let mut config = ServerConfig::new(state.path().to_owned());
    config.key = KeyMode::Given(ApiKey::new(KEY).unwrap());
    config.socket = Some(socket.clone());
    config.queue = 1;
    config.queue_wait = Duration::from_millis(300);
    config.drain = Duration::from_millis(200);
    config.execution_body_bytes = 256 * 1024;
    adjust(&mut config);
    let (ready, bound) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let ready = |bound| drop(ready.send(bound));
    let task = tokio::spawn(serve(executor, config, ready, stopped));
    let bound: Bound = bound.await.expect("the server starts");
    Served {
        address: bound.address.unwrap(),
        socket,
        bound,
        scripted,
        stop: Some(stop),
        task,
        state,
    }
}

/// One answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Served {
    /// The tools as the server has them.
    pub(crate) fn tools(&self) -> &Tools {
        self.scripted.tools.as_ref().expect("the server has tools")
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything the server sends for these bytes until it closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    /// One request with these header lines; `Connection: close` is added.
    pub(crate) async fn send(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            request.push_str("Host: localhost\r\n");
        }
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        parse(&self.raw(format!("{request}\r\n{body}").as_bytes()).await)
    }

    /// An authorised GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(
            &format!("GET {path}"),
            &["Authorization: Bearer the-right-key"],
            "",
        )
        .await
    }

    /// An authorised execution request with this body.
    pub(crate) async fn execute(&self, body: &str) -> Answer {
        self.send("POST /v1/executions", &JSON, body).await
    }

    /// The bytes of an authorised request that runs `source`, with another header line.
    pub(crate) fn request(source: &str, header: &str) -> String {
        let body = format!(r#"{{"source":"{source}"}}"#);
        let length = body.len();
        format!(
            "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n{header}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

pub(crate) const JSON: [&str; 2] = [
    "Authorization: Bearer the-right-key",
    "Content-Type: application/json",
];

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let whole = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    // A reset after the answer is how a server ends a connection whose rest it did not read.
    let _ = whole.expect("the server closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until `needle` has come.
pub(crate) async fn read_until(stream: &mut TcpStream, needle: &str) -> String {
    let mut text = String::new();
    let mut space = [0; 4096];
    while !text.contains(needle) {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut space))
            .await
            .expect("in time")
            .unwrap();
        assert!(read > 0, "closed before {needle:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&space[..read]));
    }
    text
}

/// Takes an answer apart; a chunked body is put together.
pub(crate) fn parse(text: &str) -> Answer {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if chunked {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Answer {
        status,
        head: head.to_owned(),
        body,
    }
}

fn unchunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        whole.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").expect("a chunk's end");
    }
    whole
}
