//! One connection from its first byte to its last, and which one goes when there are too many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt;

use super::guarded::{Guarded, Standing};
use super::head::MOST_HEAD_BYTES;
use crate::admission::Caller;
use crate::auth::Peer;
use crate::config::Timeouts;

/// The open connections of one listener, oldest first.
pub(crate) struct Connections {
    open: VecDeque<Weak<Standing>>,
    most: usize,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            open: VecDeque::new(),
            most: most.max(1),
        }
    }

    /// A place for one more connection.
    ///
    /// When all are taken, the oldest connection that has no request loses its own: a crowd of
    /// silent peers cannot keep others out. `None` when every one has a request.
    pub(crate) fn admit(&mut self) -> Option<Arc<Standing>> {
        if self.open.len() >= self.most {
            self.open.retain(|one| one.strong_count() > 0);
        }
        if self.open.len() >= self.most {
            let waits =
                |one: &Weak<Standing>| one.upgrade().is_none_or(|one| one.waits_for_a_head());
            let index = self.open.iter().position(waits)?;
            if let Some(oldest) = self.open.remove(index).and_then(|one| one.upgrade()) {
                oldest.evicted.notify_one();
            }
        }
        let standing = Standing::new();
        self.open.push_back(Arc::downgrade(&standing));
        Some(standing)
    }
}

/// Serves one connection to its end.
pub(crate) async fn drive<S>(
    stream: S,
    peer: Peer,
    standing: Arc<Standing>,
    router: Router,
    timeouts: Timeouts,
    mut draining: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let guarded = Guarded::new(stream, Arc::clone(&standing), timeouts);
    let for_service = Arc::clone(&standing);
    let caller = Arc::<Caller>::default();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&caller));
        answer(request, router.clone(), Arc::clone(&for_service))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // `Guarded` keeps time: it tells a silent connection from a slow head.
        .header_read_timeout(None)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(guarded), service);
    tokio::pin!(connection);
    let mut last = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = standing.evicted.notified() => return,
            _ = draining.wait_for(|draining| *draining), if !last => {
                if standing.waits_for_a_head() {
                    return;
                }
                last = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    router: Router,
    standing: Arc<Standing>,
) -> Result<Response<Answer>, Infallible> {
    let mut response = router.oneshot(request).await?;
    if standing.is_last() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Answer { body, standing }))
}

/// A body that tells its connection when it is out.
struct Answer {
    body: Body,
    standing: Arc<Standing>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.standing.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_connection_makes_room_and_a_closed_one_leaves_its_place() {
        let mut connections = Connections::new(2);
        let first = connections.admit().unwrap();
        let second = connections.admit().unwrap();
        drop(second);
        let _third = connections.admit().unwrap();
        assert_eq!(
            Arc::strong_count(&first),
            1,
            "a closed connection left its place first"
        );
        let mut evicted = Box::pin(first.evicted.notified());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(evicted.as_mut().poll(&mut cx).is_pending());
        assert!(connections.admit().is_some());
        assert!(
            evicted.as_mut().poll(&mut cx).is_ready(),
            "the oldest silent one was told to go"
        );
    }
}
