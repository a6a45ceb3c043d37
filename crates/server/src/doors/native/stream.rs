//! An execution as server-sent events while it runs.
//!
//! Shape: `started` `{"id"}`, then `stdout` and `stderr` `{"text", "base64"?}` in order, then
//! `finished` with the plain answer or `error` with the error's inside; a comment when nothing
//! happens. The texts of a stream joined are its output; `base64` has the exact bytes of a piece
//! whose text had to replace some.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use stepflow_python::{Event, OutputStream};

use super::report;
use super::running::Running;
use super::wire::{ChunkBody, StartedBody};
use crate::error::Failure;

/// Answers with the events of `running`. `detail` as in [`Failure::execution`].
pub(crate) fn events(running: Running, keep_alive: Duration, detail: bool) -> Response {
    let feed = Feed {
        running: Some(running),
        keep_alive,
        detail,
        out: Decoder::default(),
        err: Decoder::default(),
    };
    let frames = stream::unfold((feed, VecDeque::new()), async |(mut feed, mut ready)| {
        while ready.is_empty() {
            feed.advance(&mut ready).await?;
        }
        let frame: Bytes = ready.pop_front()?;
        Some((Ok::<_, Infallible>(frame), (feed, ready)))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

struct Feed {
    running: Option<Running>,
    keep_alive: Duration,
    detail: bool,
    out: Decoder,
    err: Decoder,
}

impl Feed {
    /// Puts the frames of the next event into `ready`; `None` after the last one.
    async fn advance(&mut self, ready: &mut VecDeque<Bytes>) -> Option<()> {
        let running = self.running.as_mut()?;
        let id = running.id();
        let Ok(event) = tokio::time::timeout(self.keep_alive, running.next()).await else {
            ready.push_back(Bytes::from_static(b": still running\n\n"));
            return Some(());
        };
        match event {
            Event::Started => {
                ready.push_back(frame("started", &StartedBody { id: id.to_string() }))
            }
            Event::Output(OutputStream::Stdout, bytes) => {
                push(ready, "stdout", self.out.push(&bytes))
            }
            Event::Output(OutputStream::Stderr, bytes) => {
                push(ready, "stderr", self.err.push(&bytes))
            }
            Event::Finished(ended) => {
                self.flush(ready);
                ready.push_back(frame("finished", &report::body(*ended)));
            }
            Event::Failed(error) => {
                self.flush(ready);
                let failure = Failure::execution(&error, Some(id), self.detail);
                ready.push_back(frame("error", &failure.body().error));
            }
        }
        Some(())
    }

    /// Ends the streams, and with them the execution's slot.
    fn flush(&mut self, ready: &mut VecDeque<Bytes>) {
        push(ready, "stdout", self.out.finish());
        push(ready, "stderr", self.err.finish());
        self.running = None;
    }
}

fn push(ready: &mut VecDeque<Bytes>, event: &str, chunk: Option<ChunkBody>) {
    ready.extend(chunk.map(|chunk| frame(event, &chunk)));
}

pub(super) fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // Our own bodies have string keys and finite numbers only: they always serialise.
    let json = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {event}\ndata: {json}\n\n"))
}

/// Decodes UTF-8 across chunk borders.
#[derive(Debug, Default)]
struct Decoder {
    carry: Vec<u8>,
}

impl Decoder {
    fn push(&mut self, bytes: &[u8]) -> Option<ChunkBody> {
        self.carry.extend_from_slice(bytes);
        let rest = self
            .carry
            .split_off(self.carry.len() - unfinished(&self.carry));
        let whole = std::mem::replace(&mut self.carry, rest);
        chunk(&whole)
    }

    fn finish(&mut self) -> Option<ChunkBody> {
        chunk(&std::mem::take(&mut self.carry))
    }
}

fn chunk(bytes: &[u8]) -> Option<ChunkBody> {
    if bytes.is_empty() {
        return None;
    }
    let base64 = std::str::from_utf8(bytes)
        .is_err()
        .then(|| STANDARD.encode(bytes));
    Some(ChunkBody {
        text: String::from_utf8_lossy(bytes).into_owned(),
        base64,
    })
}

/// Length of a character at the end that may still become whole.
fn unfinished(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|length| {
            let tail = &bytes[bytes.len() - length..];
            tail[0] >= 0xc0
                && std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> Vec<ChunkBody> {
        let mut decoder = Decoder::default();
        let mut out: Vec<_> = chunks
            .iter()
            .filter_map(|chunk| decoder.push(chunk))
            .collect();
        out.extend(decoder.finish());
        out
    }

    #[test]
    fn a_character_cut_anywhere_arrives_whole() {
        let text = "aé数🐍z";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let chunks = decode(&[head, tail]);
            assert!(chunks.iter().all(|chunk| chunk.base64.is_none()), "{cut}");
            assert_eq!(
                chunks
                    .into_iter()
                    .map(|chunk| chunk.text)
                    .collect::<String>(),
                text,
                "{cut}"
            );
        }
        let bytes: Vec<_> = text.bytes().map(|byte| [byte]).collect();
        let single: Vec<&[u8]> = bytes.iter().map(<[u8; 1]>::as_slice).collect();
        assert_eq!(
            decode(&single)
                .into_iter()
                .map(|chunk| chunk.text)
                .collect::<String>(),
            text
        );
    }

    #[test]
    fn replaced_bytes_come_exactly_beside_the_text() {
        let chunks = decode(&[b"a\xff", b"b", b"\xe6\x95"]);
        let expected = [
            ("a\u{fffd}", Some("Yf8=")),
            ("b", None),
            ("\u{fffd}", Some("5pU=")),
        ];
        let expected = expected.map(|(text, base64)| ChunkBody {
            text: text.to_owned(),
            base64: base64.map(str::to_owned),
        });
        assert_eq!(chunks, expected);
    }
}
