//! What the executor counts of executions that really ran.

use std::time::Duration;

use stepflow_python::{
    ExecutionRequest, LimitOverrides, Metric, MetricFilter, PythonExecutor, PythonMonitoring,
    PythonRequest, SecurityLevel,
};

use crate::support::bench;

async fn read(monitoring: &impl PythonMonitoring, name: &str) -> Vec<Metric> {
    let filter = MetricFilter {
        name: Some(name.into()),
        ..MetricFilter::default()
    };
    monitoring.get_metrics(Some(filter)).await.unwrap()
}

#[tokio::test]
async fn every_end_is_counted_once_with_what_the_kernel_measured() {
    let bench = bench().await;
    let monitoring = bench.executor.monitoring();
    let run = async |source: &str, security_level| {
        let request = PythonRequest {
            code: source.into(),
            security_level,
            timeout: Some(Duration::from_millis(300)),
            ..Default::default()
        };
        bench.executor.execute_code(request).await.unwrap()
    };
    let permissive = SecurityLevel::Permissive;
    run("b = b'x' * (64 << 20)", permissive).await;
    run("1/0", permissive).await;
    run("while True: __import__('time').sleep(1)", permissive).await;
    run("import os", SecurityLevel::Strict).await;
    let metrics = monitoring.metrics();
    assert_eq!(metrics.total_executions, 4);
    assert_eq!(metrics.successful_executions, 1);
    assert_eq!(metrics.failed_executions, 3);
    // Three ran, one of them for 300 ms and one with 64 MiB.
    assert!(
        metrics.average_execution_time >= Duration::from_millis(100),
        "{metrics:?}"
    );
    assert!(metrics.memory_usage >= (64 << 20) / 3, "{metrics:?}");
    let ends = read(&monitoring, "hognose_python_executions_total").await;
    let counted = ends.iter().filter(|one| one.value > 0.0);
    let mut kinds: Vec<&str> = counted.map(|one| one.labels["outcome"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["completed", "limit_exceeded", "raised", "rejected"]);
    let count = read(&monitoring, "hognose_python_execution_seconds_count").await;
    assert_eq!(count[0].value, 3.0, "what was rejected never ran");
    let running = read(&monitoring, "hognose_python_executions_running").await;
    assert_eq!(running[0].value, 0.0);
}

#[tokio::test]
async fn an_execution_whose_caller_went_away_is_unfinished() {
    let bench = bench().await;
    let monitoring = bench.executor.monitoring();
    let request = ExecutionRequest {
        source: "import time; time.sleep(60)".into(),
        limits: LimitOverrides {
            wall_ms: Some(60_000),
            ..Default::default()
        },
        ..Default::default()
    };
    let execution = bench.executor.start(request).await.unwrap();
    let running = "hognose_python_executions_running";
    assert_eq!(read(&monitoring, running).await[0].value, 1.0);
    drop(execution);
    assert_eq!(read(&monitoring, running).await[0].value, 0.0);
    let unfinished = read(&monitoring, "hognose_python_executions_unfinished_total").await;
    let told = unfinished
        .iter()
        .map(|one| (one.labels["reason"].as_str(), one.value));
    let mut told: Vec<(&str, f64)> = told.collect();
    told.sort_by_key(|(reason, _)| *reason);
    assert_eq!(told, [("abandoned", 1.0), ("failed", 0.0)]);
    assert_eq!(monitoring.metrics().total_executions, 0);
}
