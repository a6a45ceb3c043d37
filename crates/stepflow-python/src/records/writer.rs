//! The one task that writes executions. Whoever waits for an end waits for the statement it is in.
//!
//! A statement takes every end that came while the one before was written, so many callers share
//! one commit and one alone waits for nobody. Starts come only of executions that run for some time:
//! an end brings all that its start would have.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use engine::ExecutionId;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AssertSqlSafe};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

use super::entry::{Ended, Started};
use super::statements::{Insert, SIZES, Texts, bind_ended, bind_started};
use super::{Database, DatabaseError};

/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how long without entries we look for what could not be written.
const IDLE: Duration = Duration::from_secs(10);
/// Executions without a written end that are remembered. Beyond, their records say `running` until the
/// next start of this server.
const MOST_FAILED: usize = 4096;

/// An end may have been written after all, and a start may not.
const MARK: &str = "
    UPDATE executions SET state = 'failed', detail = 'unrecorded', ended_ms = $2
    WHERE id = $1 AND state = 'running'";

/// What comes to the writer.
pub(super) enum Entry {
    /// Executions that have run for some time.
    Starts(Vec<Arc<Started>>),
    End(Box<End>),
    /// Once it is answered everything before it is written, and the connection is given back.
    Flush(oneshot::Sender<()>),
}

/// An end and who is told of it.
pub(super) struct End {
    pub(super) started: Arc<Started>,
    pub(super) ended: Ended,
    pub(super) written: Box<dyn FnOnce(Result<(), DatabaseError>) + Send + Sync>,
    /// Its place among those that may be open.
    pub(super) place: OwnedSemaphorePermit,
}

/// Writes until every sender is gone.
pub(super) async fn write(
    database: Database,
    instance: String,
    mut queue: mpsc::UnboundedReceiver<Entry>,
) {
    let mut writer = Writer {
        database,
        connection: None,
        instance,
        texts: Texts::new(),
        failed: VecDeque::new(),
        is_reached: false,
    };
    let mut entries = Vec::new();
    loop {
        let received = timeout(IDLE, queue.recv_many(&mut entries, SIZES[0])).await;
        if received == Ok(0) {
            return;
        }
        let (mut ends, mut starts, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries.drain(..) {
            match entry {
                Entry::Starts(some) => starts.extend(some),
                Entry::End(end) => ends.push(*end),
                Entry::Flush(done) => flushes.push(done),
            }
        }
        writer.write_ends(ends).await;
        writer.write_starts(starts).await;
        if writer.is_reached || received.is_err() {
            writer.mark_failed().await;
        }
        for done in flushes {
            writer.connection = None;
            let _ = done.send(());
        }
    }
}

struct Writer {
    database: Database,
    /// Always the same one: another's writes would empty what it remembers of the file.
    connection: Option<PoolConnection<Any>>,
    instance: String,
    texts: Texts,
    /// Whose end could not be written, and when it came: their start says that they run.
    failed: VecDeque<(ExecutionId, i64)>,
    /// Whether the last statement succeeded.
    is_reached: bool,
}

impl Writer {
    /// Ends in statements as large as can be. Those of one that fails are written each alone, so that
    /// no execution is kept back by another's record. Without a database all are told at once.
    async fn write_ends(&mut self, mut ends: Vec<End>) {
        let mut alone = 0;
        while !ends.is_empty() {
            let most = if alone > 0 { 1 } else { ends.len() };
            let (size, text) = self.texts.ends.largest(most);
            match self.insert_ends(&text, &ends[..size]).await {
                Err(error) if is_out_of_reach(&error) => {
                    self.tell(ends.drain(..), Err(error));
                }
                Err(_) if size > 1 => alone = size,
                written => {
                    self.tell(ends.drain(..size), written);
                    alone = alone.saturating_sub(1);
                }
            }
        }
    }

    /// Once more on another connection if the first try fails: the statement does not mind if it had
    /// succeeded. Where the pool gave none there is no other.
    async fn insert_ends(&mut self, text: &Arc<str>, ends: &[End]) -> Result<(), sqlx::Error> {
        match self.execute(self.ends(text, ends)).await {
            Ok(()) => Ok(()),
            Err(error @ (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)) => Err(error),
            Err(_) => self.execute(self.ends(text, ends)).await,
        }
    }

    fn ends(&self, text: &Arc<str>, ends: &[End]) -> Insert<'static> {
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        for end in ends {
            let kept = end.started.bytes() + end.ended.bytes();
            query = bind_started(query, &end.started, &self.instance, kept);
            query = bind_ended(query, &end.started, &end.ended);
        }
        query
    }

    /// A start that cannot be written keeps nobody back: nothing was promised yet, and its end
    /// brings it along.
    async fn write_starts(&mut self, mut starts: Vec<Arc<Started>>) {
        while !starts.is_empty() {
            let (size, text) = self.texts.starts.largest(starts.len());
            let rest = starts.split_off(size);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for one in &starts {
                query = bind_started(query, one, &self.instance, one.bytes());
            }
            if let Err(error) = self.execute(query).await {
                tracing::warn!(%error, "cannot record that executions have started");
                if is_out_of_reach(&error) {
                    return;
                }
            }
            starts = rest;
        }
    }

    /// Ends the records whose end could not be written, some at once: their callers were told so.
    async fn mark_failed(&mut self) {
        for _ in 0..SIZES[0] {
            let Some((id, ended_ms)) = self.failed.front() else {
                return;
            };
            let mark = sqlx::query(MARK).bind(id.to_string()).bind(*ended_ms);
            if let Err(error) = self.execute(mark).await {
                tracing::warn!(%error, "cannot record that executions have failed");
                return;
            }
            self.failed.pop_front();
        }
    }

    /// A connection that fails goes back to the pool, which looks at it. One that does not answer is
    /// closed, except to a file: there it answers in the end, and may be the last that could be opened.
    async fn execute(&mut self, query: Insert<'_>) -> Result<(), sqlx::Error> {
        self.is_reached = false;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.pool().acquire().await?,
        };
        let Ok(executed) = timeout(PATIENCE, query.execute(&mut *connection)).await else {
            if !self.database.is_sqlite() {
                connection.close_on_drop();
            }
            return Err(sqlx::Error::Io(ErrorKind::TimedOut.into()));
        };
        executed?;
        self.is_reached = true;
        if self.database.has_several_connections() {
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn tell(&mut self, ends: impl Iterator<Item = End>, written: Result<(), sqlx::Error>) {
        let written = written.map_err(DatabaseError::at("record the end of an execution"));
        for end in ends {
            let id = end.started.id;
            if let Err(error) = &written {
                tracing::error!(execution = %id, %error, "cannot record the end of an execution");
                if self.failed.len() < MOST_FAILED {
                    self.failed.push_back((id, end.ended.ended_ms));
                }
            }
            (end.written)(written.clone());
            drop(end.place);
        }
    }
}

/// Whether another statement would fail as this one did.
fn is_out_of_reach(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls};
    matches!(error, Io(_) | Tls(_) | PoolTimedOut | PoolClosed)
}
