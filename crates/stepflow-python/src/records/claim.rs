//! A name is one server's at a time, on whatever host: whoever has it holds a lock of the database.
//!
//! A copy of a state folder has the name of the original. Where the lock is taken the folder is such a
//! copy, or the database has not noticed that its last server is gone: either way it gets another
//! name, and what runs under the old one is left alone. SQLite has no such lock, and no other hosts:
//! there the lock in the state folder is all there is.

use std::time::Duration;

use sqlx::{AnyConnection, Connection};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Database, DatabaseError, Instance};

/// How long a lock may still be that of a server which has just gone.
const LINGERS: Duration = Duration::from_secs(2);
/// How often it is tried meanwhile.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held by the session that asks until it ends. Source: PostgreSQL, "Advisory Lock Functions".
const LOCK: &str = "SELECT pg_try_advisory_lock($1)";

/// The lock of a name. It goes with this value, or when its connection breaks off.
#[derive(Debug)]
pub(super) struct Claim {
    database: Database,
    key: i64,
    /// One of its own: a pool would hand it to others.
    connection: Option<AnyConnection>,
    is_held: bool,
}

impl Claim {
    /// Holds the name of `instance`, which becomes another one if somebody else holds it.
    pub(super) async fn take(
        database: &Database,
        instance: &mut Instance,
    ) -> Result<Self, DatabaseError> {
        let mut claim = Self {
            database: database.clone(),
            key: key(instance.name()),
            connection: None,
            is_held: false,
        };
        let deadline = Instant::now() + LINGERS;
        while !claim.hold().await? {
            if Instant::now() < deadline {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            instance.rename()?;
            claim.key = key(instance.name());
            tracing::warn!(
                name = instance.name(),
                "another server records under the name of this state folder, which may be a copy: it got another name"
            );
        }
        Ok(claim)
    }

    /// Whether it is held. What has broken off is tried anew the next time.
    pub(super) async fn hold(&mut self) -> Result<bool, DatabaseError> {
        if self.database.is_sqlite() {
            return Ok(true);
        }
        let held = timeout(PATIENCE, self.try_to_hold()).await;
        let held = held.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if held.is_err() {
            // Whatever it holds goes with it.
            (self.connection, self.is_held) = (None, false);
        }
        held.map_err(DatabaseError::at("hold the name of this server"))
    }

    async fn try_to_hold(&mut self) -> Result<bool, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.database.pool().acquire().await?.detach()),
        };
        if self.is_held {
            connection.ping().await?;
        } else {
            let lock = sqlx::query_scalar::<_, bool>(LOCK).bind(self.key);
            self.is_held = lock.fetch_one(connection).await?;
        }
        Ok(self.is_held)
    }
}

/// Half of a UUID has 60 bits of chance.
fn key(name: &str) -> i64 {
    let halves = name.parse::<Uuid>().unwrap_or_default().as_u64_pair();
    halves.0.cast_signed()
}
