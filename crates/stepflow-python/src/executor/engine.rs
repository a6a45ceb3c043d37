//! The executor that runs on an engine of this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Engine, Execution, ExecutionError, ExecutionId, ExecutionRequest, PoolStatus};

use super::{
    ArtifactContent, Capabilities, FunctionRequest, Package, PythonConfig, PythonExecutor,
    PythonRequest, PythonResponse, ScriptRequest, SecurityLevel, ValidationResult, source,
    validate,
};
use crate::errors::PythonError;
use crate::parser;

/// Runs executions on an engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineExecutor {
    engine: Engine,
    /// Top-level modules of the environment: a preload of what it has not could never warm.
    modules: Arc<BTreeSet<String>>,
}

impl EngineExecutor {
    /// An executor on a running engine. Lists the environment's packages once.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let modules = Arc::new(engine.environment().modules());
        Self { engine, modules }
    }

    async fn run(&self, request: ExecutionRequest) -> Result<PythonResponse, PythonError> {
        let execution = self.start(request).await?;
        Ok(execution.finish().await?.into())
    }

    /// Errors: what this executor cannot give is refused and never ignored.
    fn check(&self, request: &PythonRequest) -> Result<(), PythonError> {
        if let Some(wanted) = &request.environment_id
            && *wanted != self.engine.environment().digest
        {
            let reason = format!("there is no environment `{wanted}`: leave `environment_id` out");
            return Err(PythonError::EnvironmentError(reason));
        }
        if request.security_level != SecurityLevel::Permissive {
            let reason = "this executor has no language policy: ask for the level `Permissive`";
            return Err(PythonError::ExecutionError(reason.into()));
        }
        Ok(())
    }
}

#[async_trait]
impl PythonExecutor for EngineExecutor {
    async fn execute_code(&self, request: PythonRequest) -> Result<PythonResponse, PythonError> {
        self.check(&request)?;
        self.run(source::of_code(request).await).await
    }

    async fn execute_function(
        &self,
        request: FunctionRequest,
    ) -> Result<PythonResponse, PythonError> {
        self.run(source::of_function(request)).await
    }

    async fn execute_script(&self, request: ScriptRequest) -> Result<PythonResponse, PythonError> {
        self.run(source::of_script(request).await?).await
    }

    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        Ok(validate::environment(&self.capabilities(), config))
    }

    async fn start(&self, mut request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        if request.imports.is_empty() {
            request.imports = parser::imports_of(&request.source).await;
        }
        request.imports.retain(|name| self.modules.contains(name));
        self.engine.execute(request).await
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

    async fn pools(&self) -> Vec<PoolStatus> {
        self.engine.pools()
    }

    async fn health(&self) -> Result<(), String> {
        self.engine.health().await
    }
}

impl From<ExecutionError> for PythonError {
    fn from(error: ExecutionError) -> Self {
        Self::ExecutionError(error.to_string())
    }
}
