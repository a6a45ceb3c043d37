//! What doors ask of the environments: the same whether they are here or behind a socket.

use std::sync::Arc;

use async_trait::async_trait;

use super::config::{EnvironmentConfig, EnvironmentId};
use super::{EnvironmentError, Progress, PythonEnvironmentImpl};
use crate::dependencies::Dependency;
use crate::errors::PythonError;

/// Where a build tells how far it is.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentOrder {
    /// `3.11` or `3.11.7`; empty for the Python of the default environment.
    pub python: String,
    /// What it shall have.
    pub packages: Vec<Dependency>,
}

/// An environment that somebody has created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentDescription {
    /// Its handle.
    pub id: EnvironmentId,
    /// What the handle stands for now.
    pub digest: String,
    /// `X.Y.Z`.
    pub python: String,
    /// What was asked for. Source: PEP 508.
    pub requirements: Vec<String>,
    /// (normalised name, version), sorted.
    pub packages: Vec<(String, String)>,
    /// On disk.
    pub bytes: u64,
    /// Since 1970. Unit: milliseconds.
    pub created_ms: u64,
    /// Since 1970. Unit: milliseconds.
    pub used_ms: u64,
    /// Whether its zygotes are kept.
    pub is_active: bool,
}

/// Makes, changes and removes environments.
#[async_trait]
pub trait EnvironmentService: Send + Sync {
    /// Makes one.
    async fn create(
        &self,
        order: EnvironmentOrder,
        progress: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError>;

    /// Adds packages: the handle moves to a new digest, executions that run keep the old one.
    async fn install(
        &self,
        id: EnvironmentId,
        packages: Vec<Dependency>,
        progress: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError>;

    /// Warms its zygotes and keeps them; it is never removed to make room.
    async fn activate(&self, id: EnvironmentId) -> Result<(), EnvironmentError>;

    /// Removes one. Errors: `InUse` while executions use it.
    async fn remove(&self, id: EnvironmentId) -> Result<(), EnvironmentError>;

    /// Removes trees that no handle names and no execution uses; returns their bytes.
    async fn prune(&self) -> Result<u64, EnvironmentError>;

    /// All that were created, the oldest first.
    async fn list(&self) -> Result<Vec<EnvironmentDescription>, EnvironmentError>;

    /// Its lock: every package with its hashes.
    async fn lock(&self, id: EnvironmentId) -> Result<String, EnvironmentError>;
}

/// Environments as the seed writes them. Source: seed 003, "PythonEnvironment".
#[async_trait]
pub trait PythonEnvironment: Send + Sync {
    /// Makes one with `base_packages`.
    async fn create_environment(
        &self,
        config: &EnvironmentConfig,
    ) -> Result<EnvironmentId, PythonError>;

    /// Warms its zygotes and keeps them.
    async fn activate_environment(&self, env_id: &EnvironmentId) -> Result<(), PythonError>;

    /// Installs what is not there.
    async fn install_dependencies(
        &self,
        env_id: &EnvironmentId,
        dependencies: &[Dependency],
    ) -> Result<(), PythonError>;

    /// Removes one. Errors: executions use it.
    async fn cleanup_environment(&self, env_id: &EnvironmentId) -> Result<(), PythonError>;

    /// The implementation of this crate, whose engine can run programs in its environments.
    fn as_native(&self) -> Option<&PythonEnvironmentImpl> {
        None
    }
}
