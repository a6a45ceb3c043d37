//! A running execution as its caller sees it: a bounded event stream that ends in one report.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::error::ExecutionError;
use crate::limits::{Limits, Usage};
use crate::outcome::{Artifact, CapturedOutput, ExitStatus, Outcome, SkippedArtifact};

/// Identity of one execution: 122 random bits, unguessable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionId(uuid::Uuid);

impl ExecutionId {
    /// A fresh identity.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// Reads what `Display` wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::parse_str(text).ok().map(Self)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which output stream a chunk belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// What happens while an execution runs, in order. The last event is `Finished` or `Failed`.
#[derive(Debug, Clone)]
pub enum Event {
    /// A sandbox was leased and the program handed over.
    Started,
    /// Bytes as they came; past `output_bytes` nothing more is streamed.
    Output(Stream, Bytes),
    /// The guest ended: its report.
    Finished(Box<ExecutionReport>),
    /// We failed: no outcome exists.
    Failed(ExecutionError),
}

/// Everything known about an execution that ended.
#[derive(Debug, Clone)]
pub struct ExecutionReport {
    /// Which execution.
    pub id: ExecutionId,
    /// How it ended.
    pub outcome: Outcome,
    /// How its first process left; `None` when it never started.
    pub exit: Option<ExitStatus>,
    /// Standard output.
    pub stdout: CapturedOutput,
    /// Standard error.
    pub stderr: CapturedOutput,
    /// Files left in `output/`.
    pub artifacts: Vec<Artifact>,
    /// Files that stayed behind.
    pub skipped: Vec<SkippedArtifact>,
    /// What the kernel measured.
    pub usage: Usage,
    /// What was enforced.
    pub limits: Limits,
    /// From the request to the hand-over of the program: queue, lease and fork.
    pub start: Duration,
    /// The tier that confined it, such as `full` or `rootless`.
    pub tier: &'static str,
    /// The preload its zygote had.
    pub preload: String,
}

/// Sees the report before the caller does.
type Look = Box<dyn FnOnce(&ExecutionReport) + Send>;

/// A running execution. Dropping it kills the guest.
pub struct Execution {
    id: ExecutionId,
    events: mpsc::Receiver<Event>,
    cancel: Option<oneshot::Sender<()>>,
    when_finished: Option<Look>,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Execution {
    /// An execution whose events come from `events`; `cancel` fires (or is dropped) to kill it.
    #[must_use]
    pub fn new(
        id: ExecutionId,
        events: mpsc::Receiver<Event>,
        cancel: oneshot::Sender<()>,
    ) -> Self {
        Self {
            id,
            events,
            cancel: Some(cancel),
            when_finished: None,
        }
    }

    /// The same, with the report shown to `look` before the caller gets it.
    #[must_use]
    pub fn when_finished(self, look: impl FnOnce(&ExecutionReport) + Send + 'static) -> Self {
        Self {
            when_finished: Some(Box::new(look)),
            ..self
        }
    }

    /// An execution that ended before it started, such as one the policy rejected.
    #[must_use]
    pub fn ended(id: ExecutionId, last: Event) -> Self {
        let (sender, events) = mpsc::channel(1);
        // A channel of one holds one: this cannot fail.
        let _ = sender.try_send(last);
        Self {
            id,
            events,
            cancel: None,
            when_finished: None,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ExecutionId {
        self.id
    }

    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await;
        if let Some(Event::Finished(report)) = &event
            && let Some(look) = self.when_finished.take()
        {
            look(report);
        }
        event
    }

    /// Asks for the end; the outcome will be `Cancelled` unless it ended before.
    pub fn cancel(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            let _ = cancel.send(());
        }
    }

    /// Waits for the end and drops the events before it.
    ///
    /// Errors: the failure of ours, if there is no outcome.
    pub async fn finish(mut self) -> Result<ExecutionReport, ExecutionError> {
        while let Some(event) = self.next().await {
            match event {
                Event::Started | Event::Output(..) => {}
                Event::Finished(report) => return Ok(*report),
                Event::Failed(error) => return Err(error),
            }
        }
        Err(ExecutionError::Lost {
            what: "the supervisor task",
        })
    }
}
