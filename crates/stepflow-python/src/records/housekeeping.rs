//! What happens beside the writer: old records go, SQLite's log goes into its file, others are told
//! that this server lives, and its name is held.

use std::time::Duration;

use sqlx::Row;
use tokio::time::{Instant, MissedTickBehavior};

use super::claim::Claim;
use super::recorder::now_ms;
use super::{Database, DatabaseError};

/// How often the log is looked at.
const PULSE: Duration = Duration::from_secs(2);
/// How often all the rest is done.
const ROUND: Duration = Duration::from_secs(60);
/// Records in one transaction, so that the writer never waits for long.
const AT_ONCE: i64 = 200;

/// How long the writer goes first between two of them.
const BREATH: Duration = Duration::from_millis(5);

/// How long records are kept. Whichever comes first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Since their start.
    pub age: Duration,
    /// All together, by the texts they hold. Unit: bytes.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(30 * 24 * 3600),
            bytes: 2 << 30,
        }
    }
}

/// Does it all until the task is aborted. What fails is tried again in the next round.
pub(super) async fn keep(
    database: Database,
    instance: String,
    mut claim: Claim,
    retention: Retention,
) {
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_round = Instant::now();
    loop {
        pulse.tick().await;
        match claim.hold().await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("the database says that another server has our name"),
            Err(error) => tracing::warn!(%error, "cannot hold the name of this server"),
        }
        if let Err(error) = checkpoint(&database, "PRAGMA wal_checkpoint(PASSIVE)").await {
            tracing::warn!(%error, "cannot take SQLite's log into its file");
        }
        if Instant::now() < next_round {
            continue;
        }
        next_round = Instant::now() + ROUND;
        match database.keep_instance(&instance, now_ms()).await {
            Ok(0) => {}
            Ok(lost) => tracing::warn!(lost, "executions of a silent server are lost"),
            Err(error) => tracing::warn!(%error, "cannot tell other servers that this one lives"),
        }
        if let Err(error) = database.note_uses().await {
            tracing::warn!(%error, "cannot note when environments were used");
        }
        match database.expire(retention).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "old records were removed"),
            Err(error) => tracing::warn!(%error, "cannot remove old records"),
        }
    }
}

/// Leaves a file without a log, as far as other readers let us.
pub(super) async fn last(database: &Database) {
    if let Err(error) = checkpoint(database, "PRAGMA wal_checkpoint(TRUNCATE)").await {
        tracing::warn!(%error, "cannot take SQLite's log into its file");
    }
}

/// Takes what is in the log into the file. Source: sqlite.org/pragma.html.
async fn checkpoint(database: &Database, how: &'static str) -> Result<(), DatabaseError> {
    if !database.is_sqlite() {
        return Ok(());
    }
    let taken = sqlx::query(how).execute(database.pool()).await;
    taken
        .map(drop)
        .map_err(DatabaseError::at("take the log into the file"))
}

const TOO_OLD: &str = "
    DELETE FROM executions WHERE id IN (
        SELECT id FROM executions WHERE started_ms < $1 AND state <> 'running'
        ORDER BY started_ms LIMIT $2)";
const OLDEST: &str = "
    SELECT started_ms, kept_bytes FROM executions WHERE state <> 'running'
    ORDER BY started_ms LIMIT $1";
const ALL_BYTES: &str = "SELECT CAST(COALESCE(SUM(kept_bytes), 0) AS BIGINT) FROM executions";

impl Database {
    /// Removes what is too old or too much, the oldest first, never what runs. Returns how many.
    pub(super) async fn expire(&self, retention: Retention) -> Result<u64, DatabaseError> {
        let doing = "remove old records";
        let age_ms = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
        let mut gone = self.remove_before(now_ms().saturating_sub(age_ms)).await?;
        let all = sqlx::query(ALL_BYTES).fetch_one(self.pool()).await;
        let all: i64 = all
            .and_then(|row| row.try_get(0))
            .map_err(DatabaseError::at(doing))?;
        let mut excess = all.saturating_sub(i64::try_from(retention.bytes).unwrap_or(i64::MAX));
        while excess > 0 {
            let oldest = sqlx::query(OLDEST).bind(AT_ONCE).fetch_all(self.pool());
            let oldest = oldest.await.map_err(DatabaseError::at(doing))?;
            let mut until = None;
            for row in &oldest {
                let bytes: i64 = row.try_get(1).map_err(DatabaseError::at(doing))?;
                excess -= bytes.max(1);
                until = Some(row.try_get(0).map_err(DatabaseError::at(doing))?);
                if excess <= 0 {
                    break;
                }
            }
            let Some(until): Option<i64> = until else {
                break;
            };
            gone += self.remove_before(until + 1).await?;
        }
        if gone > 0 && self.is_sqlite() {
            let vacuum = sqlx::query("PRAGMA incremental_vacuum(2000)").execute(self.pool());
            vacuum.await.map_err(DatabaseError::at(doing))?;
        }
        Ok(gone)
    }

    /// Executes `statement` on few rows of `key` at a time (`$1` and `$2`), until few are left. One
    /// statement for all of them would hold SQLite's right to write while it goes through every
    /// execution, and the ends of others would fail meanwhile.
    pub(super) async fn in_steps(
        &self,
        statement: &'static str,
        key: &str,
    ) -> Result<(), sqlx::Error> {
        loop {
            let some = sqlx::query(statement).bind(key).bind(AT_ONCE);
            let some = some.execute(self.pool()).await?.rows_affected();
            if some < AT_ONCE.unsigned_abs() {
                return Ok(());
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn remove_before(&self, started_ms: i64) -> Result<u64, DatabaseError> {
        let mut gone = 0;
        loop {
            let some = sqlx::query(TOO_OLD).bind(started_ms).bind(AT_ONCE);
            let some = some.execute(self.pool()).await;
            let some = some
                .map_err(DatabaseError::at("remove old records"))?
                .rows_affected();
            if some == 0 {
                return Ok(gone);
            }
            gone += some;
            tokio::time::sleep(BREATH).await;
        }
    }
}
