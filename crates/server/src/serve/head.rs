//! Where one request ends and the next begins, decided before anything else reads the bytes.
//!
//! Two readers that disagree about a request's length are how requests are smuggled past a proxy.
//! So a head that leaves room for disagreement is refused, even where the standard allows it.
//! Source: RFC 9112, sections 2.2, 5 and 6; security/http_probes.md, HTTP-001.

/// Most bytes in a head.
pub(crate) const MOST_HEAD_BYTES: usize = 64 * 1024;

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The head goes on.
    Partial,
    /// The head has this many bytes, and the body is framed like this.
    Complete(usize, Framing),
    /// No head we answer.
    Refused,
}

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Exactly this many bytes.
    Length(u64),
    /// As its chunks say.
    Chunked,
}

/// Collects a head. Each byte is looked at once, however small the pieces are.
#[derive(Debug, Default)]
pub(crate) struct HeadScanner {
    bytes: Vec<u8>,
    checked: usize,
}

impl HeadScanner {
    /// Whether nothing of a head has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the head has more bytes than we read.
    pub(crate) fn is_too_long(&self) -> bool {
        self.bytes.len() >= MOST_HEAD_BYTES
    }

    /// Takes the collected bytes out.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.checked = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Adds bytes and says what they make.
    pub(crate) fn push(&mut self, more: &[u8]) -> Scan {
        self.bytes.extend_from_slice(more);
        while self.checked < self.bytes.len() {
            let (at, byte) = (self.checked, self.bytes[self.checked]);
            let after_return = at > 0 && self.bytes[at - 1] == b'\r';
            // A bare CR or LF, or a NUL, means different things to different readers.
            if (byte == b'\n') != after_return || byte == 0 {
                return Scan::Refused;
            }
            self.checked += 1;
            if byte == b'\n' && self.bytes[..self.checked].ends_with(b"\r\n\r\n") {
                let framing = framing(&self.bytes[..at - 3]);
                return framing.map_or(Scan::Refused, |framing| {
                    Scan::Complete(self.checked, framing)
                });
            }
        }
        Scan::Partial
    }
}

/// `None` when the head's lines are odd or its framing headers leave a choice.
fn framing(head: &[u8]) -> Option<Framing> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.next().filter(|line| !line.is_empty())?;
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // A folded line, or a space before the colon.
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let first = length.replace(decimal(value)?).is_none();
            first.then_some(())?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let only = !chunked && value.eq_ignore_ascii_case(b"chunked");
            only.then_some(())?;
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => None,
        (None, true) => Some(Framing::Chunked),
        (length, false) => Some(Framing::Length(length.unwrap_or(0))),
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(value).ok()?.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Option<Framing>) {
        let expected =
            expected.map_or(Scan::Refused, |framing| Scan::Complete(head.len(), framing));
        assert_eq!(
            HeadScanner::default().push(head.as_bytes()),
            expected,
            "{head:?}"
        );
        let mut scanner = HeadScanner::default();
        let bytewise = head
            .bytes()
            .map(|byte| scanner.push(&[byte]))
            .find(|scan| *scan != Scan::Partial);
        assert_eq!(bytewise, Some(expected), "{head:?}");
    }

    #[test]
    fn plain_heads_have_one_reading() {
        check("GET / HTTP/1.1\r\n\r\n", Some(Framing::Length(0)));
        check(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
            Some(Framing::Length(12)),
        );
        check(
            "POST / HTTP/1.1\r\ntransfer-encoding:Chunked\r\n\r\n",
            Some(Framing::Chunked),
        );
    }

    #[test]
    fn heads_with_two_readings_are_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: \x0bchunked",
            "Content-Length: +5",
            "Content-Length: 0x5",
            "Content-Length: 1, 1",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
            "Content-Length : 5",
            "X: a\r\n folded",
            "no colon",
            ": empty",
            "X: a\nY: b",
            "X: a\rY: b",
            "X: a\0",
        ] {
            check(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n"), None);
        }
        check("\r\n\r\n", None);
    }

    #[test]
    fn bytes_after_the_head_are_not_its_own() {
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.push(b"GET / HTTP/1.1\r\n"), Scan::Partial);
        assert_eq!(
            scanner.push(b"\r\nrest"),
            Scan::Complete(18, Framing::Length(0))
        );
        assert_eq!(scanner.take(), b"GET / HTTP/1.1\r\n\r\nrest");
    }
}
