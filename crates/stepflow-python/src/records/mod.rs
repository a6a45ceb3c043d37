//! What is remembered of tools, environments and executions. The only place with SQL.
//!
//! One schema and one text per query for SQLite and PostgreSQL: what differs stands in
//! `migrations/` and in `Database::open`.

mod address;
mod claim;
mod database;
mod entry;
mod environments;
mod error;
mod history;
mod housekeeping;
mod instances;
mod recorder;
mod schema;
mod statements;
mod tools;
mod writer;

pub use self::address::DatabaseAddress;
pub use self::database::Database;
pub(crate) use self::entry::Started;
pub(crate) use self::environments::EnvironmentRow;
pub use self::error::DatabaseError;
pub use self::history::{
    Cursor, ExecutionRecord, ExecutionSummary, HistoryFilter, HistoryPage, HistoryService,
    MOST_PER_PAGE, RecordState,
};
pub use self::housekeeping::Retention;
pub use self::instances::Instance;
pub(crate) use self::recorder::Opening;
pub use self::recorder::Recorder;
pub(crate) use self::tools::{Others, Standing, ToolRow};
