//! Keeps the head and the tail of an output stream and counts what lies between.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::outcome::CapturedOutput;

/// Bounded memory of one stream: `cap` bytes in all, half for the head, half for the tail.
#[derive(Debug)]
pub(crate) struct Capture {
    cap: usize,
    head: BytesMut,
    tail: VecDeque<u8>,
    dropped_bytes: u64,
}

impl Capture {
    pub(crate) fn new(cap_bytes: u64) -> Self {
        let cap = usize::try_from(cap_bytes).unwrap_or(usize::MAX);
        Self {
            cap,
            head: BytesMut::new(),
            tail: VecDeque::new(),
            dropped_bytes: 0,
        }
    }

    /// Takes bytes; returns how many of them, from the front, still belong to an unbroken stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> usize {
        let before = self.head.len() + self.tail.len();
        let unbroken = if self.dropped_bytes > 0 {
            0
        } else {
            bytes.len().min(self.cap.saturating_sub(before))
        };
        let head_room = (self.cap - self.cap / 2).saturating_sub(self.head.len());
        let (to_head, to_tail) = bytes.split_at(bytes.len().min(head_room));
        self.head.extend_from_slice(to_head);
        let tail_cap = self.cap / 2;
        // Only the last `tail_cap` bytes can survive; the others need not be copied.
        let (skipped, kept) = to_tail.split_at(to_tail.len().saturating_sub(tail_cap));
        self.tail.extend(kept);
        let surplus = self.tail.len().saturating_sub(tail_cap);
        self.tail.drain(..surplus);
        self.dropped_bytes += (skipped.len() + surplus) as u64;
        unbroken
    }

    pub(crate) fn finish(self) -> CapturedOutput {
        let tail = Bytes::from(Vec::from(self.tail));
        if self.dropped_bytes == 0 {
            let mut whole = self.head;
            whole.extend_from_slice(&tail);
            return CapturedOutput {
                head: whole.freeze(),
                tail: Bytes::new(),
                dropped_bytes: 0,
            };
        }
        CapturedOutput {
            head: self.head.freeze(),
            tail,
            dropped_bytes: self.dropped_bytes,
        }
    }
}

impl CapturedOutput {
    /// What of `bytes` is kept under the limit `output_bytes`.
    #[must_use]
    pub fn of(bytes: &[u8], output_bytes: u64) -> Self {
        let mut capture = Capture::new(output_bytes);
        capture.push(bytes);
        capture.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;

    fn captured(cap: u64, chunks: &[&str]) -> (String, String, u64) {
        let mut capture = Capture::new(cap);
        for chunk in chunks {
            capture.push(chunk.as_bytes());
        }
        let output = capture.finish();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&output.head), text(&output.tail), output.dropped_bytes)
    }

    #[test]
    fn head_and_tail_stay_and_the_middle_is_counted() {
        let all = |text: &str| (text.to_owned(), String::new(), 0);
        assert_eq!(captured(6, &["abc", "def"]), all("abcdef"));
        assert_eq!(captured(6, &["abcdefg"]), ("abc".into(), "efg".into(), 1));
        assert_eq!(
            captured(6, &["ab", "cdefghij", "kl"]),
            ("abc".into(), "jkl".into(), 6)
        );
        assert_eq!(captured(0, &["abc"]), (String::new(), String::new(), 3));
        assert_eq!(captured(1, &["ab"]), ("a".into(), String::new(), 1));
    }

    #[test]
    fn only_an_unbroken_beginning_is_streamed() {
        let mut capture = Capture::new(4);
        assert_eq!(
            (
                capture.push(b"abc"),
                capture.push(b"def"),
                capture.push(b"g")
            ),
            (3, 1, 0)
        );
    }
}
