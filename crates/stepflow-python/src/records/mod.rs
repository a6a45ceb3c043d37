//! What is remembered of tools, environments and executions. The only place with SQL.
//!
//! One schema and one text per query for SQLite and PostgreSQL: what differs stands in
//! `migrations/` and in `Database::open`.

mod address;
mod database;
mod error;
mod instances;
mod schema;

pub use self::address::DatabaseAddress;
pub use self::database::Database;
pub use self::error::DatabaseError;
