//! What is remembered of tools, environments and executions. The only place with SQL.
//!
//! One schema and one text per query for SQLite and PostgreSQL: what differs stands in
//! `migrations/` and in `Database::open`.

mod address;
mod database;
mod entry;
mod error;
mod housekeeping;
mod instances;
mod recorder;
mod schema;
mod writer;

pub use self::address::DatabaseAddress;
pub use self::database::Database;
pub(crate) use self::entry::Started;
pub use self::error::DatabaseError;
pub use self::housekeeping::Retention;
pub use self::instances::Instance;
pub(crate) use self::recorder::Opening;
pub use self::recorder::Recorder;
