//! The tables and how they came to be: a list of migrations per database, never changed, only grown.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};

/// What each step does, its text for SQLite and its text for PostgreSQL.
const STEPS: &[(&str, &str, &str)] = &[
    (
        "records",
        include_str!("../../migrations/sqlite/0001_records.sql"),
        include_str!("../../migrations/postgres/0001_records.sql"),
    ),
    (
        "environments of a server",
        include_str!("../../migrations/sqlite/0002_environments_of_a_server.sql"),
        include_str!("../../migrations/postgres/0002_environments_of_a_server.sql"),
    ),
];

/// Brings the tables to this version. What is newer than this version is refused.
pub(super) async fn migrate(pool: &AnyPool, is_sqlite: bool) -> Result<(), MigrateError> {
    let steps = (1..).zip(STEPS);
    let steps = steps.map(|(version, (name, sqlite, postgres))| {
        let text = if is_sqlite { *sqlite } else { *postgres };
        let name = Cow::Borrowed(*name);
        Migration::new(
            version,
            name,
            MigrationType::Simple,
            text.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect()).run(pool).await
}
