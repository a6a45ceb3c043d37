//! HTTP over a unix socket, one connection per request.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::ConnectError;
use crate::serve::own_uid;

/// The socket of a server that may see our programs.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: Arc<PathBuf>,
    /// Most bytes of a body that the server takes. It would answer a longer one while we still write,
    /// and hang up: whoever writes does not see that answer.
    most_bytes: Option<usize>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("cannot reach the server's socket: {0}")]
    Connect(#[from] io::Error),
    #[error("the server's answer broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error(
        "this takes a request of {bytes} bytes, and the server takes {most}: give --no-server, or smaller files"
    )]
    TooLarge { bytes: usize, most: usize },
    #[error("no request can be made of this: {0}")]
    Request(#[from] axum::http::Error),
}

/// An open connection; closed when dropped.
#[derive(Debug)]
pub(crate) struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// `None` when nobody listens on `socket`.
    pub(crate) async fn find(socket: &Path) -> Result<Option<Self>, ConnectError> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let failed = |source| ConnectError::Socket {
            path: socket.to_owned(),
            source,
        };
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // Source: unix(7), SO_PEERCRED: who listens, as of when they began to.
        let uid = stream.peer_cred().map_err(failed)?.uid();
        if uid != 0 && uid != own_uid().map_err(failed)? {
            return Err(ConnectError::Foreign {
                path: socket.to_owned(),
                uid,
            });
        }
        Ok(Some(Self {
            socket: Arc::new(socket.to_owned()),
            most_bytes: None,
        }))
    }

    /// The same, which sends no body that is longer.
    pub(crate) fn with_most(self, most_bytes: Option<usize>) -> Self {
        Self { most_bytes, ..self }
    }

    /// One request without a body and its whole answer.
    pub(crate) async fn call(&self, method: Method, path: &str) -> Result<Answer, CallError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(ACCEPT, "application/json")
            // A post without a body needs it, too.
            .header(CONTENT_TYPE, "application/json");
        self.whole(request.body(Full::default())?).await
    }

    /// Posts JSON and takes the whole answer.
    pub(crate) async fn post(&self, path: &str, json: Vec<u8>) -> Result<Answer, CallError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json");
        self.whole(request.body(Full::from(json))?).await
    }

    async fn whole(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let (response, _connection) = self.send(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    /// Posts JSON and asks for events.
    pub(crate) async fn post_for_events(
        &self,
        path: &str,
        json: Vec<u8>,
    ) -> Result<(Response<Incoming>, Connection), CallError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .body(Full::from(json))?;
        self.send(request).await
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), CallError> {
        let bytes = request.body().size_hint().exact().unwrap_or_default();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if let Some(most) = self.most_bytes.filter(|most| bytes > *most) {
            return Err(CallError::TooLarge { bytes, most });
        }
        let stream = UnixStream::connect(self.socket.as_path()).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Connection(tokio::spawn(async move {
            // Its failure is what `sender` and the body report.
            let _ = connection.await;
        }));
        Ok((sender.send_request(request).await?, connection))
    }
}
