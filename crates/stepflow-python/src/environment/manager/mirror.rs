//! The environments as rows of a database, which follow the catalog.
//!
//! The catalog decides. The rows of this server are compared with it at the start, after every change
//! and once a minute, so that whatever a database has missed is made good.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Inner, ManagedEnvironments};
use crate::environment::config::EnvironmentId;
use crate::records::{Database, DatabaseError, EnvironmentRow};

/// How often rows are compared without any change.
const ROUND: Duration = Duration::from_secs(60);

/// Where the rows are, and whose they are.
#[derive(Debug)]
pub(super) struct Mirror {
    database: Database,
    instance: String,
    /// Whoever writes them does so alone: nobody puts back what another one has found to be gone.
    turn: tokio::sync::Mutex<()>,
}

impl ManagedEnvironments {
    /// Writes every environment there is into `database`, and every change from now on. The first
    /// database counts.
    pub(crate) async fn mirror_into(&self, database: Database, instance: &str) {
        let mirror = Mirror {
            database,
            instance: instance.to_owned(),
            turn: tokio::sync::Mutex::default(),
        };
        if self.inner.mirror.set(mirror).is_ok() {
            tokio::spawn(rounds(Arc::downgrade(&self.inner)));
        }
        self.reflect().await;
    }

    /// Makes the rows of this server what the catalog is now.
    pub(super) async fn reflect(&self) {
        let Some(mirror) = self.inner.mirror.get() else {
            return;
        };
        match self.write_rows(mirror).await {
            // Little by little, which can take long: nobody waits for his turn meanwhile.
            Ok(gone) => {
                for id in gone {
                    tell(mirror.database.drop_environment(&id).await);
                }
            }
            Err(error) => tell(Err(error)),
        }
    }

    /// Writes what is missing or has changed. Returns the rows of what is not there any more.
    async fn write_rows(&self, mirror: &Mirror) -> Result<Vec<String>, DatabaseError> {
        let _turn = mirror.turn.lock().await;
        let marks = mirror.database.environments_of(&mirror.instance).await?;
        // Looked at after the rows: a row is written only after the environment is there.
        let ids: Vec<EnvironmentId> = self.inner.catalog().handles.keys().copied().collect();
        for id in &ids {
            // One whose Python is gone cannot be described; its row stays as it was.
            let Ok(made) = self.inner.describe(*id) else {
                continue;
            };
            let path = self.inner.requested.shown_tree(&made.digest);
            let row = EnvironmentRow::of(&made, &path, &mirror.instance);
            if !marks.iter().any(|mark| row.is_marked(mark)) {
                tell(mirror.database.put_environment(&row).await);
            }
        }
        let known: Vec<String> = ids.iter().map(EnvironmentId::to_string).collect();
        let rows = marks.into_iter().map(|mark| mark.id);
        Ok(rows.filter(|id| !known.contains(id)).collect())
    }
}

/// Until the environments are gone.
async fn rounds(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        ManagedEnvironments { inner }.reflect().await;
    }
}

fn tell(written: Result<(), DatabaseError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "the records do not follow the environments");
    }
}
