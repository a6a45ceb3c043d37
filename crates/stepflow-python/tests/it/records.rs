//! Records on SQLite, and the same on PostgreSQL where a server is there.

mod recording;
mod schema;

use stepflow_python::{Database, DatabaseAddress};
use tempfile::TempDir;
use uuid::Uuid;

/// A fresh database and what has to live as long as it.
pub(crate) struct Fresh {
    pub(crate) database: Database,
    /// For sqlx.
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

pub(crate) async fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.sqlite");
    let url = format!("sqlite://{}", path.display());
    let database = Database::open(&DatabaseAddress::File(path)).await.unwrap();
    Fresh {
        database,
        url,
        _folder: Some(folder),
    }
}

/// A database of its own on the server that the test run has started; `None` where there is none.
pub(crate) async fn postgres() -> Option<Fresh> {
    let Ok(server) = std::env::var("HOGNOSE_TEST_POSTGRES") else {
        println!("SKIPPED: needs PostgreSQL; `cargo xtask test` starts it");
        return None;
    };
    sqlx::any::install_default_drivers();
    let name = format!("t{}", Uuid::new_v4().simple());
    let pool = sqlx::AnyPool::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&pool).await.unwrap();
    let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
    let database = Database::open(&url.parse().unwrap()).await.unwrap();
    Some(Fresh {
        database,
        url,
        _folder: None,
    })
}
