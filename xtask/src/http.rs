//! The least HTTP/1.1 client that can drive our own server, one request after another.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Longer than the longest wait in the server's queue and the longest program together.
const READ_TIMEOUT: Duration = Duration::from_secs(150);
/// Nothing of ours answers with more; a wrong length must not be believed.
const LONGEST_BODY: usize = 256 << 20;
const CUT_SHORT: &str = "the answer was cut short";

/// Where a server listens, and the key it accepts.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    pub(crate) key: String,
}

/// A connection that is kept open between requests.
pub(crate) struct Connection {
    endpoint: Endpoint,
    stream: BufReader<TcpStream>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Its header lines.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let mut fields = self.headers.iter().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    }

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
        self.connect()?.send("GET", path, b"", "close")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.connect()?
            .send("POST", path, body.to_string().as_bytes(), "close")
    }

    /// Opens a connection of its own.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address).context("cannot connect to the server")?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            endpoint: self.clone(),
            stream: BufReader::new(stream),
        })
    }
}

impl Connection {
    /// Sends a request and leaves the connection open for the next one.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, body.to_string().as_bytes(), "keep-alive")
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8], after: &str) -> Result<Answer> {
        let Endpoint { address, key } = &self.endpoint;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: {after}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        read(&mut self.stream)
    }
}

/// Reads one answer and nothing behind it. Errors: it is cut short, or is not HTTP.
pub(crate) fn read(stream: &mut impl BufRead) -> Result<Answer> {
    let status = line(stream)?;
    let status = status
        .split(' ')
        .nth(1)
        .context("no status line")?
        .parse()?;
    let (mut length, mut chunked, mut headers) = (None, false, Vec::new());
    loop {
        let field = line(stream)?;
        let Some((name, value)) = field.split_once(':') else {
            if field.is_empty() {
                break;
            }
            bail!("`{field}` is no header");
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.trim().parse()?),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
        headers.push(field);
    }
    let mut body = Vec::new();
    match (length, chunked) {
        (Some(length), _) => take(stream, length, &mut body)?,
        (None, true) => unchunk(stream, &mut body)?,
        (None, false) => {
            stream.read_to_end(&mut body)?;
        }
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut bytes = Vec::new();
    stream.take(64 << 10).read_until(b'\n', &mut bytes)?;
    let line = bytes.strip_suffix(b"\r\n").context(CUT_SHORT)?;
    Ok(std::str::from_utf8(line)?.to_owned())
}

fn take(stream: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> Result<()> {
    if length > LONGEST_BODY {
        bail!("an answer of {length} bytes");
    }
    let start = body.len();
    body.resize(start + length, 0);
    stream.read_exact(&mut body[start..]).context(CUT_SHORT)
}

fn unchunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let size = usize::from_str_radix(line(stream)?.trim(), 16)?;
        take(stream, size, body)?;
        if !line(stream)?.is_empty() {
            bail!("a chunk is longer than it says");
        }
        if size == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n";

    #[test]
    fn answers_on_one_connection_are_read_one_by_one() {
        let both = [PLAIN, CHUNKED].concat();
        let mut stream = &both[..];
        for (body, header, value) in [
            (&b"ok"[..], "content-length", "2"),
            (b"ok!", "Transfer-Encoding", "chunked"),
        ] {
            let answer = read(&mut stream).unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, body));
            assert_eq!(answer.header(header), Some(value));
        }
        assert!(stream.is_empty());
    }

    #[test]
    fn short_and_strange_answers_are_refused() {
        for bad in [
            &PLAIN[..PLAIN.len() - 1],
            b"HTTP/1.1 200",
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            &CHUNKED[..60],
        ] {
            assert!(
                read(&mut &bad[..]).is_err(),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
