//! Bytes to the server and back, with nothing in between that would mend them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::{self, Answer, Endpoint};

/// Longer than a server that refuses may take, shorter than its patience with a silent peer.
const PATIENCE: Duration = Duration::from_secs(8);
/// More answers than any probe may get.
const MOST_ANSWERS: usize = 4;

/// One connection.
pub(super) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(super) fn connect(endpoint: &Endpoint) -> Result<Self> {
        let stream = TcpStream::connect(&endpoint.address).context("cannot connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Waits longer for what comes.
    pub(super) fn patient(self, patience: Duration) -> Result<Self> {
        self.0.get_ref().set_read_timeout(Some(patience))?;
        Ok(self)
    }

    /// Sends what the server will take; one that has refused already may not take all.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    pub(super) fn answer(&mut self) -> Result<Answer> {
        http::read(&mut self.0)
    }

    /// Reads one line, such as one of an event stream.
    pub(super) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line)?;
        ensure!(read > 0, "the server closed the connection");
        Ok(line)
    }

    /// Every answer until the server closes. Errors: it stays open, or says something else.
    pub(super) fn answers(&mut self) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        loop {
            match self.0.fill_buf() {
                Ok([]) => return Ok(answers),
                // Bytes of ours that nobody wanted are a reset.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(answers);
                }
                Err(error) => return Err(error).context("the server did not close"),
                Ok(_) => answers.push(self.answer()?),
            }
            ensure!(answers.len() <= MOST_ANSWERS, "too many answers");
        }
    }

    /// Whether the server has closed its side.
    pub(super) fn is_closed(&mut self) -> bool {
        let mut bytes = [0; 1024];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// Says that nothing more is to come.
    pub(super) fn end(&mut self) {
        let _ = self.0.get_ref().shutdown(Shutdown::Write);
    }
}

/// A request with these header lines beside `Host`.
pub(super) fn request(endpoint: &Endpoint, line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: {}\r\n", endpoint.address);
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// An execution request in order: the key, the type, the length.
pub(super) fn execution(endpoint: &Endpoint, more: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let key = format!("X-API-Key: {}", endpoint.key);
    let headers = [
        &[key.as_str(), "Content-Type: application/json", &length],
        more,
    ]
    .concat();
    request(endpoint, "POST /v1/executions", &headers, body)
}

/// Sends bytes on a connection of their own and takes the first answer.
pub(super) fn ask(endpoint: &Endpoint, bytes: &[u8]) -> Result<Answer> {
    let mut raw = Raw::connect(endpoint)?.patient(Duration::from_secs(60))?;
    raw.send(bytes);
    raw.answer()
}

/// Posts a body of the native dialect as it stands.
pub(super) fn post(endpoint: &Endpoint, body: &str) -> Result<Answer> {
    ask(
        endpoint,
        &execution(endpoint, &["Connection: close"], body.as_bytes()),
    )
}

/// The answer has one of these statuses and no bytes of the host.
pub(super) fn expect(answer: &Answer, statuses: &[u16]) -> Result<()> {
    let body = String::from_utf8_lossy(&answer.body);
    let start: String = body.chars().take(200).collect();
    ensure!(
        statuses.contains(&answer.status),
        "{}: {start}",
        answer.status
    );
    ensure!(!body.contains("root:x:0"), "it holds /etc/passwd");
    Ok(())
}

/// The text at this place of an answer that must be an execution's.
pub(super) fn text(answer: &Answer, pointer: &str) -> Result<String> {
    let json = answer.json()?;
    match json.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => bail!("no {pointer} in {json}"),
    }
}
