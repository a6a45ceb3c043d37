//! Security settings as the seed has them: findings about a source, and limits for the kernel.
//!
//! Findings are lint. What counts is what the kernel enforces: no network ever, and the limits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::{
    ExecutionId, ExecutionReport, ExitStatus, Finding, Limit, LimitOverrides, Limits, Outcome,
    Usage,
};

use crate::errors::PythonError;
use crate::parser::{Import, PythonFunction};
use crate::validator::policy::Policy;
use crate::validator::{Busy, ValidationResult, check, check_with};

/// Least workdir that an execution can have. Source: docs/limits.md.
const LEAST_WORKDIR_BYTES: u64 = 64 * 1024;
const LEAST_WORKDIR_INODES: u64 = 16;

/// What a program may use. Source: seed 003, "SecuritySettings".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecuritySettings {
    /// Modules that may be imported, with what is below them; empty for all.
    pub allowed_modules: Vec<String>,
    /// Modules that may not be imported, nor what is below them.
    pub blocked_modules: Vec<String>,
    /// Functions that may be called, such as `print`, `math.sqrt` or `json.*`; empty for all.
    pub allowed_functions: Vec<String>,
    /// Functions that may not be used, such as `eval` or `os.system`.
    pub blocked_functions: Vec<String>,
    /// Off: findings about what starts processes or calls native code, and a limit of one process.
    pub enable_system_calls: bool,
    /// Off: findings about what opens files, and the smallest workdir there is.
    pub enable_file_access: bool,
    /// Off: findings about what needs a network. On is refused: no program has one.
    pub enable_network_access: bool,
    /// The wall-clock limit.
    pub max_execution_time: Duration,
    /// The memory limit. Units: bytes.
    pub max_memory_usage: usize,
}

impl Default for SecuritySettings {
    /// Nothing is refused but the network, which there is not.
    fn default() -> Self {
        Self {
            allowed_modules: Vec::new(),
            blocked_modules: Vec::new(),
            allowed_functions: Vec::new(),
            blocked_functions: Vec::new(),
            enable_system_calls: true,
            enable_file_access: true,
            enable_network_access: false,
            max_execution_time: Duration::from_secs(30),
            max_memory_usage: 512 * 1024 * 1024,
        }
    }
}

impl SecuritySettings {
    /// Errors: `SecurityViolation` for a network, which there is not.
    pub fn check(&self) -> Result<(), PythonError> {
        if !self.enable_network_access {
            return Ok(());
        }
        let reason = "no program has a network: set `enable_network_access` to false";
        Err(PythonError::SecurityViolation(reason.into()))
    }

    /// The limits that these settings ask of the kernel.
    #[must_use]
    pub fn limits(&self) -> LimitOverrides {
        let bytes = |bytes| (!self.enable_file_access).then_some(bytes);
        LimitOverrides {
            wall_ms: Some(engine::limits::millis(self.max_execution_time)),
            memory_bytes: u64::try_from(self.max_memory_usage).ok(),
            processes: (!self.enable_system_calls).then_some(1),
            workdir_bytes: bytes(LEAST_WORKDIR_BYTES),
            workdir_inodes: bytes(LEAST_WORKDIR_INODES),
            artifacts: bytes(0),
            ..Default::default()
        }
    }
}

/// How an execution was confined, and what it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityStatus {
    /// Which execution.
    pub execution_id: ExecutionId,
    /// How it ended, such as `completed`.
    pub outcome: String,
    /// What the kernel or our clock refused it: the limit that ended it.
    pub exceeded: Option<Limit>,
    /// The signal that ended it, `SIGSYS` and `SIGSEGV` among them.
    pub signal: Option<i32>,
    /// What the kernel counted.
    pub usage: Usage,
    /// What was in force.
    pub limits: Limits,
    /// The tier that confined it.
    pub tier: String,
}

impl From<&ExecutionReport> for SecurityStatus {
    fn from(report: &ExecutionReport) -> Self {
        let exceeded = match &report.outcome {
            Outcome::LimitExceeded(limit) => Some(*limit),
            _ => None,
        };
        let signal = match report.exit {
            Some(ExitStatus::Signaled(signal)) => Some(signal),
            Some(ExitStatus::Exited(_)) | None => None,
        };
        Self {
            execution_id: report.id,
            outcome: report.outcome.kind().to_owned(),
            exceeded,
            signal,
            usage: report.usage,
            limits: report.limits,
            tier: report.tier.to_owned(),
        }
    }
}

/// The last executions that ended, for `monitor_execution`. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<VecDeque<SecurityStatus>>>);

/// Executions that a watch remembers.
const REMEMBERED: usize = 1000;

impl Watch {
    /// Remembers an execution, and forgets the oldest.
    pub fn note(&self, report: &ExecutionReport) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == REMEMBERED {
            all.pop_front();
        }
        all.push_back(report.into());
    }

    fn find(&self, id: ExecutionId) -> Option<SecurityStatus> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .rev()
            .find(|status| status.execution_id == id)
            .cloned()
    }
}

/// Judges by settings of an embedder.
#[derive(Debug, Clone)]
pub struct PythonSecurityImpl {
    settings: SecuritySettings,
    policy: Arc<Policy>,
    watch: Watch,
}

impl PythonSecurityImpl {
    /// Judges by `settings`, and tells of the executions that `watch` saw.
    ///
    /// Errors: `SecurityViolation` for a network, which there is not.
    pub fn new(settings: SecuritySettings, watch: Watch) -> Result<Self, PythonError> {
        settings.check()?;
        Ok(Self {
            policy: Arc::new(Policy::of_settings(&settings)),
            settings,
            watch,
        })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &SecuritySettings {
        &self.settings
    }

    async fn findings(&self, source: &str) -> Result<Vec<Finding>, PythonError> {
        let checked = check_with(source, Arc::clone(&self.policy), None).await;
        checked.map_err(|busy: Busy| PythonError::InternalError(busy.to_string()))
    }
}

#[async_trait]
impl PythonSecurity for PythonSecurityImpl {
    async fn validate_code(&self, code: &str) -> Result<ValidationResult, PythonError> {
        Ok(ValidationResult::of(self.findings(code).await?))
    }

    async fn check_imports(&self, imports: &[Import]) -> Result<ValidationResult, PythonError> {
        let found = imports
            .iter()
            .filter_map(|import| check::import(&self.policy, import));
        Ok(ValidationResult::of(found.collect()))
    }

    async fn check_functions(
        &self,
        functions: &[PythonFunction],
    ) -> Result<ValidationResult, PythonError> {
        let mut found = Vec::new();
        for function in functions {
            let source = &function.source_code;
            // A method's lines are indented; one line before them makes them a block.
            let (source, lines) = if source.starts_with([' ', '\t', '\x0c']) {
                (format!("if 1:\n{source}"), 1)
            } else {
                (source.clone(), 0)
            };
            let count = u32::try_from(function.source_code.lines().count()).unwrap_or(u32::MAX);
            // The last line is where the function ends in its own file.
            let before = (function.span.end_line + 1).saturating_sub(count);
            found.extend(
                self.findings(&source)
                    .await?
                    .into_iter()
                    .map(|mut finding| {
                        for line in [&mut finding.span.line, &mut finding.span.end_line] {
                            *line = (*line + before).saturating_sub(lines + 1);
                        }
                        finding
                    }),
            );
        }
        Ok(ValidationResult::of(found))
    }

    async fn monitor_execution(
        &self,
        execution_id: &ExecutionId,
    ) -> Result<SecurityStatus, PythonError> {
        self.watch.find(*execution_id).ok_or_else(|| {
            let told = format!("the execution {execution_id} has not ended here, or long ago");
            PythonError::ExecutionError(told)
        })
    }
}

/// Judges sources, imports and functions, and tells how executions were confined.
#[async_trait]
pub trait PythonSecurity: Send + Sync {
    /// What is wrong with a source: its syntax, else what it uses.
    async fn validate_code(&self, code: &str) -> Result<ValidationResult, PythonError>;

    /// Which of `imports` are refused.
    async fn check_imports(&self, imports: &[Import]) -> Result<ValidationResult, PythonError>;

    /// What is wrong with each of `functions`, as if it stood alone.
    async fn check_functions(
        &self,
        functions: &[PythonFunction],
    ) -> Result<ValidationResult, PythonError>;

    /// What the kernel refused or counted during an execution.
    async fn monitor_execution(
        &self,
        execution_id: &ExecutionId,
    ) -> Result<SecurityStatus, PythonError>;
}
