//! Which servers write here, and what becomes of executions whose server is gone.
//!
//! A server has one name for all its starts and holds locks by it (`claim`), so whatever runs under its
//! name when it starts was cut off. Where several share a database, one that has not been seen for
//! `GONE` runs nothing either: it would have said so.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::{Database, DatabaseError};

/// After which silence an instance is gone for good. It speaks every minute.
const GONE: Duration = Duration::from_secs(15 * 60);

const SEEN: &str = "
    INSERT INTO instances (id, seen_ms) VALUES ($1, $2)
    ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms";
const OWN_LOST: &str = "
    UPDATE executions SET state = 'lost', ended_ms = $2 WHERE state = 'running' AND instance = $1";
const OTHERS_LOST: &str = "
    UPDATE executions SET state = 'lost', ended_ms = $1
    WHERE state = 'running'
        AND instance IN (SELECT id FROM instances WHERE seen_ms < $2)";

/// The one server that writes under a name; the name is kept in its state folder.
#[derive(Debug)]
pub struct Instance {
    name: String,
    /// Locked as long as it is open.
    file: File,
}

impl Instance {
    /// Takes the name of a state folder, which gets one if it has none.
    ///
    /// Errors: another process has it.
    pub fn take(state: &Path) -> Result<Self, DatabaseError> {
        let path = state.join("instance");
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.map_err(DatabaseError::file("open the name of this server"))?;
        if file.try_lock().is_err() {
            let reason = format!(
                "another server already records under the name in `{}`: stop it, or give another --state-dir",
                path.display()
            );
            return Err(DatabaseError::Address { reason });
        }
        let name = name_in(&mut file).map_err(DatabaseError::file("name this server"))?;
        Ok(Self { name, file })
    }

    /// A UUID.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes another name, from now on.
    pub(super) fn rename(&mut self) -> Result<(), DatabaseError> {
        let renamed = write_name(&mut self.file);
        self.name = renamed.map_err(DatabaseError::file("name this server"))?;
        Ok(())
    }
}

/// What does not parse was cut off by a crash: nothing was recorded under it yet.
fn name_in(file: &mut File) -> std::io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if let Ok(name) = text.trim().parse::<Uuid>() {
        return Ok(name.to_string());
    }
    write_name(file)
}

fn write_name(file: &mut File) -> std::io::Result<String> {
    let name = Uuid::new_v4().to_string();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    Ok(name)
}

impl Database {
    /// Says that `instance` begins now: what ran under its name before is lost. Returns how many.
    pub(super) async fn begin_instance(
        &self,
        instance: &str,
        now_ms: i64,
    ) -> Result<u64, DatabaseError> {
        let doing = "mark the executions of the last server as lost";
        let mut transaction = self.write().await.map_err(DatabaseError::at(doing))?;
        let lost = sqlx::query(OWN_LOST).bind(instance).bind(now_ms);
        let lost = lost.execute(&mut *transaction).await;
        let lost = lost.map_err(DatabaseError::at(doing))?.rows_affected();
        let seen = sqlx::query(SEEN).bind(instance).bind(now_ms);
        let seen = seen.execute(&mut *transaction).await;
        seen.map_err(DatabaseError::at(doing))?;
        transaction
            .commit()
            .await
            .map_err(DatabaseError::at(doing))?;
        Ok(lost)
    }

    /// Says that `instance` still lives, and that those who did not say so for long do not.
    /// Returns how many executions were lost with them.
    pub(super) async fn keep_instance(
        &self,
        instance: &str,
        now_ms: i64,
    ) -> Result<u64, DatabaseError> {
        let doing = "tell the other servers that this one lives";
        let seen = sqlx::query(SEEN).bind(instance).bind(now_ms);
        seen.execute(self.pool())
            .await
            .map_err(DatabaseError::at(doing))?;
        let silent = now_ms.saturating_sub(i64::try_from(GONE.as_millis()).unwrap_or(i64::MAX));
        let lost = sqlx::query(OTHERS_LOST).bind(now_ms).bind(silent);
        let lost = lost.execute(self.pool()).await;
        Ok(lost.map_err(DatabaseError::at(doing))?.rows_affected())
    }
}
