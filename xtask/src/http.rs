//! The least HTTP/1.1 client that can drive our own server: one request per connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Where a server listens, and the key it accepts.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    pub(crate) key: String,
}

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "status {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
}

impl Endpoint {
    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, body.to_string().as_bytes())
    }

    fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut stream =
            TcpStream::connect(&self.address).context("cannot connect to the server")?;
        stream.set_read_timeout(Some(Duration::from_secs(150)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            self.key,
            body.len()
        )?;
        stream.write_all(body)?;
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes);
        match parse(&bytes) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(end.err().map_or(error, Into::into)),
        }
    }
}

/// Reads a whole answer. Errors: it is cut short, or is not HTTP.
fn parse(bytes: &[u8]) -> Result<Answer> {
    let split = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("the answer was cut short")?;
    let head = std::str::from_utf8(&bytes[..split])?;
    let rest = &bytes[split + 4..];
    let status = head.split(' ').nth(1).context("no status line")?.parse()?;
    let header = |name: &str| {
        let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let body = match (header("content-length"), header("transfer-encoding")) {
        (Some(length), _) => {
            let length: usize = length.parse()?;
            ensure!(rest.len() >= length, "the answer was cut short");
            rest[..length].to_vec()
        }
        (None, Some("chunked")) => unchunk(rest)?,
        (None, _) => rest.to_vec(),
    };
    Ok(Answer { status, body })
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .context("the answer was cut short")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        let chunk = &rest[end + 2..];
        if size == 0 {
            return Ok(body);
        }
        if chunk.len() < size + 2 {
            bail!("the answer was cut short");
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &chunk[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_are_read_and_short_ones_refused() {
        let plain = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(
            plain,
            Answer {
                status: 200,
                body: b"ok".to_vec()
            }
        );
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, b"ok!");
        for short in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"[..],
            b"HTTP/1.1 200",
            &chunked[..60],
        ] {
            assert!(parse(short).is_err(), "{}", String::from_utf8_lossy(short));
        }
    }
}
