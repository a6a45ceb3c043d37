//! The environments as rows of a database, which follow the catalog.
//!
//! The catalog decides. A row that cannot be written now is written at the next start.

use super::ManagedEnvironments;
use crate::environment::config::EnvironmentId;
use crate::records::{Database, DatabaseError, EnvironmentRow};

impl ManagedEnvironments {
    /// Writes every environment there is into `database`, and every change from now on. The first
    /// database counts.
    pub(crate) async fn mirror_into(&self, database: Database) {
        if self.inner.database.set(database).is_ok() {
            let ids: Vec<_> = self.inner.catalog().handles.keys().copied().collect();
            for id in ids {
                self.mirror(id).await;
            }
        }
    }

    /// Writes an environment as it is now.
    pub(super) async fn mirror(&self, id: EnvironmentId) {
        let Some(database) = self.inner.database.get() else {
            return;
        };
        // One whose Python is gone cannot be described; its row stays as it was.
        let Ok(made) = self.inner.describe(id) else {
            return;
        };
        let row = EnvironmentRow::of(&made, &self.inner.requested.shown_tree(&made.digest));
        let mut written = database.put_environment(&row).await;
        if written.is_ok() && made.is_active {
            written = database.pin_environment(&id.to_string()).await;
        }
        tell(written);
    }

    /// Forgets environments that were removed.
    pub(super) async fn unmirror(&self, ids: &[EnvironmentId]) {
        let Some(database) = self.inner.database.get() else {
            return;
        };
        for id in ids {
            tell(database.drop_environment(&id.to_string()).await);
        }
    }
}

fn tell(written: Result<(), DatabaseError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "the records do not follow the environments");
    }
}
