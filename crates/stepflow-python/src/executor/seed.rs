//! The seed's `PythonExecutorImpl`: security, environment, run and record, in the seed's order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::{
    EnvironmentLease, Execution, ExecutionError, ExecutionId, ExecutionRequest, Finding,
    LimitOverrides, PoolStatus, SecurityLevel, Span,
};

use super::{
    ArtifactContent, Capabilities, EngineExecutor, FunctionRequest, Journal, Judgement,
    PythonConfig, PythonExecutor, PythonRequest, PythonResponse, ScriptRequest, ValidationResult,
    judge, of_script, replay, run_to_end, source,
};
use crate::environment::{
    EnvironmentConfig, EnvironmentService, PythonEnvironment, PythonEnvironmentImpl,
};
use crate::errors::PythonError;
use crate::metrics::MetricFamily;
use crate::records::{Database, HistoryService};
use crate::security::PythonSecurity;
use crate::tools::ToolService;

/// How executions are run. Source: seed 003, "ExecutorConfig".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// Wall-clock limit of a request that names none.
    pub default_timeout: Duration,
    /// Memory limit of a request that names none. Units: bytes.
    pub default_memory_limit: usize,
    /// `false` is refused: nothing runs unconfined.
    pub enable_sandboxing: bool,
    /// Whether usage is sampled while a program runs. What is measured at its end is told anyway.
    pub enable_resource_monitoring: bool,
    /// The interpreter of the default environment; `None` for the first usable one of this host.
    pub python_interpreter_path: Option<String>,
    /// The most that a request can ask for.
    pub max_execution_time: Duration,
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self {
            default_timeout: Duration::from_secs(30),
            default_memory_limit: 512 * 1024 * 1024,
            enable_sandboxing: true,
            enable_resource_monitoring: true,
            python_interpreter_path: None,
            max_execution_time: Duration::from_secs(300),
        }
    }
}

impl ExecutorConfig {
    /// Errors: `SecurityViolation` for a configuration that nothing is run under.
    pub fn check(&self) -> Result<(), PythonError> {
        if self.enable_sandboxing {
            return Ok(());
        }
        let reason = "nothing runs outside a sandbox: set `enable_sandboxing` to true";
        Err(PythonError::SecurityViolation(reason.into()))
    }
}

/// What holds for one execution. Source: seed 003, "PythonExecutorImpl".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionConfig {
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// Memory limit. Units: bytes.
    pub memory_limit: Option<usize>,
    /// How much the policy refuses.
    pub security_level: SecurityLevel,
}

/// Runs what a security manager lets pass, in an environment, and records it.
pub struct PythonExecutorImpl {
    environment_manager: Arc<dyn PythonEnvironment>,
    security_manager: Arc<dyn PythonSecurity>,
    config: ExecutorConfig,
    /// For a manager of an embedder, which has no engine.
    own: PythonEnvironmentImpl,
}

impl PythonExecutorImpl {
    /// Nothing is started yet: what is wrong with the host or the configuration is told by the first
    /// call. With a `PythonEnvironmentImpl` its engine runs everything; an embedder's own manager is
    /// asked for nothing but its methods, and programs see the default environment.
    #[must_use]
    pub fn new(
        db: Arc<Database>,
        environment_manager: Arc<dyn PythonEnvironment>,
        security_manager: Arc<dyn PythonSecurity>,
        config: ExecutorConfig,
    ) -> Self {
        Self {
            own: PythonEnvironmentImpl::new(db, EnvironmentConfig::default()),
            environment_manager,
            security_manager,
            config,
        }
    }

    fn environment(&self) -> &PythonEnvironmentImpl {
        self.environment_manager.as_native().unwrap_or(&self.own)
    }

    async fn engine(&self) -> Result<&EngineExecutor, PythonError> {
        self.config.check()?;
        let python = self
            .config
            .python_interpreter_path
            .as_deref()
            .map(Path::new);
        self.environment().executor(python).await
    }

    /// What holds for a request: what it asks for, else the defaults, and never more than the most.
    fn execution_config(&self, request: &ExecutionRequest) -> ExecutionConfig {
        let asked = request.limits.wall_ms.map(Duration::from_millis);
        let timeout = asked.unwrap_or(self.config.default_timeout);
        let memory = request
            .limits
            .memory_bytes
            .and_then(|bytes| usize::try_from(bytes).ok());
        ExecutionConfig {
            timeout: Some(timeout.min(self.config.max_execution_time)),
            memory_limit: Some(memory.unwrap_or(self.config.default_memory_limit)),
            security_level: request.policy,
        }
    }

    /// The request within the configuration and the environment's security settings.
    fn within(&self, request: ExecutionRequest) -> ExecutionRequest {
        let config = self.execution_config(&request);
        let wall_ms = config.timeout.map(engine::limits::millis);
        let asked = LimitOverrides {
            wall_ms,
            cpu_ms: request.limits.cpu_ms.or(source::cpu_ms(wall_ms)),
            memory_bytes: config
                .memory_limit
                .and_then(|bytes| u64::try_from(bytes).ok()),
            ..request.limits
        };
        let settings = &self.environment().config().security_settings;
        ExecutionRequest {
            limits: stricter(asked, settings.limits()),
            policy: config.security_level,
            ..request
        }
    }

    /// What the security manager has against a request.
    async fn findings(&self, request: &ExecutionRequest) -> Result<Vec<Finding>, PythonError> {
        let mut all = Vec::new();
        for text in judge::texts(request) {
            let found = match &text.content {
                Ok(content) => refusals(self.security_manager.validate_code(content).await?),
                Err(unreadable) => vec![unreadable.clone()],
            };
            all.extend(found.into_iter().map(|finding| text.told(finding)));
        }
        Ok(all)
    }

    async fn run(&self, request: ExecutionRequest) -> Result<PythonResponse, PythonError> {
        self.engine().await?;
        run_to_end(self, request).await
    }
}

fn host(error: PythonError) -> ExecutionError {
    ExecutionError::Host {
        operation: "run the program".to_owned(),
        reason: error.to_string(),
    }
}

/// The findings of a result that is not valid; its errors where it has none.
fn refusals(result: ValidationResult) -> Vec<Finding> {
    if result.is_valid || !result.findings.is_empty() {
        return if result.is_valid {
            Vec::new()
        } else {
            result.findings
        };
    }
    let refused = |message| Finding {
        code: "refused".to_owned(),
        message,
        span: Span::default(),
        excerpt: String::new(),
        suggestion: None,
    };
    let none = || vec![refused("the security manager refuses it".to_owned())];
    let told: Vec<_> = result.errors.into_iter().map(refused).collect();
    if told.is_empty() { none() } else { told }
}

/// The smaller of each two limits.
fn stricter(one: LimitOverrides, other: LimitOverrides) -> LimitOverrides {
    let least = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    LimitOverrides {
        wall_ms: least(one.wall_ms, other.wall_ms),
        memory_bytes: least(one.memory_bytes, other.memory_bytes),
        processes: least(one.processes, other.processes),
        workdir_bytes: least(one.workdir_bytes, other.workdir_bytes),
        workdir_inodes: least(one.workdir_inodes, other.workdir_inodes),
        artifacts: least(one.artifacts, other.artifacts),
        ..one
    }
}

#[async_trait]
impl PythonExecutor for PythonExecutorImpl {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        self.run(source::of_code(request)).await
    }

    async fn execute_function(
        &self,
        request: FunctionRequest,
    ) -> Result<PythonResponse, PythonError> {
        self.run(source::of_function(request)).await
    }

    async fn execute_script(&self, request: ScriptRequest) -> Result<PythonResponse, PythonError> {
        self.run(of_script(request).await?).await
    }

    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        self.engine().await?.validate_environment(config).await
    }

    async fn prepare(
        &self,
        request: &ExecutionRequest,
    ) -> Result<Option<EnvironmentLease>, ExecutionError> {
        let engine = self.engine().await.map_err(host)?;
        let findings = self.findings(request).await.map_err(host)?;
        if findings.is_empty() {
            return engine.prepare(request).await;
        }
        Ok(None)
    }

    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        let began = Instant::now();
        let engine = self.engine().await.map_err(host)?;
        let request = self.within(request);
        let findings = self.findings(&request).await.map_err(host)?;
        if findings.is_empty() {
            return engine.start(request).await;
        }
        let capabilities = engine.capabilities();
        let limits = capabilities.limits.resolve(&request.limits)?;
        let kept = engine.journal.open(&request, request.policy).await?;
        let tier = capabilities.isolation.tier;
        Ok(kept.follow(replay::rejected(findings, limits, began.elapsed(), tier)))
    }

    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent> {
        self.environment().running()?.artifact(id, name).await
    }

    /// What the security manager has against it, and the policy of the engine once there is one.
    async fn validate(
        &self,
        source: &str,
        level: SecurityLevel,
    ) -> Result<Judgement, ExecutionError> {
        let result = self.security_manager.validate_code(source).await;
        let mut findings = refusals(result.map_err(host)?);
        let Some(engine) = self.environment().running() else {
            return Ok(Judgement { level, findings });
        };
        let judged = engine.validate(source, level).await?;
        for finding in judged.findings {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        Ok(Judgement {
            level: judged.level,
            findings,
        })
    }

    async fn pools(&self) -> Vec<PoolStatus> {
        match self.environment().running() {
            Some(engine) => engine.pools().await,
            None => Vec::new(),
        }
    }

    async fn metrics(&self) -> Vec<MetricFamily> {
        match self.environment().running() {
            Some(engine) => engine.metrics().await,
            None => Vec::new(),
        }
    }

    fn journal(&self) -> Option<Journal> {
        self.environment().running()?.journal()
    }

    fn tools(&self) -> Option<Arc<dyn ToolService>> {
        self.environment().running()?.tools()
    }

    fn environments(&self) -> Option<Arc<dyn EnvironmentService>> {
        self.environment().running()?.environments()
    }

    /// Those of its engine; nothing is known before the first call.
    fn capabilities(&self) -> Capabilities {
        let running = self.environment().running();
        running
            .map(PythonExecutor::capabilities)
            .unwrap_or_default()
    }

    fn history(&self) -> Option<Arc<dyn HistoryService>> {
        self.environment().running()?.history()
    }

    async fn health(&self) -> Result<(), String> {
        match self.environment().running() {
            Some(engine) => engine.health().await,
            None => self.config.check().map_err(|error| error.to_string()),
        }
    }
}

impl std::fmt::Debug for PythonExecutorImpl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PythonExecutorImpl")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
