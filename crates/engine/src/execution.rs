//! A running execution as its caller sees it: a bounded event stream that ends in one report.

use std::fmt;
use std::pin::Pin;
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

/// What became of an execution, told before its caller knows.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// The guest ended.
    Finished(&'a ExecutionReport),
    /// We failed.
    Failed(&'a ExecutionError),
    /// The caller dropped it, which kills the guest.
    Abandoned,
}

/// Keeps the last event back until it is done. An error takes the event's place.
pub type Hold = Pin<Box<dyn Future<Output = Result<(), ExecutionError>> + Send>>;

/// Sees the end before the caller does.
type Look = Box<dyn FnOnce(Ending<'_>) -> Option<Hold> + Send>;

/// A running execution. Dropping it kills the guest.
pub struct Execution {
    id: ExecutionId,
    events: mpsc::Receiver<Event>,
    cancel: Option<oneshot::Sender<()>>,
    look: Option<Look>,
    held: Option<(Event, Hold)>,
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
            look: None,
            held: None,
        }
    }

    /// The same, with the end shown to `look` before the caller gets it: exactly once, whatever
    /// becomes of the execution. What `look` returns keeps the end back.
    #[must_use]
    pub fn when_ended(
        mut self,
        look: impl FnOnce(Ending<'_>) -> Option<Hold> + Send + 'static,
    ) -> Self {
        self.look = Some(Box::new(look));
        self
    }

    /// An execution that ended before it started, such as one the policy rejected.
    #[must_use]
    pub fn ended(id: ExecutionId, last: Event) -> Self {
        Self::replayed(id, vec![last])
    }

    /// An execution that has ended, with all that happened: of an executor that tells only of its end.
    #[must_use]
    pub fn replayed(id: ExecutionId, all: Vec<Event>) -> Self {
        let (sender, events) = mpsc::channel(all.len().max(1));
        for event in all {
            // The channel has room for each of them: this cannot fail.
            let _ = sender.try_send(event);
        }
        Self {
            id,
            events,
            cancel: None,
            look: None,
            held: None,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ExecutionId {
        self.id
    }

    /// The next event; `None` after the last one. Nothing is lost when this is dropped unfinished.
    pub async fn next(&mut self) -> Option<Event> {
        if self.held.is_none() {
            let event = self.receive().await?;
            let ending = match &event {
                Event::Started | Event::Output(..) => return Some(event),
                Event::Finished(report) => Ending::Finished(report),
                Event::Failed(error) => Ending::Failed(error),
            };
            let Some(hold) = self.look.take().and_then(|look| look(ending)) else {
                self.events.close();
                return Some(event);
            };
            self.held = Some((event, hold));
        }
        let (_, hold) = self.held.as_mut()?;
        let told = hold.await;
        let (event, _) = self.held.take()?;
        // Its supervisor waits for that before it sweeps.
        self.events.close();
        Some(told.map_or_else(Event::Failed, |()| event))
    }

    async fn receive(&mut self) -> Option<Event> {
        let event = self.events.recv().await;
        let lost = || {
            Event::Failed(ExecutionError::Lost {
                what: "the supervisor task",
            })
        };
        // Whoever looks is told of every end.
        event.or_else(|| self.look.is_some().then(lost))
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

impl Drop for Execution {
    fn drop(&mut self) {
        if let Some(look) = self.look.take() {
            drop(look(Ending::Abandoned));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn failed() -> Event {
        Event::Failed(ExecutionError::ShuttingDown)
    }

    #[tokio::test]
    async fn an_end_is_held_back_and_survives_a_dropped_wait() {
        let (release, released) = oneshot::channel::<()>();
        let hold = async move { released.await.map_err(|_| ExecutionError::HostMemory) };
        let execution = Execution::ended(ExecutionId::random(), failed());
        let mut execution = execution.when_ended(|_| Some(Box::pin(hold)));
        let early = tokio::time::timeout(Duration::from_millis(5), execution.next()).await;
        assert!(early.is_err(), "not before it is released");
        release.send(()).unwrap();
        let told = execution.next().await;
        assert!(matches!(
            told,
            Some(Event::Failed(ExecutionError::ShuttingDown))
        ));
        assert!(execution.next().await.is_none());
    }

    #[tokio::test]
    async fn an_end_that_could_not_be_kept_is_our_failure() {
        let execution = Execution::ended(ExecutionId::random(), failed());
        let hold = async { Err(ExecutionError::HostMemory) };
        let mut execution = execution.when_ended(|_| Some(Box::pin(hold)));
        assert!(matches!(
            execution.next().await,
            Some(Event::Failed(ExecutionError::HostMemory))
        ));
    }

    #[tokio::test]
    async fn every_end_is_seen_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |execution: Execution| {
            let seen = Arc::clone(&seen);
            execution.when_ended(move |ending| {
                seen.lock().unwrap().push(format!("{ending:?}"));
                None
            })
        };
        drop(note(Execution::ended(ExecutionId::random(), failed())));
        let mut told = note(Execution::ended(ExecutionId::random(), failed()));
        told.next().await;
        drop(told);
        // Its supervisor went without a word.
        let (events, receiver) = mpsc::channel(1);
        let (cancel, _cancelled) = oneshot::channel();
        drop(events);
        let mut lost = note(Execution::new(ExecutionId::random(), receiver, cancel));
        assert!(matches!(lost.next().await, Some(Event::Failed(_))));
        assert!(lost.next().await.is_none());
        let seen = seen.lock().unwrap();
        assert_eq!(
            *seen,
            [
                "Abandoned",
                "Failed(ShuttingDown)",
                "Failed(Lost { what: \"the supervisor task\" })"
            ]
        );
    }
}
