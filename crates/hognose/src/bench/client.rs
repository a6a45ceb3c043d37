//! The least HTTP/1.1 client to measure with: blocking, keep-alive, a request that is ready
//! before the clock starts, one buffer for every answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for a server that says nothing. Longer than any limit of a program of ours.
const SILENCE: Duration = Duration::from_secs(120);
/// Longest line of a head that is read.
const LONGEST_LINE: u64 = 16 * 1024;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How an execution is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    /// One answer at the end.
    Whole,
    /// Events while it runs.
    Events,
}

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Duplex>>,
    line: Vec<u8>,
    body: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn connect(&self) -> Result<Connection> {
        let stream = self.stream().context("cannot connect to the server")?;
        Ok(Connection {
            stream: BufReader::with_capacity(16 * 1024, stream),
            line: Vec::new(),
            body: Vec::new(),
        })
    }

    fn stream(&self) -> io::Result<Box<dyn Duplex>> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE))?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SILENCE))?;
                Ok(Box::new(stream))
            }
        }
    }

    /// An execution request, head and body, ready to be sent as it is.
    pub(crate) fn request(&self, key: &str, accept: Accept, body: &str) -> Vec<u8> {
        let host = match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        };
        let accept = match accept {
            Accept::Whole => "application/json",
            Accept::Events => "text/event-stream",
        };
        let length = body.len();
        format!(
            "POST /v1/executions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
             Accept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

impl Connection {
    /// Sends a request and reads its whole answer; returns the status. `seen` is shown the body
    /// so far whenever it has grown.
    ///
    /// Errors: the connection broke, or what came is no HTTP; the connection is of no more use.
    pub(crate) fn exchange(&mut self, request: &[u8], mut seen: impl FnMut(&[u8])) -> Result<u16> {
        self.stream
            .get_mut()
            .write_all(request)
            .context("cannot send a request")?;
        self.body.clear();
        let head = read_head(&mut self.stream, &mut self.line)?;
        match head.framing {
            Framing::Length(length) => {
                read_exactly(&mut self.stream, length, &mut self.body)?;
                seen(&self.body);
            }
            Framing::Chunked => {
                while read_chunk(&mut self.stream, &mut self.line, &mut self.body)? {
                    seen(&self.body);
                }
            }
        }
        Ok(head.status)
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

fn read_head(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Head> {
    let first = read_line(reader, line)?;
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    let status = status.with_context(|| format!("the answer began with {first:?}"))?;
    let mut framing = None;
    loop {
        let field = read_line(reader, line)?;
        if field.is_empty() {
            let framing = framing.context("the answer does not say how long it is")?;
            return Ok(Head { status, framing });
        }
        let Some((name, value)) = field.split_once(':') else {
            bail!("the answer has the odd header {field:?}");
        };
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.trim().parse();
            framing = Some(Framing::Length(
                length.context("the answer's length is odd")?,
            ));
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Some(Framing::Chunked);
        }
    }
}

/// A line without its end.
fn read_line<'a>(reader: &mut impl BufRead, line: &'a mut Vec<u8>) -> Result<&'a str> {
    line.clear();
    let read = reader.take(LONGEST_LINE).read_until(b'\n', line);
    read.context("cannot read an answer")?;
    let text = line
        .strip_suffix(b"\r\n")
        .context("the answer was cut short")?;
    std::str::from_utf8(text).context("the answer's head is no text")
}

fn read_exactly(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Result<()> {
    let read = reader.take(length).read_to_end(body);
    if read.context("cannot read an answer")? as u64 != length {
        bail!("the answer was cut short");
    }
    Ok(())
}

/// Appends the next chunk; `false` after the last one. Source: RFC 9112, section 7.1.
fn read_chunk(reader: &mut impl BufRead, line: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool> {
    let size = read_line(reader, line)?;
    let digits = size.split(';').next().unwrap_or_default().trim();
    let length = u64::from_str_radix(digits, 16)
        .with_context(|| format!("the answer has a chunk of the odd size {size:?}"))?;
    read_exactly(reader, length, body)?;
    // Behind a chunk, and instead of trailers, which our server never sends, stands one line end.
    if !read_line(reader, line)?.is_empty() {
        bail!("the answer has a chunk that is longer than it says");
    }
    Ok(length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(mut bytes: &[u8]) -> Result<(u16, Vec<String>)> {
        let (mut line, mut body, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        let head = read_head(&mut bytes, &mut line)?;
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        match head.framing {
            Framing::Length(length) => {
                read_exactly(&mut bytes, length, &mut body)?;
                steps.push(text(&body));
            }
            Framing::Chunked => {
                while read_chunk(&mut bytes, &mut line, &mut body)? {
                    steps.push(text(&body));
                }
            }
        }
        assert_eq!(bytes, b"", "nothing of the answer is left for the next one");
        Ok((head.status, steps))
    }

    #[test]
    fn both_framings_are_read_to_their_last_byte() {
        let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nDate: x\r\n\r\nok";
        assert_eq!(whole(plain).unwrap(), (200, vec!["ok".to_owned()]));
        let empty = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(whole(empty).unwrap(), (204, vec![String::new()]));
        let chunked = b"HTTP/1.1 429 Busy\r\nTransfer-Encoding: chunked\r\n\r\n\
            2\r\nok\r\nA;x=1\r\n\r\n12345678\r\n0\r\n\r\n";
        let steps = vec!["ok".to_owned(), "ok\r\n12345678".to_owned()];
        assert_eq!(whole(chunked).unwrap(), (429, steps));
    }

    #[test]
    fn what_is_cut_short_or_odd_is_an_error() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for wrong in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Len",
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            "ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
            &format!("{chunked}3\r\nok\r\n"),
            &format!("{chunked}1\r\nok\r\n0\r\n\r\n"),
            &format!("{chunked}2\r\nok\r\n"),
            &format!("{chunked}x\r\nok\r\n"),
            &format!("{chunked}0\r\n"),
        ] {
            assert!(whole(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_request_is_whole_and_says_its_length() {
        let endpoint = Endpoint::Unix("s".into());
        let request = endpoint.request("k", Accept::Events, "{\"é\"}");
        let text = String::from_utf8(request).unwrap();
        assert!(text.contains("\r\nContent-Length: 6\r\n"), "{text}");
        assert!(text.contains("\r\nAccept: text/event-stream\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"é\"}"), "{text}");
    }
}
