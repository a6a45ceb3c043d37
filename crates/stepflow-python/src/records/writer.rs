//! The one task that writes executions. Whoever waits for an end waits for the statement it is in.
//!
//! A statement takes every end that came while the one before was written, so many callers share
//! one commit and one alone waits for nobody. Starts come only of executions that run for some time:
//! an end brings all that its start would have.

use std::sync::Arc;

use sqlx::any::AnyArguments;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::entry::{Ended, Started, signed};
use super::{Database, DatabaseError};

/// Rows of the largest statement: few sizes, so that each is prepared once.
const SIZES: [usize; 6] = [32, 16, 8, 4, 2, 1];

/// What a start says, and an end first.
const OF_START: &str = "id instance source_sha256 source_bytes source environment policy \
    started_ms kept_bytes";
/// What an end says besides.
const OF_END: &str = "environment_id module_name function_name parameters state outcome detail \
    tier preload limits usage artifacts ended_ms result stdout stderr execution_time_ms \
    memory_usage_kb return_code exceptions";

/// What comes to the writer.
#[derive(Debug)]
pub(super) enum Entry {
    /// Executions that have run for some time.
    Starts(Vec<Arc<Started>>),
    End(Box<End>),
    /// Once it is answered everything before it is written, and the connection is given back.
    Flush(oneshot::Sender<()>),
}

/// An end and who waits for it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) started: Arc<Started>,
    pub(super) ended: Ended,
    pub(super) written: oneshot::Sender<Result<(), DatabaseError>>,
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
    };
    let mut entries = Vec::new();
    while queue.recv_many(&mut entries, SIZES[0]).await > 0 {
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
}

impl Writer {
    /// Ends in statements as large as can be. One that fails is tried again row by row, so that no
    /// execution is kept back by another's record.
    async fn write_ends(&mut self, mut ends: Vec<End>) {
        while !ends.is_empty() {
            let (size, text) = self.texts.ends.largest(ends.len());
            let rest = ends.split_off(size);
            match self.insert_ends(text, &ends).await {
                Err(_) if size > 1 => {
                    for end in ends {
                        let (_, text) = self.texts.ends.largest(1);
                        let written = self.insert_ends(text, std::slice::from_ref(&end)).await;
                        tell(end, written);
                    }
                }
                written => {
                    for end in ends {
                        tell(end, written.clone());
                    }
                }
            }
            ends = rest;
        }
    }

    async fn insert_ends(&mut self, text: Arc<str>, ends: &[End]) -> Result<(), DatabaseError> {
        let mut query = sqlx::query(AssertSqlSafe(text));
        for end in ends {
            let kept = end.started.source.len() + end.ended.bytes();
            query = bind_started(query, &end.started, &self.instance, kept);
            query = bind_ended(query, &end.started, &end.ended);
        }
        let written = self.execute(query).await;
        written.map_err(DatabaseError::at("record the end of an execution"))
    }

    /// A start that cannot be written keeps nobody back: nothing was promised yet, and its end
    /// brings it along.
    async fn write_starts(&mut self, mut starts: Vec<Arc<Started>>) {
        while !starts.is_empty() {
            let (size, text) = self.texts.starts.largest(starts.len());
            let rest = starts.split_off(size);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for one in &starts {
                query = bind_started(query, one, &self.instance, one.source.len());
            }
            if let Err(error) = self.execute(query).await {
                tracing::warn!(%error, "cannot record that executions have started");
            }
            starts = rest;
        }
    }

    /// A connection that fails goes back to the pool, which looks at it.
    async fn execute(&mut self, query: Insert<'_>) -> Result<(), sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.pool().acquire().await?,
        };
        query.execute(&mut *connection).await?;
        if self.database.has_several_connections() {
            self.connection = Some(connection);
        }
        Ok(())
    }
}

fn tell(end: End, written: Result<(), DatabaseError>) {
    if let Err(error) = &written {
        tracing::error!(execution = %end.started.id, %error, "cannot record the end of an execution");
    }
    // Nobody waits for the end of an execution that was abandoned.
    let _ = end.written.send(written);
    drop(end.place);
}

type Insert<'q> = Query<'q, Any, AnyArguments>;

/// In the order of `OF_START`.
fn bind_started<'q>(
    query: Insert<'q>,
    started: &Started,
    instance: &str,
    kept_bytes: usize,
) -> Insert<'q> {
    query
        .bind(started.id.to_string())
        .bind(instance.to_owned())
        .bind(started.source_sha256.clone())
        .bind(started.source_bytes)
        .bind(started.source.clone())
        .bind(started.environment.clone())
        .bind(started.policy.to_owned())
        .bind(started.started_ms)
        .bind(signed(kept_bytes))
}

/// In the order of `OF_END`.
fn bind_ended<'q>(query: Insert<'q>, started: &Started, ended: &Ended) -> Insert<'q> {
    query
        .bind(started.environment_id.clone())
        .bind("main".to_owned())
        .bind(started.function_name.clone())
        .bind(started.parameters.clone())
        .bind(ended.state.to_owned())
        .bind(ended.outcome.map(str::to_owned))
        .bind(ended.detail.clone())
        .bind(ended.tier.map(str::to_owned))
        .bind(ended.preload.clone())
        .bind(ended.limits.clone())
        .bind(ended.usage.clone())
        .bind(ended.artifacts.clone())
        .bind(ended.ended_ms)
        .bind(ended.result.clone())
        .bind(ended.stdout.clone())
        .bind(ended.stderr.clone())
        .bind(ended.execution_time_ms)
        .bind(ended.memory_usage_kb)
        .bind(ended.return_code)
        .bind(ended.exceptions.clone())
}

/// Every statement there is.
struct Texts {
    starts: Sizes,
    ends: Sizes,
}

impl Texts {
    fn new() -> Self {
        Self {
            // An end may have come first, or the last try had succeeded.
            starts: Sizes::new("executions", &[OF_START], "ON CONFLICT (id) DO NOTHING"),
            ends: Sizes::new("recorded_executions", &[OF_START, OF_END], ""),
        }
    }
}

/// One statement per number of rows.
struct Sizes(Vec<(usize, Arc<str>)>);

impl Sizes {
    fn new(table: &str, columns: &[&str], end: &str) -> Self {
        let columns = columns.iter().flat_map(|some| some.split_whitespace());
        let columns: Vec<&str> = columns.collect();
        let of = |rows: usize| {
            let row = |index: usize| {
                let first = index * columns.len() + 1;
                let numbers = first..first + columns.len();
                let numbers: Vec<_> = numbers.map(|number| format!("${number}")).collect();
                format!("({})", numbers.join(", "))
            };
            let rows: Vec<_> = (0..rows).map(row).collect();
            let (columns, rows) = (columns.join(", "), rows.join(", "));
            format!("INSERT INTO {table} ({columns}) VALUES {rows} {end}").into()
        };
        Self(SIZES.map(|size| (size, of(size))).into())
    }

    /// The largest statement for at most `rows`, which are one at least.
    fn largest(&self, rows: usize) -> (usize, Arc<str>) {
        let fits = self.0.iter().find(|(size, _)| *size <= rows);
        let (size, text) = fits.unwrap_or(&self.0[self.0.len() - 1]);
        (*size, Arc::clone(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_never_takes_more_rows_than_there_are() {
        let sizes = Sizes::new("t", &["a", "b c"], "x");
        for (rows, size) in [(1, 1), (3, 2), (7, 4), (31, 16), (32, 32), (100, 32)] {
            assert_eq!(sizes.largest(rows).0, size, "{rows}");
        }
        assert_eq!(
            sizes.largest(2).1.as_ref(),
            "INSERT INTO t (a, b, c) VALUES ($1, $2, $3), ($4, $5, $6) x"
        );
    }
}
