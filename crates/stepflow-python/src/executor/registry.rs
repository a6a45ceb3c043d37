//! Executors and parsers by name: the one of this product, and those that an embedder brings.
//!
//! It stands before every door as one executor. The policy is asked before any of them.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use engine::{
    EnvironmentLease, Execution, ExecutionError, ExecutionId, ExecutionRequest, Finding,
    PoolStatus, SecurityLevel,
};

use super::custom::{Custom, CustomPythonExecutor};
use super::{
    ArtifactContent, Capabilities, ExecutorDescription, Journal, Judgement, NATIVE,
    ParserDescription, PythonConfig, PythonExecutor, ValidationResult, entry, judge, replay,
};
use crate::environment::EnvironmentService;
use crate::errors::PythonError;
use crate::metrics::MetricFamily;
use crate::parser::syntax::{SYNTAX_ERROR, TOO_COMPLEX};
use crate::parser::{CustomPythonParser, ENCODING};
use crate::records::HistoryService;
use crate::tools::ToolService;

/// What cannot be registered or chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two of one name.
    #[error("the name `{name}` is taken by another {kind}")]
    Taken {
        /// `executor` or `parser`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A name that no request could say.
    #[error("a {kind} needs a name of 1 to 64 letters, digits, `-`, `_` or `.`, not {name:?}")]
    Name {
        /// `executor` or `parser`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing has that name.
    #[error("there is no {kind} `{name}`; there are {known}")]
    Unknown {
        /// `executor` or `parser`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
}

/// An executor that hands each request to the one it names.
pub struct Executors {
    native: Arc<dyn PythonExecutor>,
    custom: Vec<Custom>,
    parsers: Vec<Arc<dyn CustomPythonParser>>,
    /// Who runs a request that names nobody; `None` is the one of this product.
    executor: Option<String>,
    /// Who reads sources for the preload; `None` is the parser of this process.
    parser: Option<String>,
}

impl Executors {
    /// `native` alone, under the name [`NATIVE`].
    #[must_use]
    pub fn new(native: Arc<dyn PythonExecutor>) -> Self {
        Self {
            native,
            custom: Vec::new(),
            parsers: Vec::new(),
            executor: None,
            parser: None,
        }
    }

    /// The same with an executor more.
    ///
    /// Errors: its name is taken, or is none.
    pub fn with_executor(
        mut self,
        own: Arc<dyn CustomPythonExecutor>,
    ) -> Result<Self, RegistryError> {
        check_name("executor", own.get_executor_name(), &self.executor_names())?;
        let native = Arc::clone(&self.native);
        self.custom.push(Custom { own, native });
        Ok(self)
    }

    /// The same with a parser more.
    ///
    /// Errors: its name is taken, or is none.
    pub fn with_parser(mut self, own: Arc<dyn CustomPythonParser>) -> Result<Self, RegistryError> {
        check_name("parser", own.get_parser_name(), &self.parser_names())?;
        self.parsers.push(own);
        Ok(self)
    }

    /// The same with `name` for requests that name no executor.
    ///
    /// Errors: there is none of that name.
    pub fn choose_executor(mut self, name: &str) -> Result<Self, RegistryError> {
        check_known("executor", name, &self.executor_names())?;
        self.executor = Some(name.to_owned());
        Ok(self)
    }

    /// The same with the parser `name`: what it says that a source imports chooses the preload.
    ///
    /// Errors: there is none of that name.
    pub fn choose_parser(mut self, name: &str) -> Result<Self, RegistryError> {
        check_known("parser", name, &self.parser_names())?;
        self.parser = Some(name.to_owned());
        Ok(self)
    }

    /// The parser of that name.
    #[must_use]
    pub fn parser(&self, name: &str) -> Option<Arc<dyn CustomPythonParser>> {
        let mut all = self.parsers.iter();
        all.find(|one| one.get_parser_name() == name).cloned()
    }

    fn executor_names(&self) -> Vec<&str> {
        let own = self.custom.iter().map(|one| one.own.get_executor_name());
        std::iter::once(NATIVE).chain(own).collect()
    }

    fn parser_names(&self) -> Vec<&str> {
        let own = self.parsers.iter().map(|one| one.get_parser_name());
        std::iter::once(NATIVE).chain(own).collect()
    }

    /// Who runs it; `None` is the one of this product.
    ///
    /// Errors: nobody has that name.
    fn chosen(&self, name: Option<&str>) -> Result<Option<&Custom>, ExecutionError> {
        let Some(name) = name.or(self.executor.as_deref()) else {
            return Ok(None);
        };
        let mut all = self.custom.iter();
        let found = all.find(|one| one.own.get_executor_name() == name);
        if found.is_none() && name != NATIVE {
            return Err(unknown(name, &self.executor_names()));
        }
        Ok(found)
    }

    async fn read_imports(&self, request: &mut ExecutionRequest) {
        let Some(parser) = self.parser.as_deref().and_then(|name| self.parser(name)) else {
            return;
        };
        // A hint: whoever cannot read a source has none to give, and it runs all the same.
        if let Ok(module) = parser.parse_code(&request.source).await {
            let absolute = module.imports.iter().filter(|import| import.level == 0);
            let names = absolute.filter_map(|import| import.module.split('.').next());
            request.imports.extend(names.map(str::to_owned));
        }
    }

    /// What the policy of the product's own executor has against a request, whose level is the one
    /// that holds.
    async fn findings(&self, request: &ExecutionRequest) -> Result<Vec<Finding>, ExecutionError> {
        let level = request.policy;
        // Who is permissive lets a program fail by its syntax, and it need not be ours.
        let counts = |finding: &Finding| {
            level > SecurityLevel::Permissive
                || ![SYNTAX_ERROR, TOO_COMPLEX, ENCODING].contains(&finding.code.as_str())
        };
        let mut all = Vec::new();
        for text in judge::texts(request) {
            let found = match &text.content {
                Ok(content) => self.native.validate(content, level).await?.findings,
                Err(unreadable) => vec![unreadable.clone()],
            };
            let found = found.into_iter().filter(counts);
            all.extend(found.map(|finding| text.told(finding)));
        }
        Ok(all)
    }

    /// Starts it on an executor of an embedder, if the policy lets it.
    async fn start_custom(
        &self,
        custom: &Custom,
        mut request: ExecutionRequest,
    ) -> Result<Execution, ExecutionError> {
        let began = Instant::now();
        entry::check(&request)?;
        let limits = self.native.capabilities().limits.resolve(&request.limits)?;
        entry::check_length(&request, &limits)?;
        // It is told the level that holds, not the one that was asked for.
        request.policy = self.native.validate("", request.policy).await?.level;
        let kept = match self.native.journal() {
            Some(journal) => Some(journal.open(&request, request.policy).await?),
            None => None,
        };
        let findings = self.findings(&request).await?;
        let execution = if findings.is_empty() {
            custom.clone().spawn(request, limits)
        } else {
            replay::rejected(findings, limits, began.elapsed(), replay::TIER)
        };
        Ok(match kept {
            Some(kept) => kept.follow(execution),
            None => execution,
        })
    }
}

/// The error for a name that nobody has.
pub(super) fn unknown(name: &str, known: &[&str]) -> ExecutionError {
    ExecutionError::Executor {
        name: name.chars().take(80).collect(),
        known: listed(known),
    }
}

fn listed(names: &[&str]) -> String {
    let names = names.iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}

fn check_name(kind: &'static str, name: &str, taken: &[&str]) -> Result<(), RegistryError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let name = name.to_owned();
        return Err(RegistryError::Name { kind, name });
    }
    if taken.contains(&name) {
        let name = name.to_owned();
        return Err(RegistryError::Taken { kind, name });
    }
    Ok(())
}

fn check_known(kind: &'static str, name: &str, known: &[&str]) -> Result<(), RegistryError> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(RegistryError::Unknown {
        kind,
        name: name.to_owned(),
        known: listed(known),
    })
}

#[async_trait]
impl PythonExecutor for Executors {
    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        match self.chosen(None)? {
            Some(custom) => custom.validate_environment(config).await,
            None => self.native.validate_environment(config).await,
        }
    }

    async fn prepare(
        &self,
        request: &ExecutionRequest,
    ) -> Result<Option<EnvironmentLease>, ExecutionError> {
        match self.chosen(request.executor.as_deref())? {
            Some(_) => Ok(None),
            None => self.native.prepare(request).await,
        }
    }

    async fn start(&self, mut request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        let name = request.executor.take();
        if let Some(custom) = self.chosen(name.as_deref())? {
            return self.start_custom(custom, request).await;
        }
        self.read_imports(&mut request).await;
        self.native.start(request).await
    }

    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent> {
        self.native.artifact(id, name).await
    }

    async fn validate(
        &self,
        source: &str,
        level: SecurityLevel,
    ) -> Result<Judgement, ExecutionError> {
        self.native.validate(source, level).await
    }

    fn capabilities(&self) -> Capabilities {
        let mut all = self.native.capabilities();
        all.executors
            .extend(self.custom.iter().map(|one| ExecutorDescription {
                name: one.own.get_executor_name().to_owned(),
                versions: one.own.get_supported_versions(),
            }));
        all.parsers
            .extend(self.parsers.iter().map(|one| ParserDescription {
                name: one.get_parser_name().to_owned(),
                features: one.get_supported_features(),
            }));
        all
    }

    async fn pools(&self) -> Vec<PoolStatus> {
        self.native.pools().await
    }

    async fn metrics(&self) -> Vec<MetricFamily> {
        self.native.metrics().await
    }

    fn journal(&self) -> Option<Journal> {
        self.native.journal()
    }

    fn tools(&self) -> Option<Arc<dyn ToolService>> {
        self.native.tools()
    }

    fn environments(&self) -> Option<Arc<dyn EnvironmentService>> {
        self.native.environments()
    }

    fn history(&self) -> Option<Arc<dyn HistoryService>> {
        self.native.history()
    }

    async fn health(&self) -> Result<(), String> {
        self.native.health().await
    }
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executors")
            .field("executors", &self.executor_names())
            .field("parsers", &self.parser_names())
            .finish_non_exhaustive()
    }
}
