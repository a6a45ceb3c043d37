//! What a guest sends: its two output streams and its report, read until their writers are gone.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc};
use wire::report::ReportDecoder;

use crate::capture::Capture;
use crate::execution::{Event, Stream};

/// Room for a read; a stream that fills it gets the larger one.
const SMALL_READ: usize = 4 * 1024;
const LARGE_READ: usize = 64 * 1024;

/// Counts what a guest writes and raises the alarm past the hard cap.
#[derive(Debug)]
pub(crate) struct Flood {
    written: AtomicU64,
    hard_bytes: u64,
    /// Told once the cap is passed.
    pub(crate) burst: Notify,
}

impl Flood {
    pub(crate) fn new(hard_bytes: u64) -> Self {
        Self {
            written: AtomicU64::new(0),
            hard_bytes,
            burst: Notify::new(),
        }
    }

    fn count(&self, bytes: usize) {
        let bytes = bytes as u64;
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes > self.hard_bytes {
            self.burst.notify_one();
        }
    }
}

/// Reads one output stream to its end; passes on what comes before the cap.
///
/// The pipe comes back, to be closed when nobody waits for it.
pub(crate) async fn read_output(
    mut pipe: pipe::Receiver,
    stream: Stream,
    cap_bytes: u64,
    flood: &Flood,
    events: &mpsc::Sender<Event>,
) -> (Capture, pipe::Receiver) {
    let mut capture = Capture::new(cap_bytes);
    let mut buffer = BytesMut::new();
    let mut room = SMALL_READ;
    loop {
        buffer.reserve(room);
        let Ok(count @ 1..) = pipe.read_buf(&mut buffer).await else {
            return (capture, pipe);
        };
        if count >= room {
            room = LARGE_READ;
        }
        flood.count(count);
        let chunk = buffer.split().freeze();
        let unbroken = capture.push(&chunk);
        if unbroken > 0 {
            // Waiting here is the back-pressure: a slow reader slows the guest, not our memory.
            let _ = events
                .send(Event::Output(stream, chunk.slice(..unbroken)))
                .await;
        }
    }
}

/// Reads the report pipe to its end; the pipe comes back as above.
pub(crate) async fn read_report(mut pipe: pipe::Receiver) -> (ReportDecoder, pipe::Receiver) {
    let mut decoder = ReportDecoder::new();
    let mut buffer = BytesMut::new();
    loop {
        buffer.clear();
        buffer.reserve(SMALL_READ);
        let Ok(1..) = pipe.read_buf(&mut buffer).await else {
            return (decoder, pipe);
        };
        decoder.push(&buffer);
    }
}
