//! Records on SQLite, and the same on PostgreSQL where a server is there.

mod custom;
mod environments;
mod instances;
mod recording;
mod schema;
mod tool_calls;

use std::time::Duration;

use stepflow_python::{
    Database, DatabaseAddress, ExecutionRequest, HistoryFilter, HistoryService, Instance,
    RecordState, Recorder, Retention,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Bench, bench};

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

pub(crate) fn request(source: &str) -> ExecutionRequest {
    ExecutionRequest {
        source: source.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn all() -> HistoryFilter {
    HistoryFilter {
        limit: 100,
        ..Default::default()
    }
}

/// An executor that records into `fresh`.
pub(crate) async fn recording(fresh: &Fresh) -> (Bench, Recorder) {
    let mut bench = bench().await;
    let instance = Instance::take(bench.state.path()).unwrap();
    let begun = Recorder::begin(fresh.database.clone(), instance, Retention::default()).await;
    let recorder = begun.unwrap();
    bench.executor = bench.executor.with_recorder(recorder.clone());
    (bench, recorder)
}

/// Waits until a record is there in this state.
pub(crate) async fn until(history: &dyn HistoryService, state: RecordState) {
    let filter = HistoryFilter {
        state: Some(state),
        ..all()
    };
    let wait = async {
        while history
            .list(filter.clone())
            .await
            .unwrap()
            .executions
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
}

/// Another server on the same database, whose first round does what is due.
pub(crate) async fn another(fresh: &Fresh, retention: Retention) -> (tempfile::TempDir, Recorder) {
    let state = tempfile::tempdir().unwrap();
    let instance = Instance::take(state.path()).unwrap();
    let begun = Recorder::begin(fresh.database.clone(), instance, retention).await;
    (state, begun.unwrap())
}

/// Waits until so many executions are recorded.
pub(crate) async fn until_left(history: &dyn HistoryService, count: usize) {
    let wait = async {
        while history.list(all()).await.unwrap().executions.len() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
}
