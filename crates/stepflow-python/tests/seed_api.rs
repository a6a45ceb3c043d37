//! Every trait method, field and `new` of seed 003, used as the seed writes them.
//!
//! It is there to be compiled; what it runs needs no engine. What the calls do is tested in `it`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use stepflow_python::dependencies::{Dependency, DependencySource};
use stepflow_python::environment::{
    EnvironmentConfig, EnvironmentId, PipConfig, PythonEnvironment, PythonEnvironmentImpl,
};
use stepflow_python::errors::PythonError;
use stepflow_python::executor::{
    CustomPythonExecutor, ExecutionConfig, ExecutorConfig, FunctionRequest, PythonConfig,
    PythonException, PythonExecutor, PythonExecutorImpl, PythonRequest, PythonResponse,
    ScriptRequest, SecurityLevel, ValidationResult,
};
use stepflow_python::packages::Package;
use stepflow_python::parser::{
    AST, CustomPythonParser, Import, Parameter, ParserConfig, PythonClass, PythonFunction,
    PythonModule, PythonParser, PythonParserImpl,
};
use stepflow_python::security::{
    PythonSecurity, PythonSecurityImpl, SecuritySettings, SecurityStatus, Watch,
};
use stepflow_python::{
    Database, DatabaseError, ExecutionId, Metric, MetricFilter, MonitoringError, PythonMetrics,
    PythonMonitoring, PythonMonitoringImpl,
};

/// The seed's `PythonParser`, method by method.
async fn parser(parser: &dyn PythonParser) -> Result<(), PythonError> {
    let module: PythonModule = parser.parse_code("import os\ndef f(x): pass").await?;
    let _: PythonModule = parser.parse_file("/nonexistent.py").await.unwrap_or(module);
    let _: ValidationResult = parser.validate_syntax("x = 1").await?;
    let _: Vec<Dependency> = parser.analyze_dependencies("import requests").await?;
    Ok(())
}

/// The seed's `PythonExecutor`.
async fn executor(executor: &dyn PythonExecutor) -> Result<(), PythonError> {
    let _: PythonResponse = executor.execute_code(PythonRequest::default()).await?;
    let _: PythonResponse = executor
        .execute_function(FunctionRequest::default())
        .await?;
    let _: PythonResponse = executor.execute_script(ScriptRequest::default()).await?;
    let config = PythonConfig::default();
    let _: ValidationResult = executor.validate_environment(&config).await?;
    Ok(())
}

/// The seed's `PythonEnvironment`.
async fn environment(environment: &dyn PythonEnvironment) -> Result<(), PythonError> {
    let config = EnvironmentConfig::default();
    let env_id: EnvironmentId = environment.create_environment(&config).await?;
    let () = environment.activate_environment(&env_id).await?;
    let dependencies: &[Dependency] = &[];
    let () = environment
        .install_dependencies(&env_id, dependencies)
        .await?;
    environment.cleanup_environment(&env_id).await
}

/// The seed's `PythonSecurity`.
async fn security(security: &dyn PythonSecurity) -> Result<(), PythonError> {
    let imports: &[Import] = &[];
    let functions: &[PythonFunction] = &[];
    let _: ValidationResult = security.validate_code("x = 1").await?;
    let _: ValidationResult = security.check_imports(imports).await?;
    let _: ValidationResult = security.check_functions(functions).await?;
    let _: SecurityStatus = security.monitor_execution(&ExecutionId::random()).await?;
    Ok(())
}

/// The seed's monitoring: three that count, and one that tells.
async fn monitoring(monitoring: &dyn PythonMonitoring) -> Result<Vec<Metric>, MonitoringError> {
    let (execution_id, duration) = (ExecutionId::random(), Duration::from_millis(1));
    let dependency = Dependency::parse("requests").expect("it is one");
    let env_id = EnvironmentId::new();
    let () = monitoring
        .record_execution(&execution_id, duration, true)
        .await?;
    let () = monitoring
        .record_environment_creation(&env_id, duration)
        .await?;
    let () = monitoring
        .record_dependency_installation(&env_id, &dependency)
        .await?;
    monitoring.get_metrics(Some(MetricFilter::default())).await
}

#[tokio::test]
async fn the_seeds_monitoring_is_there_as_it_writes_it() {
    let all = monitoring(&PythonMonitoringImpl::new()).await.unwrap();
    let executions =
        |one: &&Metric| one.name == "hognose_python_executions_total" && one.value > 0.0;
    let counted: &Metric = all.iter().find(executions).expect("one ended");
    let _: (&str, f64, &HashMap<String, String>) = (&counted.name, counted.value, &counted.labels);
    let sums = PythonMetrics::default();
    let _: [u64; 6] = [
        sums.total_executions,
        sums.successful_executions,
        sums.failed_executions,
        sums.total_environments,
        sums.active_environments,
        sums.total_dependencies,
    ];
    let _: (Duration, usize) = (sums.average_execution_time, sums.memory_usage);
}

/// The seed's fields, each read by its name and with its type.
fn fields(
    module: PythonModule,
    request: PythonRequest,
    response: PythonResponse,
    dependency: Dependency,
) -> (Option<AST>, HashMap<String, Value>, usize, Vec<String>) {
    let PythonModule {
        name,
        functions,
        classes,
        imports,
        dependencies,
        source_code,
        ast,
        ..
    } = module;
    let _: (
        String,
        Vec<PythonClass>,
        Vec<Import>,
        Vec<Dependency>,
        String,
    ) = (name, classes, imports, dependencies, source_code);
    for function in functions {
        let PythonFunction {
            name,
            parameters,
            return_type,
            docstring,
            decorators,
            is_async,
            source_code,
            ..
        } = function;
        let _: (String, Vec<Parameter>, Option<String>) = (name, parameters, return_type);
        let _: (Option<String>, Vec<String>, bool, String) =
            (docstring, decorators, is_async, source_code);
    }
    let PythonRequest {
        code,
        function_name,
        parameters,
        environment_id,
        timeout,
        memory_limit,
        security_level,
    } = request;
    let _: (String, Option<String>, Option<EnvironmentId>) = (code, function_name, environment_id);
    let _: (Option<Duration>, Option<usize>, SecurityLevel) =
        (timeout, memory_limit, security_level);
    let PythonResponse {
        result,
        stdout,
        stderr,
        execution_time,
        memory_usage,
        return_code,
        exceptions,
        ..
    } = response;
    let _: (Option<Value>, String, String, Duration) = (result, stdout, stderr, execution_time);
    let _: (i32, Vec<PythonException>) = (return_code, exceptions);
    let Dependency {
        name,
        version,
        source,
        requirements,
    } = dependency;
    let _: (String, Option<String>) = (name, version);
    match source {
        DependencySource::PyPI
        | DependencySource::Conda
        | DependencySource::Git
        | DependencySource::Local => {}
    }
    (ast, parameters, memory_usage, requirements)
}

/// The seed's configurations, field by field.
fn configurations() -> (
    ParserConfig,
    ExecutorConfig,
    EnvironmentConfig,
    ExecutionConfig,
) {
    let security_settings = SecuritySettings {
        allowed_modules: vec![],
        blocked_modules: vec!["subprocess".into()],
        allowed_functions: vec![],
        blocked_functions: vec!["eval".into()],
        enable_system_calls: false,
        enable_file_access: true,
        enable_network_access: false,
        max_execution_time: Duration::from_secs(30),
        max_memory_usage: 512 << 20,
    };
    let pip_config = PipConfig {
        index_url: None,
        extra_index_urls: vec![],
        trusted_hosts: vec![],
        timeout: Duration::from_secs(30),
        retries: 3,
    };
    let parser = ParserConfig {
        enable_ast_parsing: true,
        enable_dependency_analysis: true,
        max_code_size: 1 << 20,
        allowed_imports: vec![],
        blocked_imports: vec![],
        ..Default::default()
    };
    let executor = ExecutorConfig {
        default_timeout: Duration::from_secs(30),
        default_memory_limit: 512 << 20,
        enable_sandboxing: true,
        enable_resource_monitoring: true,
        python_interpreter_path: None,
        max_execution_time: Duration::from_secs(300),
    };
    let environment = EnvironmentConfig {
        python_version: "3.11".into(),
        base_packages: vec![],
        virtual_env_path: None,
        pip_config: Some(pip_config),
        security_settings,
        auto_cleanup: true,
        max_environments: 100,
    };
    let execution = ExecutionConfig {
        timeout: None,
        memory_limit: None,
        security_level: SecurityLevel::default(),
    };
    (parser, executor, environment, execution)
}

struct Own;

#[async_trait]
impl CustomPythonParser for Own {
    async fn parse_code(&self, code: &str) -> Result<PythonModule, PythonError> {
        PythonParserImpl::default().parse_code(code).await
    }
    fn get_supported_features(&self) -> Vec<String> {
        vec!["functions".into()]
    }
    fn get_parser_name(&self) -> &str {
        "own"
    }
}

#[async_trait]
impl CustomPythonExecutor for Own {
    async fn execute_code(&self, _: PythonRequest) -> Result<PythonResponse, PythonError> {
        Ok(PythonResponse::default())
    }
    fn get_supported_versions(&self) -> Vec<String> {
        vec!["3.11".into()]
    }
    fn get_executor_name(&self) -> &str {
        "own"
    }
}

#[tokio::test]
async fn the_seeds_calls_are_there_as_it_writes_them() {
    let db: Arc<Database> = Arc::new(Database::in_memory().await.unwrap());
    let (parser_config, executor_config, environment_config, _) = configurations();
    let parsing = PythonParserImpl::new(Arc::clone(&db), parser_config);
    parser(&parsing).await.unwrap();
    let settings = environment_config.security_settings.clone();
    let environment_manager: Arc<dyn PythonEnvironment> = Arc::new(PythonEnvironmentImpl::new(
        Arc::clone(&db),
        environment_config,
    ));
    let security_manager: Arc<dyn PythonSecurity> =
        Arc::new(PythonSecurityImpl::new(settings, Watch::default()).unwrap());
    let unknown = security(security_manager.as_ref()).await.unwrap_err();
    assert!(
        matches!(unknown, PythonError::ExecutionError(_)),
        "nothing ran yet"
    );
    let refused = ExecutorConfig {
        enable_sandboxing: false,
        ..executor_config
    };
    let executing = PythonExecutorImpl::new(db, environment_manager, security_manager, refused);
    let told = executor(&executing).await.unwrap_err().to_string();
    assert_eq!(
        told,
        "Security violation: nothing runs outside a sandbox: set `enable_sandboxing` to true"
    );
    let names: (&dyn CustomPythonParser, &dyn CustomPythonExecutor) = (&Own, &Own);
    assert_eq!(names.0.get_parser_name(), names.1.get_executor_name());
    let module = names.0.parse_code("def f(): pass").await.unwrap();
    let (ast, ..) = fields(
        module,
        Default::default(),
        Default::default(),
        Default::default(),
    );
    assert!(ast.is_some());
    let package = Package {
        name: "a".into(),
        version: "1".into(),
    };
    assert_eq!(package.name, "a");
    // Needs an engine, which `it` has; here it is only compiled.
    let _ = environment;
}

#[test]
fn error_texts_are_the_seeds_to_the_letter() {
    let told = || "x".to_owned();
    let database = DatabaseError::Address { reason: told() };
    for (error, text) in [
        (PythonError::ParseError(told()), "Parse error: x"),
        (PythonError::SyntaxError(told()), "Syntax error: x"),
        (PythonError::ExecutionError(told()), "Execution error: x"),
        (
            PythonError::EnvironmentError(told()),
            "Environment error: x",
        ),
        (PythonError::DependencyError(told()), "Dependency error: x"),
        (
            PythonError::SecurityViolation(told()),
            "Security violation: x",
        ),
        (PythonError::TimeoutExceeded, "Timeout exceeded"),
        (PythonError::MemoryLimitExceeded, "Memory limit exceeded"),
        (PythonError::ImportError(told()), "Import error: x"),
        (PythonError::from(database), "Database error: x"),
        (PythonError::InternalError(told()), "Internal error: x"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
