//! A remote execution's event stream, read into the events a local one would have.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepflow_python::{Event, Execution, ExecutionError, ExecutionId, Fault, OutputStream};
use tokio::sync::{mpsc, oneshot};

use super::client::{CallError, Client, Connection};
use super::convert::{self, Streamed};
use crate::doors::native::wire::{ChunkBody, StartedBody};
use crate::error::{ErrorBody, ErrorDetailBody};

/// Events between the connection and its reader; past that the server is made to wait.
const BUFFERED_EVENTS: usize = 64;

/// Starts an execution; returns once the server started it, or ended it without a start.
pub(crate) async fn start(
    client: &Client,
    path: &str,
    body: &impl Serialize,
) -> Result<Execution, ExecutionError> {
    let json = serde_json::to_vec(body).map_err(|error| broken(&error))?;
    let sent = client.post_for_events(path, json).await;
    let (response, connection) = sent.map_err(|error| match error {
        CallError::TooLarge { .. } => ExecutionError::Remote {
            code: "body_too_large",
            message: error.to_string(),
            fault: Fault::Caller,
        },
        CallError::Connect(_) | CallError::Http(_) | CallError::Request(_) => broken(&error),
    })?;
    if !response.status().is_success() {
        let whole = response
            .into_body()
            .collect()
            .await
            .map_err(|error| broken(&error))?
            .to_bytes();
        let told: ErrorBody = serde_json::from_slice(&whole).map_err(|error| broken(&error))?;
        return Err(convert::error(told.error));
    }
    let mut reader = Reader {
        body: response.into_body(),
        buffer: Vec::new(),
        searched: 0,
        streamed: Streamed::default(),
        _connection: connection,
    };
    let (id, first) = match reader.next().await {
        (Some(id), event) => (id, event),
        (None, Event::Failed(error)) => return Err(error),
        (None, _) => return Err(broken(&"its first event names no execution")),
    };
    if !matches!(first, Event::Started) {
        return Ok(Execution::ended(id, first));
    }
    let (sender, events) = mpsc::channel(BUFFERED_EVENTS);
    let (cancel, cancelled) = oneshot::channel();
    tokio::spawn(forward(
        client.clone(),
        id,
        reader,
        first,
        sender,
        cancelled,
    ));
    Ok(Execution::new(id, events, cancel))
}

/// Ends when the execution does, or when nobody wants it any more; that closes the connection.
async fn forward(
    client: Client,
    id: ExecutionId,
    mut reader: Reader,
    first: Event,
    sender: mpsc::Sender<Event>,
    mut cancelled: oneshot::Receiver<()>,
) {
    let mut event = first;
    let mut asked = false;
    loop {
        let last = matches!(event, Event::Finished(_) | Event::Failed(_));
        if sender.send(event).await.is_err() || last {
            return;
        }
        event = loop {
            tokio::select! {
                (_, event) = reader.next() => break event,
                ask = &mut cancelled, if !asked => {
                    asked = true;
                    // Dropped: nobody waits for the end.
                    if ask.is_err() {
                        return;
                    }
                    // Should this fail, the execution ends by its own limits.
                    let _ = client.call(Method::DELETE, &format!("/v1/executions/{id}")).await;
                }
                () = sender.closed() => return,
            }
        };
    }
}

/// Reads one event after the other.
struct Reader {
    body: Incoming,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold no end of an event.
    searched: usize,
    streamed: Streamed,
    _connection: Connection,
}

impl Reader {
    /// The next event, and the execution's identity when the event has it. Can be cancelled.
    async fn next(&mut self) -> (Option<ExecutionId>, Event) {
        loop {
            match self.take_frame() {
                Some(frame) => match self.read(&frame) {
                    Ok(Some(event)) => return event,
                    Ok(None) => {}
                    Err(error) => return (None, Event::Failed(broken(&error))),
                },
                None => match self.body.frame().await {
                    Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
                    Some(Err(_)) | None => {
                        return (
                            None,
                            Event::Failed(ExecutionError::Lost { what: "the server" }),
                        );
                    }
                },
            }
        }
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let from = self.searched.saturating_sub(1);
        let Some(at) = self.buffer[from..]
            .windows(2)
            .position(|pair| pair == b"\n\n")
        else {
            self.searched = self.buffer.len();
            return None;
        };
        let rest = self.buffer.split_off(from + at + 2);
        self.searched = 0;
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// `None` for a comment or an event we do not know.
    fn read(&mut self, frame: &[u8]) -> Result<Option<(Option<ExecutionId>, Event)>, String> {
        let field = |name: &str| {
            frame
                .split(|byte| *byte == b'\n')
                .find_map(|line| line.strip_prefix(name.as_bytes()))
                .unwrap_or_default()
        };
        let data = field("data: ");
        let event = match field("event: ") {
            b"started" => {
                let StartedBody { id } = parse(data)?;
                (ExecutionId::parse(&id), Event::Started)
            }
            b"stdout" => (None, self.output(OutputStream::Stdout, data)?),
            b"stderr" => (None, self.output(OutputStream::Stderr, data)?),
            b"finished" => {
                let report = convert::report(parse(data)?, std::mem::take(&mut self.streamed))?;
                (Some(report.id), Event::Finished(Box::new(report)))
            }
            b"error" => {
                let told: ErrorDetailBody = parse(data)?;
                let id = told.execution_id.as_deref().and_then(ExecutionId::parse);
                (id, Event::Failed(convert::error(told)))
            }
            _ => return Ok(None),
        };
        Ok(Some(event))
    }

    fn output(&mut self, stream: OutputStream, data: &[u8]) -> Result<Event, String> {
        let ChunkBody { text, base64 } = parse(data)?;
        let bytes = match base64 {
            Some(exact) => STANDARD.decode(exact).map_err(|error| error.to_string())?,
            None => text.into_bytes(),
        };
        match stream {
            OutputStream::Stdout => self.streamed.stdout.extend_from_slice(&bytes),
            OutputStream::Stderr => self.streamed.stderr.extend_from_slice(&bytes),
        }
        Ok(Event::Output(stream, Bytes::from(bytes)))
    }
}

fn parse<T: DeserializeOwned>(data: &[u8]) -> Result<T, String> {
    serde_json::from_slice(data).map_err(|error| error.to_string())
}

pub(super) fn broken(reason: &impl ToString) -> ExecutionError {
    ExecutionError::Host {
        operation: "run this on the server of this host".to_owned(),
        reason: reason.to_string(),
    }
}
