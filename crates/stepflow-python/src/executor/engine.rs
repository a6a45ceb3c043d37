//! The executor that runs on an engine of this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{
    Ending, Engine, EnvironmentChoice, EnvironmentLease, Execution, ExecutionError, ExecutionId,
    ExecutionRequest, PoolStatus,
};
use serde_json::{Value, json};

use super::{
    ArtifactContent, Capabilities, FunctionRequest, Judgement, Package, PythonConfig,
    PythonExecutor, PythonRequest, PythonResponse, ScriptRequest, SecurityLevel, ValidationResult,
    judge, source, validate,
};
use crate::environment::{EnvironmentService, PythonEnvironmentImpl};
use crate::errors::PythonError;
use crate::parser;
use crate::records::{DatabaseError, EnvironmentRow, HistoryService, Opening, Recorder, Started};
use crate::security::Watch;

/// Runs executions on an engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineExecutor {
    engine: Engine,
    /// Top-level modules of the environment: a preload of what it has not could never warm.
    modules: Arc<BTreeSet<String>>,
    /// The laxest level that serves.
    floor: SecurityLevel,
    watch: Watch,
    environments: Option<PythonEnvironmentImpl>,
    recorder: Option<Recorder>,
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
            watch: Watch::default(),
            environments: None,
            recorder: None,
        }
    }

    /// The same with environments that callers ask for; the engine was started with their folder.
    #[must_use]
    pub fn with_environments(engine: Engine, environments: PythonEnvironmentImpl) -> Self {
        environments.attach(engine.clone());
        Self {
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
        let found = environments.find(name.as_deref(), packages).await;
        let (environment, lease) = found.map_err(|error| ExecutionError::Environment {
            fault: error.fault(),
            reason: error.to_string(),
        })?;
        request.environment = EnvironmentChoice::Built(environment);
        Ok(Some(lease))
    }

    /// The same, judging every source at `floor` or stricter, whatever a request asks for.
    #[must_use]
    pub fn with_floor(self, floor: SecurityLevel) -> Self {
        Self { floor, ..self }
    }

    /// The same, recording every execution: nobody is told of an end that is not written.
    #[must_use]
    pub fn with_recorder(self, recorder: Recorder) -> Self {
        Self {
            recorder: Some(recorder),
            ..self
        }
    }

    /// Writes the environments of this executor beside the executions, from now on.
    ///
    /// Errors: the default environment cannot be written.
    pub async fn record_environments(&self) -> Result<(), DatabaseError> {
        let Some(recorder) = &self.recorder else {
            return Ok(());
        };
        let database = recorder.database();
        let default = EnvironmentRow::of_default(self.engine.environment());
        database.put_environment(&default).await?;
        if let Some(environments) = &self.environments {
            environments.mirror_into(database.clone()).await;
        }
        Ok(())
    }

    /// What becomes of the executions of this executor, for a `PythonSecurityImpl`.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Runs `request` if the policy has nothing against `code`, the caller's own part of it.
    async fn run(
        &self,
        code: &str,
        level: SecurityLevel,
        request: ExecutionRequest,
        call: Option<Call>,
    ) -> Result<PythonResponse, PythonError> {
        let execution = self.judge_and_launch(code, level, request, call);
        Ok(execution.await?.finish().await?.into())
    }

    /// The execution, or the one that the policy ends before it starts.
    async fn judge_and_launch(
        &self,
        code: &str,
        level: SecurityLevel,
        mut request: ExecutionRequest,
        call: Option<Call>,
    ) -> Result<Execution, ExecutionError> {
        let level = level.max(self.floor);
        let opening = self.open_record(&request, level, call).await?;
        let rejected = judge::rejected(&self.engine, code, level, &request);
        if let Some(rejected) = rejected.await? {
            return Ok(self.watched(rejected, opening));
        }
        let hints = parser::hints_of(&request.source).await;
        if request.imports.is_empty() {
            request.imports = hints.imports;
        }
        request.last_expression = hints.last_expression;
        let _held = self.settle(&mut request).await?;
        if request.environment == EnvironmentChoice::Default {
            request.imports.retain(|name| self.modules.contains(name));
        }
        let opening = opening.map(|opening| match &request.environment {
            EnvironmentChoice::Built(built) => opening.within(&built.digest, false),
            EnvironmentChoice::Default | EnvironmentChoice::Asked { .. } => {
                opening.within(&self.engine.environment().digest, true)
            }
        });
        Ok(self.watched(self.engine.execute(request).await?, opening))
    }

    /// A place for the record of an execution, where there are records.
    async fn open_record(
        &self,
        request: &ExecutionRequest,
        level: SecurityLevel,
        call: Option<Call>,
    ) -> Result<Option<Opening>, ExecutionError> {
        let Some(recorder) = &self.recorder else {
            return Ok(None);
        };
        let mut started = Started::new(request, level);
        if let Some(Call {
            function,
            parameters,
        }) = &call
        {
            started = started.with_call(function.as_deref(), parameters);
        }
        recorder.admit(started).await.map(Some)
    }

    fn watched(&self, execution: Execution, opening: Option<Opening>) -> Execution {
        let watch = self.watch();
        let record = opening.map(|opening| opening.begin(execution.id()));
        execution.when_ended(move |ending| {
            if let Ending::Finished(report) = ending {
                watch.note(report);
            }
            record.map(|record| record.end(ending))
        })
    }
}

/// What a caller of the seed's methods gives beside the code, for its record.
struct Call {
    function: Option<String>,
    parameters: Value,
}

#[async_trait]
impl PythonExecutor for EngineExecutor {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        let (code, level) = (request.code.clone(), request.security_level);
        let call = Call {
            function: request.function_name.clone(),
            parameters: request.parameters.clone().into_iter().collect(),
        };
        let request = source::of_code(request).await;
        self.run(&code, level, request, Some(call)).await
    }

    async fn execute_function(
        &self,
        request: FunctionRequest,
    ) -> Result<PythonResponse, PythonError> {
        let code = request.code.clone();
        let call = Call {
            function: Some(request.function_name.clone()),
            parameters: json!({"args": request.args, "kwargs": request.kwargs}),
        };
        let request = source::of_function(request);
        self.run(&code, self.floor, request, Some(call)).await
    }

    async fn execute_script(&self, request: ScriptRequest) -> Result<PythonResponse, PythonError> {
        let request = source::of_script(request).await?;
        let code = request.source.clone();
        self.run(&code, self.floor, request, None).await
    }

    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        Ok(validate::environment(&self.capabilities(), config))
    }

    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        let (code, level) = (request.source.clone(), request.policy);
        self.judge_and_launch(&code, level, request, None).await
    }

    async fn validate(
        &self,
        source: &str,
        level: SecurityLevel,
    ) -> Result<Judgement, ExecutionError> {
        let level = level.max(self.floor);
        judge::judgement(source, level, Some(judge::version(&self.engine))).await
    }

    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent> {
        let (artifact, content) = self.engine.artifact(id, name).await?;
        Some(ArtifactContent { artifact, content })
    }

    fn capabilities(&self) -> Capabilities {
        let environment = self.engine.environment();
        let package = |(name, version): &(String, String)| Package {
            name: name.clone(),
            version: version.clone(),
        };
        let mut packages: Vec<Package> = environment.packages.iter().map(package).collect();
        packages.sort_by_key(|package| package.name.to_lowercase());
        Capabilities {
            python_version: environment.interpreter.version_text(),
            packages,
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
        let recorder = self.recorder.as_ref()?;
        Some(Arc::new(recorder.database().clone()))
    }

    async fn pools(&self) -> Vec<PoolStatus> {
        self.engine.pools()
    }

    async fn health(&self) -> Result<(), String> {
        self.engine.health().await
    }
}

impl From<ExecutionError> for PythonError {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::Environment { reason, .. } => Self::EnvironmentError(reason),
            other => Self::ExecutionError(other.to_string()),
        }
    }
}
