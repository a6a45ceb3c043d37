//! The seed's own list of tests, through what its `new`s make.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stepflow_python::{
    Database, DatabaseAddress, Dependency, EnvironmentConfig, ExecutorConfig, FunctionRequest,
    HistoryFilter, Outcome, PipConfig, PythonEnvironment, PythonEnvironmentImpl, PythonExecutor,
    PythonExecutorImpl, PythonParser, PythonParserImpl, PythonRequest, PythonSecurity,
    PythonSecurityImpl, SecurityLevel, SecuritySettings,
};

use crate::support::{fetching, index, tools};

struct Seed {
    parser: PythonParserImpl,
    environments: PythonEnvironmentImpl,
    security: Arc<PythonSecurityImpl>,
    executor: PythonExecutorImpl,
    /// Holds the records, the engine's state and the wheels of the index.
    _folder: tempfile::TempDir,
}

async fn seed(settings: SecuritySettings, executor: ExecutorConfig) -> Seed {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    tools(&folder.path().join("state"));
    let address = DatabaseAddress::File(folder.path().join("records.sqlite"));
    let db = Arc::new(Database::open(&address).await.unwrap());
    let config = EnvironmentConfig {
        security_settings: settings.clone(),
        pip_config: Some(PipConfig {
            index_url: Some(index(&folder.path().join("index"))),
            ..Default::default()
        }),
        ..Default::default()
    };
    let environments = PythonEnvironmentImpl::new(Arc::clone(&db), config);
    let lock = fetching();
    let watch = environments.executor(None).await.unwrap().watch();
    drop(lock);
    let security = Arc::new(PythonSecurityImpl::new(settings, watch).unwrap());
    let executor = PythonExecutorImpl::new(
        Arc::clone(&db),
        Arc::new(environments.clone()),
        security.clone(),
        executor,
    );
    let parser = PythonParserImpl::new(Arc::clone(&db), Default::default());
    Seed {
        parser,
        environments,
        security,
        executor,
        _folder: folder,
    }
}

fn code(source: &str) -> PythonRequest {
    PythonRequest {
        code: source.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_source_is_parsed_checked_run_and_recorded() {
    let seed = seed(SecuritySettings::default(), ExecutorConfig::default()).await;
    let source = "def add(a: int, b: int) -> int:\n    '''Adds.'''\n    return a + b\n";
    let module = seed.parser.parse_code(source).await.unwrap();
    assert_eq!(module.name, "main");
    assert_eq!(module.functions[0].docstring.as_deref(), Some("Adds."));
    assert!(seed.security.validate_code(source).await.unwrap().is_valid);
    let call = FunctionRequest {
        code: source.into(),
        function_name: "add".into(),
        args: vec![json!(2), json!(3)],
        ..Default::default()
    };
    let response = seed.executor.execute_function(call).await.unwrap();
    assert_eq!(response.result, Some(json!(5)));
    assert!(response.execution_time > Duration::ZERO && response.memory_usage > 0);
    let history = seed.executor.history().expect("it records");
    let found = history.list(Default::default()).await.unwrap();
    assert_eq!(found.executions.len(), 1, "{found:?}");
    let environment = found.executions[0].environment_id.as_deref();
    assert!(environment.is_some(), "the default environment is a row");
}

#[tokio::test]
async fn an_environment_is_made_filled_used_and_removed() {
    let seed = seed(SecuritySettings::default(), ExecutorConfig::default()).await;
    let config = seed.environments.config().clone();
    let id = seed.environments.create_environment(&config).await.unwrap();
    let run = async |source: &str| {
        let request = PythonRequest {
            environment_id: Some(id),
            ..code(source)
        };
        seed.executor.execute_code(request).await.unwrap()
    };
    let missing = run("import alpha")
        .await
        .into_result()
        .unwrap_err()
        .to_string();
    assert!(missing.starts_with("Import error: "), "{missing}");
    let wanted = [Dependency::parse("alpha==1.0").unwrap()];
    seed.environments
        .install_dependencies(&id, &wanted)
        .await
        .unwrap();
    seed.environments.activate_environment(&id).await.unwrap();
    let found = run("import alpha\nalpha.VERSION").await;
    assert_eq!(found.result, Some(json!("1.0")), "{found:?}");
    let history = seed.executor.history().unwrap();
    let last = HistoryFilter {
        limit: 1,
        ..Default::default()
    };
    let last = history.list(last).await.unwrap();
    let recorded = last.executions[0].environment_id.clone();
    assert_eq!(recorded, Some(id.to_string()), "it is a row");
    // What ran last is still being swept away.
    let mut cleaned = seed.environments.cleanup_environment(&id).await;
    for _ in 0..100 {
        if cleaned.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        cleaned = seed.environments.cleanup_environment(&id).await;
    }
    cleaned.unwrap();
    let gone = PythonRequest {
        environment_id: Some(id),
        ..code("1")
    };
    assert!(seed.executor.execute_code(gone).await.is_err());
}

#[tokio::test]
async fn security_settings_are_findings_and_limits() {
    let settings = SecuritySettings {
        blocked_modules: vec!["ctypes".into()],
        enable_system_calls: false,
        max_execution_time: Duration::from_millis(700),
        max_memory_usage: 64 << 20,
        ..Default::default()
    };
    let seed = seed(settings, ExecutorConfig::default()).await;
    let run = async |source: &str| seed.executor.execute_code(code(source)).await.unwrap();
    let refused = run("import ctypes")
        .await
        .into_result()
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("Security violation: "), "{refused}");
    let slow = run("while True: pass")
        .await
        .into_result()
        .unwrap_err()
        .to_string();
    assert_eq!(slow, "Timeout exceeded");
    let large = run("x = bytearray(200 << 20)")
        .await
        .into_result()
        .unwrap_err()
        .to_string();
    assert_eq!(large, "Memory limit exceeded");
    let forked = run("import threading\nthreading.Thread(target=print).start()").await;
    assert!(
        !matches!(forked.outcome, Outcome::Completed(_)),
        "one process: {forked:?}"
    );
    let asked = PythonRequest {
        timeout: Some(Duration::from_secs(60)),
        ..code("while True: pass")
    };
    let began = std::time::Instant::now();
    let capped = seed.executor.execute_code(asked).await.unwrap();
    assert_eq!(capped.return_code, 124);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "a request loosens nothing"
    );
}

#[tokio::test]
async fn what_is_run_is_watched() {
    let seed = seed(SecuritySettings::default(), ExecutorConfig::default()).await;
    let request = stepflow_python::ExecutionRequest {
        source: "1".into(),
        ..Default::default()
    };
    let report = seed
        .executor
        .start(request)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    let status = seed.security.monitor_execution(&report.id).await.unwrap();
    assert_eq!(status.outcome, "completed");
}

#[tokio::test]
async fn an_executor_answers_every_question_as_its_engine_does() {
    let seed = seed(SecuritySettings::default(), ExecutorConfig::default()).await;
    let (executor, engine) = (&seed.executor, seed.environments.running().unwrap());
    let request = stepflow_python::ExecutionRequest {
        source: "print(1, file=open('output/a.txt', 'w'))".into(),
        ..Default::default()
    };
    let execution = executor.start(request).await.unwrap();
    let report = execution.finish().await.unwrap();
    let artifact = executor.artifact(report.id, "a.txt").await.unwrap();
    assert_eq!(artifact.content, "1\n");
    let shown = |capabilities| format!("{capabilities:?}");
    assert_eq!(shown(executor.capabilities()), shown(engine.capabilities()));
    let preloads = async |executor: &dyn PythonExecutor| {
        let pools = executor.pools().await.into_iter();
        pools.map(|pool| pool.preload).collect::<Vec<_>>()
    };
    assert_eq!(preloads(executor).await, preloads(engine).await);
    let families = async |executor: &dyn PythonExecutor| {
        let families = executor.metrics().await.into_iter();
        families.map(|family| family.name).collect::<Vec<_>>()
    };
    assert_eq!(families(executor).await, families(engine).await);
    assert!(!families(executor).await.is_empty());
    let id = executor.environments().unwrap().list().await.unwrap();
    assert_eq!(id, engine.environments().unwrap().list().await.unwrap());
    let history = executor.history().unwrap().list(Default::default()).await;
    assert_eq!(history.unwrap().executions[0].id, report.id);
    assert_eq!(executor.tools().is_some(), engine.tools().is_some());
    assert_eq!(executor.health().await, Ok(()));
    let judged = executor.validate("import os", SecurityLevel::Strict).await;
    let of_engine = engine.validate("import os", SecurityLevel::Strict).await;
    assert_eq!(judged.unwrap().findings, of_engine.unwrap().findings);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_one_sentence() {
    let db = Arc::new(Database::in_memory().await.unwrap());
    let network = SecuritySettings {
        enable_network_access: true,
        ..Default::default()
    };
    let told = "Security violation: no program has a network: set `enable_network_access` to false";
    let refused = PythonSecurityImpl::new(network.clone(), Default::default()).unwrap_err();
    assert_eq!(refused.to_string(), told);
    let config = EnvironmentConfig {
        security_settings: network,
        ..Default::default()
    };
    let environments = PythonEnvironmentImpl::new(db, config.clone());
    let refused = environments.create_environment(&config).await.unwrap_err();
    assert_eq!(refused.to_string(), told);
}

#[tokio::test]
async fn the_executors_own_limits_hold() {
    let config = ExecutorConfig {
        default_timeout: Duration::from_millis(500),
        max_execution_time: Duration::from_millis(900),
        default_memory_limit: 64 << 20,
        ..Default::default()
    };
    let seed = seed(SecuritySettings::default(), config).await;
    let run = async |source: &str, timeout| {
        let request = PythonRequest {
            timeout,
            ..code(source)
        };
        seed.executor.execute_code(request).await.unwrap()
    };
    let default = run("while True: pass", None).await;
    assert_eq!(default.return_code, 124);
    assert!(
        default.execution_time < Duration::from_millis(850),
        "{default:?}"
    );
    let most = run("while True: pass", Some(Duration::from_secs(60))).await;
    assert_eq!(most.return_code, 124);
    assert!(most.execution_time < Duration::from_secs(5), "{most:?}");
    assert_eq!(run("x = bytearray(200 << 20)", None).await.return_code, 137);
}
