//! A connection that lets through one request at a time, and closes when its peer is too slow.
//!
//! The HTTP library below sees a head only when it is whole and unambiguous, then exactly the body
//! that head announced. Bytes sent before the answer is out are never read as a second request.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::head::{Framing, HeadScanner, Scan};
use crate::config::Timeouts;

/// What the HTTP library is given for a head we refuse: it answers 400 and closes.
const REFUSED_HEAD: &[u8] = b"\0\r\n\r\n";

/// Where a connection stands; shared with whoever may close it.
#[derive(Debug)]
pub(crate) struct Standing {
    state: Mutex<State>,
    /// Told when the connection must go.
    pub(crate) evicted: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// The answer is out, though its request's body may not be.
    answered: bool,
    /// Nothing more is read once this request is answered.
    last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Body { remaining: u64 },
    Chunks,
    Answering,
}

impl Standing {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            phase: Phase::Idle,
            answered: false,
            last: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            evicted: Notify::new(),
        })
    }

    /// Whether no request is being read or answered.
    pub(crate) fn waits_for_a_head(&self) -> bool {
        matches!(self.lock().phase, Phase::Idle | Phase::Head)
    }

    /// Whether the answer must be the connection's last one.
    pub(crate) fn is_last(&self) -> bool {
        self.lock().last
    }

    /// Told when an answer is out.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        state.answered = true;
        if state.phase == Phase::Answering {
            state.phase = Phase::Idle;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A head arrived whole.
    fn begin(&self, framing: Framing) {
        let mut state = self.lock();
        state.answered = false;
        match framing {
            Framing::Length(0) => state.phase = Phase::Answering,
            Framing::Length(remaining) => state.phase = Phase::Body { remaining },
            // We do not count chunks, so nothing may follow them.
            Framing::Chunked => (state.phase, state.last) = (Phase::Chunks, true),
        }
    }

    /// How many of `bytes` belong to the request being read; with others, this request is the last.
    fn admit(&self, bytes: usize) -> usize {
        let mut state = self.lock();
        match state.phase {
            Phase::Chunks => bytes,
            Phase::Body { remaining } => {
                let own = usize::try_from(remaining).unwrap_or(usize::MAX).min(bytes);
                let left = remaining.saturating_sub(u64::try_from(own).unwrap_or(u64::MAX));
                state.phase = match (left, state.answered) {
                    (0, false) => Phase::Answering,
                    (0, true) => Phase::Idle,
                    (remaining, _) => Phase::Body { remaining },
                };
                state.last |= own < bytes;
                own
            }
            Phase::Idle | Phase::Head | Phase::Answering => {
                state.last |= bytes > 0;
                0
            }
        }
    }
}

/// The stream the HTTP library reads and writes.
pub(crate) struct Guarded<S> {
    inner: S,
    standing: Arc<Standing>,
    timeouts: Timeouts,
    head: HeadScanner,
    /// Bytes to hand over before anything else is read.
    pending: Bytes,
    read_deadline: Option<Pin<Box<Sleep>>>,
    write_deadline: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    pub(crate) fn new(inner: S, standing: Arc<Standing>, timeouts: Timeouts) -> Self {
        Self {
            inner,
            standing,
            timeouts,
            head: HeadScanner::default(),
            pending: Bytes::new(),
            read_deadline: None,
            write_deadline: None,
        }
    }

    /// Reads towards a whole head and puts it into `pending`. Ready and nothing pending: the end.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut space = [0; 8 * 1024];
            let mut buffer = ReadBuf::new(&mut space);
            let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(cx, &mut buffer) else {
                let limit = if self.head.is_empty() {
                    self.timeouts.idle
                } else {
                    self.timeouts.head
                };
                return expire(&mut self.read_deadline, limit, cx);
            };
            read?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.head.is_empty() {
                self.read_deadline = None;
                self.standing.lock().phase = Phase::Head;
            }
            match self.head.push(buffer.filled()) {
                Scan::Partial if !self.head.is_too_long() => continue,
                // Longer than the library's buffer: it answers 431 and closes.
                Scan::Partial => {
                    self.standing.lock().last = true;
                    self.pending = self.head.take().into();
                }
                Scan::Complete(length, framing) => {
                    let mut bytes = Bytes::from(self.head.take());
                    self.standing.begin(framing);
                    let own = self.standing.admit(bytes.len() - length);
                    bytes.truncate(length + own);
                    self.pending = bytes;
                }
                Scan::Refused => {
                    self.head.take();
                    self.standing.lock().last = true;
                    self.pending = Bytes::from_static(REFUSED_HEAD);
                }
            }
            self.read_deadline = None;
            return Poll::Ready(Ok(()));
        }
    }

    /// Reads what belongs to the request's body and drops anything else.
    fn poll_rest(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let before = out.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
            let read = out.filled().len() - before;
            let own = self.standing.admit(read);
            out.set_filled(before + own);
            if own > 0 || read == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Pending until `limit` has passed without progress, then an error.
fn expire<T>(
    deadline: &mut Option<Pin<Box<Sleep>>>,
    limit: std::time::Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    let sleep = deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
    ready!(sleep.as_mut().poll(cx));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.pending.is_empty() {
            let State { phase, last, .. } = *me.standing.lock();
            match phase {
                Phase::Idle | Phase::Head if last => return Poll::Ready(Ok(())),
                Phase::Idle | Phase::Head => ready!(me.poll_head(cx))?,
                Phase::Body { .. } | Phase::Chunks | Phase::Answering => {
                    return me.poll_rest(cx, out);
                }
            }
        }
        let length = me.pending.len().min(out.remaining());
        out.put_slice(&me.pending[..length]);
        me.pending.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        match Pin::new(&mut me.inner).poll_write(cx, bytes) {
            Poll::Pending => expire(&mut me.write_deadline, me.timeouts.write, cx),
            done @ Poll::Ready(_) => {
                me.write_deadline = None;
                done
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
