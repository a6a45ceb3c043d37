//! Whose executions are lost, and whose name a server has.

use std::time::Duration;

use sqlx::AnyPool;
use stepflow_python::{
    Event, Execution, ExecutionId, Instance, PythonExecutor, RecordState, Recorder, Retention,
};
use tempfile::TempDir;

use super::{Fresh, another, postgres, recording, request, sqlite, until};
use crate::support::Bench;

/// An execution that goes on until it is ended, recorded as running.
async fn sleeper(bench: &Bench) -> Execution {
    let sleeper = request("import time\ntime.sleep(600)");
    let mut execution = bench.executor.start(sleeper).await.unwrap();
    assert!(matches!(execution.next().await, Some(Event::Started)));
    until(&*bench.executor.history().unwrap(), RecordState::Running).await;
    execution
}

async fn state_of(bench: &Bench, id: ExecutionId) -> RecordState {
    let history = bench.executor.history().unwrap();
    let record = history.show(id).await.unwrap().unwrap();
    assert_eq!(record.summary.outcome, None, "none of these has one");
    record.summary.state
}

fn name_in(state: &TempDir) -> String {
    std::fs::read_to_string(state.path().join("instance")).unwrap()
}

/// A state folder with the name of another one.
fn folder_named(name: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::write(copy.path().join("instance"), name).unwrap();
    copy
}

async fn begin(fresh: &Fresh, state: &TempDir) -> Recorder {
    let instance = Instance::take(state.path()).unwrap();
    let begun = Recorder::begin(fresh.database.clone(), instance, Retention::default()).await;
    begun.unwrap()
}

async fn what_was_cut_off_is_lost(fresh: Fresh) {
    let (bench, _recorder) = recording(&fresh).await;
    let execution = sleeper(&bench).await;
    let id = execution.id();
    // Another server's executions are none of a new one's business.
    let _stranger = another(&fresh, Retention::default()).await;
    assert_eq!(state_of(&bench, id).await, RecordState::Running);
    // As a server has left it that was killed.
    let name = "0b7c1f3e-58a1-4f53-9d5e-2f5b6a1c7d10";
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    let moved = sqlx::query("UPDATE executions SET instance = $1").bind(name);
    moved.execute(&pool).await.unwrap();
    let folder = folder_named(name);
    let _again = begin(&fresh, &folder).await;
    assert_eq!(name_in(&folder), name);
    assert_eq!(state_of(&bench, id).await, RecordState::Lost);
}

#[tokio::test]
async fn what_was_cut_off_is_lost_in_sqlite() {
    what_was_cut_off_is_lost(sqlite().await).await;
}

#[tokio::test]
async fn what_was_cut_off_is_lost_in_postgres() {
    if let Some(fresh) = postgres().await {
        what_was_cut_off_is_lost(fresh).await;
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_name() {
    let state = tempfile::tempdir().unwrap();
    let _first = Instance::take(state.path()).unwrap();
    let refused = Instance::take(state.path()).unwrap_err().to_string();
    assert!(refused.contains("another server"), "{refused}");
}

/// Waits until so many servers hold their names.
async fn until_held(pool: &AnyPool, count: i64) {
    let held = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    let wait = async {
        while sqlx::query_scalar::<_, i64>(held)
            .fetch_one(pool)
            .await
            .unwrap()
            != count
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), wait);
    in_time.await.unwrap();
}

#[tokio::test]
async fn a_copy_of_a_state_folder_gets_a_name_and_leaves_the_others_executions_alone() {
    let Some(fresh) = postgres().await else {
        return;
    };
    let (bench, recorder) = recording(&fresh).await;
    let name = name_in(&bench.state);
    let execution = sleeper(&bench).await;
    let copy = folder_named(&name);
    let _copys = begin(&fresh, &copy).await;
    assert_ne!(name_in(&copy), name);
    assert_eq!(state_of(&bench, execution.id()).await, RecordState::Running);
    let again = folder_named(&name_in(&copy));
    let _third = begin(&fresh, &again).await;
    assert_ne!(name_in(&again), name_in(&copy), "the new name is held, too");

    // A lock that went with its connection is taken anew.
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    until_held(&pool, 3).await;
    let close = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(close).execute(&pool).await.unwrap();
    until_held(&pool, 3).await;
    let late = folder_named(&name);
    let _fourth = begin(&fresh, &late).await;
    assert_ne!(name_in(&late), name);
    assert_eq!(state_of(&bench, execution.id()).await, RecordState::Running);

    // Its own server finds its name again.
    drop((execution, recorder));
    let Bench { executor, state } = bench;
    drop(executor);
    let _again = begin(&fresh, &state).await;
    assert_eq!(name_in(&state), name);
}
