//! Why records cannot be read or written.

use std::sync::Arc;

/// Why records cannot be read or written. Names no credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DatabaseError {
    /// What was given as an address is none, or none that was compiled in.
    #[error("{reason}")]
    Address {
        /// In one sentence.
        reason: String,
    },
    /// The database does not answer, or refuses us.
    #[error("cannot open the database {database}: {source}")]
    Open {
        /// Where it is, without credentials.
        database: String,
        /// What it said.
        source: Arc<sqlx::Error>,
    },
    /// Its tables cannot be brought to this version.
    #[error("cannot bring the tables of {database} to this version: {source}")]
    Migrate {
        /// Where it is, without credentials.
        database: String,
        /// What it said.
        source: Arc<sqlx::migrate::MigrateError>,
    },
    /// The file cannot be made or given away.
    #[error("cannot {doing}: {source}")]
    File {
        /// What we were doing.
        doing: &'static str,
        /// What the kernel said.
        source: Arc<std::io::Error>,
    },
    /// A server that was asked for its records did not tell them.
    #[error("{reason}")]
    Remote {
        /// In one sentence.
        reason: String,
    },
    /// A statement failed.
    #[error("cannot {doing}: {source}")]
    Statement {
        /// What we were doing.
        doing: &'static str,
        /// What the database said.
        source: Arc<sqlx::Error>,
    },
}

impl DatabaseError {
    /// For `map_err`: a statement that failed while we were `doing` something.
    pub(crate) fn at(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement {
            doing,
            source: Arc::new(source),
        }
    }

    pub(super) fn file(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            doing,
            source: Arc::new(source),
        }
    }
}
