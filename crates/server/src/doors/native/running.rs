//! A running execution as a route holds it: slot, cancellation and book-keeping in one value.
//!
//! Dropping it kills the guest and frees the slot, so a vanished caller leaves nothing running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepflow_python::{Event, Execution, ExecutionError, ExecutionId, ExecutionRequest};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use crate::admission::Permit;
use crate::app::App;
use crate::metrics::Metrics;

/// Executions that can be cancelled by their identity.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<ExecutionId, Arc<Notify>>>);

impl Registry {
    /// `false` when no such execution runs.
    pub(crate) fn cancel(&self, id: ExecutionId) -> bool {
        let found = self.lock().get(&id).cloned();
        found.inspect(|cancel| cancel.notify_one()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An admitted execution that has not ended.
pub(crate) struct Running {
    execution: Execution,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    cancel: Arc<Notify>,
    stop: watch::Receiver<bool>,
    body: Option<OwnedSemaphorePermit>,
    ended: bool,
    permit: Permit,
}

impl Running {
    /// Starts an execution in the slot of `permit`; `body` is freed once the program was handed over.
    ///
    /// Errors: a failure of ours before anything started.
    pub(crate) async fn start(
        app: &App,
        request: ExecutionRequest,
        permit: Permit,
        body: OwnedSemaphorePermit,
    ) -> Result<Self, ExecutionError> {
        let execution = app.executor.start(request).await?;
        let cancel = Arc::new(Notify::new());
        app.running
            .lock()
            .insert(execution.id(), Arc::clone(&cancel));
        Ok(Self {
            execution,
            registry: Arc::clone(&app.running),
            metrics: Arc::clone(&app.metrics),
            cancel,
            stop: app.stop.clone(),
            body: Some(body),
            ended: false,
            permit,
        })
    }

    pub(crate) fn id(&self) -> ExecutionId {
        self.execution.id()
    }

    /// The next event; the last one is `Finished` or `Failed`, whatever the executor does.
    pub(crate) async fn next(&mut self) -> Event {
        let event = loop {
            let stopping = *self.stop.borrow();
            tokio::select! {
                event = self.execution.next() => {
                    break event.unwrap_or(Event::Failed(ExecutionError::Lost { what: "the supervisor task" }));
                }
                () = self.cancel.notified() => self.execution.cancel(),
                Ok(()) = self.stop.changed(), if !stopping => self.execution.cancel(),
            }
        };
        match &event {
            Event::Started => self.body = None,
            Event::Output(..) => {}
            Event::Finished(report) => {
                self.ended = true;
                self.permit.used(report.usage.cpu);
                self.metrics.ended(&report.outcome);
            }
            Event::Failed(error) => {
                self.ended = true;
                self.metrics.failed(error);
            }
        }
        event
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.execution.id());
        if !self.ended {
            self.metrics.abandoned.add();
        }
    }
}
