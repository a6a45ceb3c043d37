//! Executions from their start to what is read back.

use std::time::Duration;

use engine::{EnvironmentChoice, LimitOverrides};
use serde_json::json;
use sqlx::AnyPool;
use stepflow_python::{
    Event, ExecutionRequest, FunctionRequest, HistoryFilter, MetricFilter, PythonExecutor,
    PythonMonitoring, RecordState, Retention, SecurityLevel,
};

use super::{Fresh, all, another, postgres, recording, request, sqlite, until, until_left};

async fn each_outcome_is_recorded(fresh: Fresh) {
    let (bench, _recorder) = recording(&fresh).await;
    let history = bench.executor.history().unwrap();
    let strict = ExecutionRequest {
        policy: SecurityLevel::Strict,
        ..request("import os")
    };
    let short = ExecutionRequest {
        limits: LimitOverrides {
            wall_ms: Some(200),
            ..Default::default()
        },
        ..request("while True: pass")
    };
    for (request, outcome, detail, code) in [
        (request("print('a\\0b')\n6 * 7"), "completed", None, 0),
        (request("1 / 0"), "raised", Some("ZeroDivisionError"), 1),
        (strict, "rejected", Some("blocked-import"), 126),
        (short, "limit_exceeded", Some("wall"), 124),
        (
            request("import os\nos._exit(3)"),
            "crashed",
            Some("status 3"),
            3,
        ),
    ] {
        let source = request.source.clone();
        let execution = bench.executor.start(request).await.unwrap();
        let id = execution.id();
        execution.finish().await.unwrap();
        // Told, so written.
        let record = history.show(id).await.unwrap().unwrap();
        assert_eq!(record.summary.state, RecordState::Finished, "{source}");
        assert_eq!(record.summary.outcome.as_deref(), Some(outcome));
        assert_eq!(record.summary.detail.as_deref(), detail, "{source}");
        assert_eq!(record.summary.return_code, Some(code), "{source}");
        assert_eq!(record.source.as_deref(), Some(source.as_str()));
        if outcome == "completed" {
            assert_eq!(record.result, Some(json!(42)));
            assert_eq!(record.stdout.as_deref(), Some("a\u{fffd}b\n"));
            assert_eq!(record.summary.environment.as_deref(), Some("bare"));
            assert!(record.limits.unwrap()["memory_bytes"].as_u64().unwrap() > 0);
            assert!(record.usage.unwrap()["cpu_ms"].as_f64().unwrap() > 0.0);
        }
    }
    let page = history.list(all()).await.unwrap();
    assert_eq!(page.executions.len(), 5);
}

#[tokio::test]
async fn each_outcome_is_recorded_in_sqlite() {
    each_outcome_is_recorded(sqlite().await).await;
}

#[tokio::test]
async fn each_outcome_is_recorded_in_postgres() {
    if let Some(fresh) = postgres().await {
        each_outcome_is_recorded(fresh).await;
    }
}

#[tokio::test]
async fn a_call_is_recorded_with_its_function_and_parameters() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let call = FunctionRequest {
        code: "def add(a, b): return a + b".into(),
        function_name: "add".into(),
        args: vec![json!(2)],
        kwargs: [("b".to_owned(), json!(3))].into(),
        ..Default::default()
    };
    bench.executor.execute_function(call).await.unwrap();
    let history = bench.executor.history().unwrap();
    let page = history.list(all()).await.unwrap();
    let record = history.show(page.executions[0].id).await.unwrap().unwrap();
    assert_eq!(record.function_name.as_deref(), Some("add"));
    assert_eq!(
        record.parameters,
        Some(json!({"args": [2], "kwargs": {"b": 3}}))
    );
    assert_eq!(record.result, Some(json!(5)));
}

#[tokio::test]
async fn an_abandoned_execution_has_an_end() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let history = bench.executor.history().unwrap();
    let sleeper = request("import time\ntime.sleep(60)");
    let mut execution = bench.executor.start(sleeper).await.unwrap();
    let id = execution.id();
    assert!(matches!(execution.next().await, Some(Event::Started)));
    drop(execution);
    until(&*history, RecordState::Finished).await;
    let record = history.show(id).await.unwrap().unwrap();
    assert_eq!(record.summary.outcome.as_deref(), Some("cancelled"));
    assert_eq!(record.summary.detail.as_deref(), Some("abandoned"));
}

async fn an_unwritten_end_is_not_told(fresh: Fresh) {
    let (bench, recorder) = recording(&fresh).await;
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    sqlx::query("DROP VIEW recorded_executions")
        .execute(&pool)
        .await
        .unwrap();
    let execution = bench.executor.start(request("1")).await.unwrap();
    let error = execution.finish().await.unwrap_err();
    assert_eq!(error.code(), "unrecorded");
    assert!(error.retryable());
    let monitoring = bench.executor.monitoring();
    assert_eq!(monitoring.metrics().total_executions, 0, "none is recorded");
    let failed = MetricFilter {
        labels: [("reason".to_owned(), "failed".to_owned())].into(),
        ..Default::default()
    };
    let failed = monitoring.get_metrics(Some(failed)).await.unwrap();
    assert_eq!(failed[0].value, 1.0);
    drop(recorder);
}

#[tokio::test]
async fn an_end_that_sqlite_refuses_is_not_told() {
    an_unwritten_end_is_not_told(sqlite().await).await;
}

#[tokio::test]
async fn an_end_that_postgres_refuses_is_not_told() {
    if let Some(fresh) = postgres().await {
        an_unwritten_end_is_not_told(fresh).await;
    }
}

#[tokio::test]
async fn an_end_counts_when_it_is_written_whoever_waits_for_it() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let monitoring = bench.executor.monitoring();
    let counted = || monitoring.metrics().total_executions;
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    let others = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut first = bench.executor.start(request("1")).await.unwrap();
    let second = bench.executor.start(request("1")).await.unwrap();
    let (first_id, second_id) = (first.id(), second.id());
    assert!(matches!(first.next().await, Some(Event::Started)));
    let ends = async { tokio::join!(first.next(), second.finish()) };
    // Longer than a program takes: both ends are there and cannot be written.
    let told = tokio::time::timeout(Duration::from_secs(1), ends).await;
    assert!(told.is_err(), "nobody is told before it is written");
    assert_eq!(counted(), 0);
    // One caller has gone away by now, the other one waits on.
    others.rollback().await.unwrap();
    assert!(matches!(first.next().await, Some(Event::Finished(_))));
    let history = bench.executor.history().unwrap();
    assert!(history.show(first_id).await.unwrap().is_some());
    let second_is_counted = async {
        while counted() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), second_is_counted);
    in_time.await.unwrap();
    assert!(history.show(second_id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_end_is_tried_again_before_it_is_given_up() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    for text in [
        "CREATE TABLE tries (n INTEGER)",
        // `FAIL` keeps what was done before it, so that the second try is told from the first.
        "CREATE TRIGGER refuse BEFORE INSERT ON executions BEGIN
            INSERT INTO tries VALUES (1);
            SELECT RAISE(FAIL, 'not yet') WHERE (SELECT count(*) FROM tries) = 1;
        END",
    ] {
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    let execution = bench.executor.start(request("1")).await.unwrap();
    let id = execution.id();
    execution.finish().await.unwrap();
    let tries: (i64,) = sqlx::query_as("SELECT count(*) FROM tries")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(tries.0, 2);
    let history = bench.executor.history().unwrap();
    let record = history.show(id).await.unwrap().unwrap();
    assert_eq!(record.summary.state, RecordState::Finished);
}

#[tokio::test]
async fn an_end_is_written_though_postgres_has_closed_the_connection() {
    let Some(fresh) = postgres().await else {
        return;
    };
    let (bench, _recorder) = recording(&fresh).await;
    let run = async || {
        let execution = bench.executor.start(request("1")).await.unwrap();
        execution.finish().await.map(drop)
    };
    run().await.unwrap();
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    let close = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(close).execute(&pool).await.unwrap();
    run().await.unwrap();
}

#[tokio::test]
async fn what_has_no_written_end_does_not_run_for_ever() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let history = bench.executor.history().unwrap();
    let sleeper = request("import time\ntime.sleep(1)");
    let execution = bench.executor.start(sleeper).await.unwrap();
    let id = execution.id();
    until(&*history, RecordState::Running).await;
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON executions WHEN NEW.state = 'finished'
        BEGIN SELECT RAISE(ABORT, 'no'); END";
    sqlx::query(refuse).execute(&pool).await.unwrap();
    let error = execution.finish().await.unwrap_err();
    assert_eq!(error.code(), "unrecorded");
    // The next end that can be written brings it along.
    let next = bench.executor.start(request("1")).await.unwrap();
    next.finish().await.unwrap();
    until(&*history, RecordState::Failed).await;
    let record = history.show(id).await.unwrap().unwrap();
    assert_eq!(record.summary.detail.as_deref(), Some("unrecorded"));
}

async fn many_at_once_are_all_written(fresh: Fresh) {
    let (bench, recorder) = recording(&fresh).await;
    let run = |number: usize| {
        let executor = bench.executor.clone();
        async move {
            let started = executor.start(request(&format!("{number}"))).await;
            started.unwrap().finish().await.unwrap().id
        }
    };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        tasks.spawn(run(number));
    }
    let ids = tasks.join_all().await;
    let history = bench.executor.history().unwrap();
    for id in &ids {
        assert!(history.show(*id).await.unwrap().is_some());
    }
    // Pages: each execution once, the newest first.
    let mut seen = Vec::new();
    let mut filter = HistoryFilter { limit: 7, ..all() };
    loop {
        let page = history.list(filter.clone()).await.unwrap();
        seen.extend(page.executions);
        let Some(next) = page.next else { break };
        filter.before = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen.len(), ids.len());
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].started_ms >= pair[1].started_ms)
    );
    let middle = seen[20].started_ms;
    let since = HistoryFilter {
        since_ms: Some(middle),
        ..all()
    };
    let until = HistoryFilter {
        until_ms: Some(middle),
        ..all()
    };
    let (since, until) = (history.list(since).await, history.list(until).await);
    assert_eq!(
        since.unwrap().executions.len() + until.unwrap().executions.len(),
        ids.len()
    );
    for (filter, count) in [("bar", ids.len()), ("other", 0)] {
        let filter = HistoryFilter {
            environment: Some(filter.into()),
            ..all()
        };
        assert_eq!(history.list(filter).await.unwrap().executions.len(), count);
    }
    recorder.close().await;
}

#[tokio::test]
async fn many_at_once_are_all_written_to_sqlite() {
    many_at_once_are_all_written(sqlite().await).await;
}

#[tokio::test]
async fn many_at_once_are_all_written_to_postgres() {
    if let Some(fresh) = postgres().await {
        many_at_once_are_all_written(fresh).await;
    }
}

#[tokio::test]
async fn an_environment_that_is_not_recorded_keeps_no_execution_back() {
    let fresh = sqlite().await;
    let (bench, _recorder) = recording(&fresh).await;
    let asked = ExecutionRequest {
        environment: EnvironmentChoice::Default,
        ..request("1")
    };
    let execution = bench.executor.start(asked).await.unwrap();
    let id = execution.id();
    execution.finish().await.unwrap();
    let history = bench.executor.history().unwrap();
    let record = history.show(id).await.unwrap().unwrap();
    assert_eq!(record.summary.environment_id, None);
}

async fn old_records_go_and_running_ones_stay(fresh: Fresh) {
    let (bench, _recorder) = recording(&fresh).await;
    let history = bench.executor.history().unwrap();
    let sleeper = request("import time\ntime.sleep(60)");
    let sleeping = bench.executor.start(sleeper).await.unwrap();
    until(&*history, RecordState::Running).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let source = format!("#{}", "x".repeat(40 << 10));
        let execution = bench.executor.start(request(&source)).await.unwrap();
        ids.push(execution.id());
        execution.finish().await.unwrap();
        // Their order is that of their milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let room_for_two = Retention {
        bytes: 100 << 10,
        ..Retention::default()
    };
    let _second = another(&fresh, room_for_two).await;
    until_left(&*history, 3).await;
    for (id, is_kept) in ids.iter().zip([false, false, true, true]) {
        assert_eq!(history.show(*id).await.unwrap().is_some(), is_kept);
    }
    let nothing_old = Retention {
        age: Duration::from_millis(1),
        ..Retention::default()
    };
    let _third = another(&fresh, nothing_old).await;
    until_left(&*history, 1).await;
    assert!(history.show(sleeping.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn old_records_go_and_running_ones_stay_in_sqlite() {
    old_records_go_and_running_ones_stay(sqlite().await).await;
}

#[tokio::test]
async fn old_records_go_and_running_ones_stay_in_postgres() {
    if let Some(fresh) = postgres().await {
        old_records_go_and_running_ones_stay(fresh).await;
    }
}

async fn an_environment_is_a_row_that_may_go(fresh: Fresh) {
    let (bench, _recorder) = recording(&fresh).await;
    bench.executor.record_environments().await.unwrap();
    let execution = bench.executor.start(request("1")).await.unwrap();
    let id = execution.id();
    execution.finish().await.unwrap();
    let history = bench.executor.history().unwrap();
    let environment = async || {
        let record = history.show(id).await.unwrap().unwrap();
        record.summary.environment_id
    };
    assert_eq!(environment().await.as_deref(), Some("bare"));
    let _second = another(&fresh, Retention::default()).await;
    let pool = AnyPool::connect(&fresh.url).await.unwrap();
    let used = "SELECT 1 FROM python_environments WHERE last_used IS NOT NULL";
    let wait = async {
        let pool = &pool;
        while sqlx::query(used)
            .fetch_optional(pool)
            .await
            .unwrap()
            .is_none()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
    let gone = "DELETE FROM python_environments";
    sqlx::query(gone).execute(&pool).await.unwrap();
    assert_eq!(environment().await, None, "its executions stay");
}

#[tokio::test]
async fn an_environment_is_a_row_that_may_go_in_sqlite() {
    an_environment_is_a_row_that_may_go(sqlite().await).await;
}

#[tokio::test]
async fn an_environment_is_a_row_that_may_go_in_postgres() {
    if let Some(fresh) = postgres().await {
        an_environment_is_a_row_that_may_go(fresh).await;
    }
}
