//! Where executions are recorded: from their start, and before anybody is told of their end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::{Ending, ExecutionError, ExecutionId, Hold};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::claim::Claim;
use super::entry::{Ended, Started, signed};
use super::housekeeping::{self, Retention};
use super::instances::Instance;
use super::writer::{self, End, Entry};
use super::{Database, DatabaseError};

/// Records that may be open: executions that run, and those that wait to be written. With what one
/// may take this bounds the memory that a database can cost that does not answer.
const MOST_OPEN: usize = 1024;
/// How long an execution may wait for a place among them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an execution may run before its start is written.
const GRACE: Duration = Duration::from_millis(50);

/// Records the executions of this server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    queue: mpsc::UnboundedSender<Entry>,
    places: Arc<Semaphore>,
    young: Arc<Young>,
    tasks: [JoinHandle<()>; 2],
    /// Its lock goes with this value.
    instance: Instance,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Executions that run and whose start has not been written.
#[derive(Debug, Default)]
struct Young {
    executions: Mutex<HashMap<ExecutionId, Arc<Started>>>,
    /// There is a first one.
    came: Notify,
}

impl Young {
    fn add(&self, started: &Arc<Started>) {
        let mut executions = self.lock();
        if executions.is_empty() {
            self.came.notify_one();
        }
        executions.insert(started.id, Arc::clone(started));
    }

    /// Hands those to the writer that have run for `GRACE`, until the task is aborted.
    async fn hand_over(self: Arc<Self>, queue: mpsc::UnboundedSender<Entry>) {
        loop {
            self.came.notified().await;
            while !self.lock().is_empty() {
                tokio::time::sleep(GRACE).await;
                let until = now_ms().saturating_sub(signed(GRACE.as_millis()));
                let old = |_: &ExecutionId, one: &mut Arc<Started>| one.started_ms <= until;
                // Sent under the lock, so that no end comes before its start.
                let mut young = self.lock();
                let old: Vec<_> = young.extract_if(old).map(|(_, one)| one).collect();
                if !old.is_empty() {
                    let _ = queue.send(Entry::Starts(old));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Started>>> {
        // Whoever panicked with it had changed it whole: insertions and removals are single calls.
        self.executions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Begins to record under a name. What ran under it before is lost from now on. Where a server of
    /// another host has the name, the folder is a copy of that one's and gets another name.
    pub async fn begin(
        database: Database,
        mut instance: Instance,
        retention: Retention,
    ) -> Result<Self, DatabaseError> {
        let claim = Claim::take(&database, &mut instance).await?;
        let lost = database.begin_instance(instance.name(), now_ms()).await?;
        if lost > 0 {
            tracing::warn!(lost, "executions of the last server were cut off");
        }
        let (queue, entries) = mpsc::unbounded_channel();
        let name = instance.name().to_owned();
        tokio::spawn(writer::write(database.clone(), name.clone(), entries));
        let housekeeper = housekeeping::keep(database.clone(), name, claim, retention);
        let young = Arc::new(Young::default());
        let hand_over = Arc::clone(&young).hand_over(queue.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                queue,
                places: Arc::new(Semaphore::new(MOST_OPEN)),
                young,
                tasks: [tokio::spawn(housekeeper), tokio::spawn(hand_over)],
                instance,
            }),
        })
    }

    /// The database it writes to.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// The name under which it records.
    pub(crate) fn instance(&self) -> &str {
        self.inner.instance.name()
    }

    /// Waits until everything that was handed over is written, then closes the database.
    pub async fn close(&self) {
        let (done, written) = oneshot::channel();
        if self.inner.queue.send(Entry::Flush(done)).is_ok() {
            let _ = written.await;
        }
        self.inner.tasks.iter().for_each(JoinHandle::abort);
        housekeeping::last(&self.inner.database).await;
        self.inner.database.close().await;
    }

    /// A place for an execution that is about to start.
    ///
    /// Errors: the database is so slow that too many wait for it.
    pub(crate) async fn admit(&self, started: Started) -> Result<Opening, ExecutionError> {
        let place = Arc::clone(&self.inner.places).acquire_owned();
        match tokio::time::timeout(PATIENCE, place).await {
            Ok(Ok(place)) => Ok(Opening {
                recorder: self.clone(),
                started,
                place,
            }),
            Ok(Err(_)) | Err(_) => Err(ExecutionError::Unrecorded {
                reason: "too many executions wait to be recorded".into(),
            }),
        }
    }
}

/// A record of an execution that has not started: nothing is written of it.
#[derive(Debug)]
pub(crate) struct Opening {
    recorder: Recorder,
    started: Started,
    place: OwnedSemaphorePermit,
}

impl Opening {
    /// Where it will run.
    pub(crate) fn within(self, digest: &str, is_default: bool) -> Self {
        Self {
            started: self.started.within(digest, is_default),
            ..self
        }
    }

    /// The execution has started.
    pub(crate) fn begin(self, id: ExecutionId) -> Record {
        let started = Arc::new(Started {
            id,
            started_ms: now_ms(),
            ..self.started
        });
        self.recorder.inner.young.add(&started);
        Record {
            recorder: self.recorder,
            started,
            place: self.place,
        }
    }
}

/// The record of a running execution.
#[derive(Debug)]
pub(crate) struct Record {
    recorder: Recorder,
    started: Arc<Started>,
    place: OwnedSemaphorePermit,
}

impl Record {
    /// The execution has ended. Ready once that is written, or cannot be, and `then` has been told
    /// which; it is told whether or not anybody waits.
    pub(crate) fn end(
        self,
        ending: Ending<'_>,
        then: impl FnOnce(bool) + Send + Sync + 'static,
    ) -> Hold {
        self.recorder.inner.young.lock().remove(&self.started.id);
        let (tell, told) = oneshot::channel();
        let end = End {
            started: self.started,
            ended: Ended::new(ending, now_ms()),
            written: Box::new(move |written: Result<(), DatabaseError>| {
                then(written.is_ok());
                // Nobody waits for the end of an execution that was abandoned.
                let _ = tell.send(written);
            }),
            place: self.place,
        };
        // The writer lives as long as there are senders.
        let _ = self.recorder.inner.queue.send(Entry::End(Box::new(end)));
        Box::pin(async move {
            let unrecorded = |reason: String| ExecutionError::Unrecorded { reason };
            match told.await {
                Ok(written) => written.map_err(|error| unrecorded(error.to_string())),
                Err(_) => Err(unrecorded("the writer has ended".into())),
            }
        })
    }
}

/// Since 1970. Unit: milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    signed(since.unwrap_or_default().as_millis())
}
