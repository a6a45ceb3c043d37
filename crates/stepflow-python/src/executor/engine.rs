//! The executor that runs on an engine of this process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use engine::{
    Engine, Entry, Environment, EnvironmentChoice, EnvironmentLease, Execution, ExecutionError,
    ExecutionId, ExecutionRequest, PoolStatus,
};

use super::journal::{Journal, Kept};
use super::registry::unknown;
use super::{
    ArtifactContent, Capabilities, ExecutorDescription, Judgement, NATIVE, ParserDescription,
    PythonConfig, PythonExecutor, SecurityLevel, ValidationResult, entry, judge, replay, validate,
};
use crate::environment::{EnvironmentService, ManagedEnvironments};
use crate::errors::PythonError;
use crate::metrics::{MetricFamily, PythonMonitoringImpl};
use crate::packages;
use crate::parser::{self, ParserConfig, PythonVersionNumber};
use crate::records::{DatabaseError, EnvironmentRow, HistoryService, Recorder};
use crate::security::Watch;
use crate::tools::{ToolService, Tools};
use crate::validator::policy::Policy;

/// Runs executions on an engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineExecutor {
    engine: Engine,
    /// Top-level modules of the environment: a preload of what it has not could never warm.
    modules: Arc<BTreeSet<String>>,
    /// The laxest level that serves.
    floor: SecurityLevel,
    pub(super) journal: Journal,
    environments: Option<ManagedEnvironments>,
    /// How sources are read that are kept as tools.
    parser: ParserConfig,
    /// What of it may be imported, at every level.
    imports: Option<Arc<Policy>>,
}

impl EngineExecutor {
    /// An executor on a running engine. Lists the environment's packages once.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let modules = Arc::new(engine.environment().modules());
        Self {
            engine,
            modules,
            floor: SecurityLevel::default(),
            journal: Journal::default(),
            environments: None,
            parser: ParserConfig::default(),
            imports: None,
        }
    }

    /// The same with environments that callers ask for; the engine was started with their folder.
    #[must_use]
    pub fn with_environments(engine: Engine, environments: ManagedEnvironments) -> Self {
        environments.attach(engine.clone());
        let monitoring = environments.monitoring();
        Self {
            journal: Journal {
                monitoring,
                ..Journal::default()
            },
            environments: Some(environments),
            ..Self::new(engine)
        }
    }

    /// Makes what a caller wrote an environment that is there, held until the lease is dropped.
    async fn settle(
        &self,
        request: &mut ExecutionRequest,
    ) -> Result<Option<EnvironmentLease>, ExecutionError> {
        let (Some(environments), EnvironmentChoice::Asked { name, packages }) =
            (&self.environments, &request.environment)
        else {
            return Ok(None);
        };
        if let Some(name) = name
            && packages.is_empty()
            && name.len() >= 8
            && self.engine.environment().digest.starts_with(name)
        {
            request.environment = EnvironmentChoice::Default;
            return Ok(None);
        }
        let (environment, lease) = find(environments, name.as_deref(), packages).await?;
        request.environment = EnvironmentChoice::Built(environment);
        Ok(Some(lease))
    }

    /// The same, judging every source at `floor` or stricter, whatever a request asks for.
    #[must_use]
    pub fn with_floor(self, floor: SecurityLevel) -> Self {
        Self { floor, ..self }
    }

    /// The same, rejecting what imports what `config` does not let pass.
    #[must_use]
    pub fn with_parser(self, config: &ParserConfig) -> Self {
        Self {
            parser: config.clone(),
            imports: judge::import_rules(config),
            ..self
        }
    }

    /// The same, recording every execution: nobody is told of an end that is not written.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.journal.recorder = Some(recorder);
        self
    }

    /// Writes the environments of this executor beside the executions, from now on. Once more makes good
    /// at once what the database has missed meanwhile; else that takes a minute.
    ///
    /// Errors: the default environment cannot be written.
    pub async fn record_environments(&self) -> Result<(), DatabaseError> {
        let Some(recorder) = &self.journal.recorder else {
            return Ok(());
        };
        let database = recorder.database();
        let default = EnvironmentRow::of_default(self.engine.environment());
        database.put_environment(&default).await?;
        if let Some(environments) = &self.environments {
            let instance = recorder.instance();
            environments.mirror_into(database.clone(), instance).await;
        }
        Ok(())
    }

    /// What becomes of the executions of this executor, for a `PythonSecurityImpl`.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.journal.watch.clone()
    }

    /// What this executor counts, and its environments with it.
    #[must_use]
    pub fn monitoring(&self) -> PythonMonitoringImpl {
        self.journal.monitoring.clone()
    }

    /// The execution that the policy ends before it starts; `None` when it may start.
    ///
    /// Errors: a request that could not have started either.
    async fn rejected(
        &self,
        request: &ExecutionRequest,
        level: SecurityLevel,
    ) -> Result<Option<Execution>, ExecutionError> {
        let mut rules = self.rules(level);
        if rules.is_open() {
            return Ok(None);
        }
        let began = Instant::now();
        let limits = self.engine.limit_policy().resolve(&request.limits)?;
        entry::check_length(request, &limits)?;
        rules.version = Some(self.version_for(&request.environment).await);
        let findings = judge::findings(request, &rules).await?;
        if findings.is_empty() {
            return Ok(None);
        }
        let tier = self.engine.isolation().tier;
        let rejected = replay::rejected(findings, limits, began.elapsed(), tier);
        Ok(Some(rejected))
    }

    /// The version whose syntax counts: that of the environment it names.
    async fn version_for(&self, choice: &EnvironmentChoice) -> PythonVersionNumber {
        let (major, minor, _) = match (choice, &self.environments) {
            (EnvironmentChoice::Built(environment), _) => environment.interpreter.version,
            (
                EnvironmentChoice::Asked {
                    name: Some(name), ..
                },
                Some(environments),
            ) => {
                // One that is not there is refused when it is to be used.
                let found = environments.find(Some(name), &[]).await;
                found.map_or_else(|_| self.version(), |(found, _)| found.interpreter.version)
            }
            (EnvironmentChoice::Asked { .. } | EnvironmentChoice::Default, _) => self.version(),
        };
        (major, minor)
    }

    fn rules(&self, level: SecurityLevel) -> judge::Rules {
        let (major, minor, _) = self.version();
        judge::Rules {
            level,
            imports: self.imports.clone(),
            version: Some((major, minor)),
        }
    }

    fn version(&self) -> (u8, u8, u8) {
        self.engine.environment().interpreter.version
    }

    async fn launch(
        &self,
        mut request: ExecutionRequest,
        kept: Kept,
    ) -> Result<Execution, ExecutionError> {
        let hints = match &request.entry {
            Entry::Module(name) => parser::hints_of(&module_source(name, &request)).await,
            Entry::Source | Entry::Globals(_) | Entry::Function(_) | Entry::Script(_) => {
                parser::hints_of(&request.source).await
            }
        };
        if request.imports.is_empty() {
            request.imports = hints.imports;
        }
        // The source of a module is not the request's own, and not where it says.
        request.last_expression = hints.last_expression.filter(|_| has_source(&request.entry));
        let _held = self.settle(&mut request).await?;
        if request.environment == EnvironmentChoice::Default {
            request.imports.retain(|name| self.modules.contains(name));
        }
        let kept = match &request.environment {
            EnvironmentChoice::Built(built) => kept.within(&built.digest, false),
            EnvironmentChoice::Default | EnvironmentChoice::Asked { .. } => {
                kept.within(&self.engine.environment().digest, true)
            }
        };
        Ok(kept.follow(self.engine.execute(request).await?))
    }
}

#[async_trait]
impl PythonExecutor for EngineExecutor {
    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        validate::environment(self, config).await
    }

    async fn prepare(
        &self,
        request: &ExecutionRequest,
    ) -> Result<Option<EnvironmentLease>, ExecutionError> {
        check(request)?;
        let (Some(environments), EnvironmentChoice::Asked { name, packages }) =
            (&self.environments, &request.environment)
        else {
            return Ok(None);
        };
        // Nothing is installed for what will be rejected.
        let level = request.policy.max(self.floor);
        if packages.is_empty() || self.rejected(request, level).await?.is_some() {
            return Ok(None);
        }
        let (_, lease) = find(environments, name.as_deref(), packages).await?;
        Ok(Some(lease))
    }

    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        check(&request)?;
        let level = request.policy.max(self.floor);
        let kept = self.journal.open(&request, level).await?;
        match self.rejected(&request, level).await? {
            Some(rejected) => Ok(kept.follow(rejected)),
            None => self.launch(request, kept).await,
        }
    }

    async fn validate(
        &self,
        source: &str,
        level: SecurityLevel,
    ) -> Result<Judgement, ExecutionError> {
        let level = level.max(self.floor);
        judge::judgement(source, &self.rules(level)).await
    }

    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent> {
        let (artifact, content) = self.engine.artifact(id, name).await?;
        Some(ArtifactContent { artifact, content })
    }

    fn capabilities(&self) -> Capabilities {
        let environment = self.engine.environment();
        let python_version = environment.interpreter.version_text();
        Capabilities {
            executors: vec![ExecutorDescription {
                name: NATIVE.to_owned(),
                versions: vec![python_version.clone()],
            }],
            parsers: vec![ParserDescription {
                name: NATIVE.to_owned(),
                features: parser::FEATURES.map(str::to_owned).to_vec(),
            }],
            python_version,
            packages: packages::installed(environment),
            max_concurrency: self.engine.slots(),
            limits: self.engine.limit_policy(),
            isolation: self.engine.isolation(),
        }
    }

    fn environments(&self) -> Option<Arc<dyn EnvironmentService>> {
        let own = self.environments.clone()?;
        Some(Arc::new(own))
    }

    fn history(&self) -> Option<Arc<dyn HistoryService>> {
        let recorder = self.journal.recorder.as_ref()?;
        Some(Arc::new(recorder.database().clone()))
    }

    fn tools(&self) -> Option<Arc<dyn ToolService>> {
        let database = self.journal.recorder.as_ref()?.database().clone();
        let (major, minor, _) = self.version();
        let limits = self.engine.limit_policy();
        let tools = Tools::new(database, self.floor, Some((major, minor)), limits);
        let tools = tools.with_environments(self.environments.clone());
        Some(Arc::new(tools.with_parser(&self.parser)))
    }

    async fn metrics(&self) -> Vec<MetricFamily> {
        self.journal.monitoring.families()
    }

    fn journal(&self) -> Option<Journal> {
        Some(self.journal.clone())
    }

    async fn pools(&self) -> Vec<PoolStatus> {
        self.engine.pools()
    }

    async fn health(&self) -> Result<(), String> {
        self.engine.health().await
    }
}

/// Errors: an executor that is not here; an entry that cannot be run.
fn check(request: &ExecutionRequest) -> Result<(), ExecutionError> {
    match request.executor.as_deref().filter(|name| *name != NATIVE) {
        Some(name) => Err(unknown(name, &[NATIVE])),
        None => entry::check(request),
    }
}

/// The environment that a caller wrote, made if it is not there.
async fn find(
    environments: &ManagedEnvironments,
    name: Option<&str>,
    packages: &[String],
) -> Result<(Arc<Environment>, EnvironmentLease), ExecutionError> {
    let found = environments.find(name, packages).await;
    found.map_err(|error| ExecutionError::Environment {
        fault: error.fault(),
        reason: error.to_string(),
    })
}

fn has_source(entry: &Entry) -> bool {
    match entry {
        Entry::Source | Entry::Globals(_) | Entry::Function(_) | Entry::Script(_) => true,
        Entry::Module(_) => false,
    }
}

/// The text of a module among the files; empty when it is not there, or nobody can read it.
fn module_source(name: &str, request: &ExecutionRequest) -> String {
    let path = name.replace('.', "/");
    let places = [format!("{path}/__main__.py"), format!("{path}.py")];
    let found = request
        .files
        .iter()
        .find(|file| places.contains(&file.name));
    let text = found.and_then(|file| parser::decode(&file.content).ok());
    text.unwrap_or_default()
}

impl From<ExecutionError> for PythonError {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::Environment { reason, .. } => Self::EnvironmentError(reason),
            other => Self::ExecutionError(other.to_string()),
        }
    }
}
