//! The manager as a service, and as the seed's trait.

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;

use super::ManagedEnvironments;
use crate::dependencies::{Dependency, DependencyError, satisfied};
use crate::environment::EnvironmentError;
use crate::environment::catalog::{Catalog, Handle, now_ms};
use crate::environment::config::{EnvironmentConfig, EnvironmentId, PipConfig};
use crate::environment::order::{self, LOCK};
use crate::environment::service::{
    EnvironmentDescription, EnvironmentOrder, EnvironmentService, ProgressSink, PythonEnvironment,
};
use crate::errors::PythonError;

#[async_trait]
impl EnvironmentService for ManagedEnvironments {
    async fn create(
        &self,
        mut order: EnvironmentOrder,
        progress: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let base = base_packages(&self.inner.config);
        let base = base.map_err(|error| EnvironmentError::Refused {
            reason: error.to_string(),
        })?;
        order.packages.extend(base);
        self.create_with(order, None, progress).await
    }

    async fn install(
        &self,
        id: EnvironmentId,
        packages: Vec<Dependency>,
        progress: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let inner = &self.inner;
        let handle = inner.handle(id)?;
        let base = inner.environment(&handle.digest)?;
        let python = inner
            .requested
            .interpreter(&base.interpreter.version_text())?
            .clone();
        let asked = order::requirements(&packages, &python, &inner.policy)?;
        let is_there = |text: &String| satisfied(text, &base) == Ok(true);
        if asked.iter().all(is_there) {
            return inner.describe(id);
        }
        let all = handle.requirements.iter().chain(&asked);
        let all: Result<Vec<_>, _> = all.map(|text| Dependency::parse(text)).collect();
        let all = all.map_err(|error| EnvironmentError::Refused {
            reason: error.to_string(),
        })?;
        let requirements = order::requirements(&all, &python, &inner.policy)?;
        let built = self.build(python, requirements.clone(), None, Some(base), progress);
        let kept = built.await?;
        let moved = inner.change(|catalog| {
            let handle = catalog.handles.get_mut(&id)?;
            handle.digest = kept.digest().to_owned();
            handle.requirements = requirements;
            Some(handle.is_active)
        })?;
        self.reflect().await;
        if moved == Some(true) {
            self.activate(id).await?;
        }
        inner.describe(id)
    }

    async fn activate(&self, id: EnvironmentId) -> Result<(), EnvironmentError> {
        let inner = &self.inner;
        let (environment, _lease) = inner.hold(&inner.handle(id)?.digest)?;
        if let Some(engine) = inner.engine.get() {
            let pinned = engine.pin(&environment).await;
            pinned.map_err(|error| EnvironmentError::Refused {
                reason: error.to_string(),
            })?;
        }
        inner.change(|catalog| {
            if let Some(handle) = catalog.handles.get_mut(&id) {
                handle.is_active = true;
            }
        })?;
        self.reflect().await;
        Ok(())
    }

    async fn remove(&self, id: EnvironmentId) -> Result<(), EnvironmentError> {
        let inner = &self.inner;
        let digest = inner.handle(id)?.digest;
        let is_shared = |catalog: &Catalog| {
            let mut all = catalog.handles.iter();
            all.any(|(other, handle)| *other != id && handle.digest == digest)
        };
        let is_shared_now = is_shared(&inner.catalog());
        if !is_shared_now && self.remove_tree(&digest, |now| !is_shared(now)).await? {
            return Ok(());
        }
        inner.change(|catalog| catalog.handles.remove(&id))?;
        self.reflect().await;
        Ok(())
    }

    async fn prune(&self) -> Result<u64, EnvironmentError> {
        let inner = &self.inner;
        let nameless: Vec<(String, u64)> = {
            let catalog = inner.catalog();
            let trees = catalog.trees.iter();
            let free = trees.filter(|(digest, _)| !catalog.is_named(digest));
            free.map(|(digest, tree)| (digest.clone(), tree.bytes))
                .collect()
        };
        let mut freed = 0;
        for (digest, bytes) in nameless {
            let is_nameless = |now: &Catalog| !now.is_named(&digest);
            match self.remove_tree(&digest, is_nameless).await {
                Ok(true) => freed += bytes,
                Ok(false) | Err(EnvironmentError::InUse(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(freed + self.drop_wheels().await)
    }

    async fn list(&self) -> Result<Vec<EnvironmentDescription>, EnvironmentError> {
        let ids: Vec<EnvironmentId> = self.inner.catalog().handles.keys().copied().collect();
        // One whose Python is gone cannot be described; it can still be removed.
        let mut all: Vec<_> = ids
            .into_iter()
            .filter_map(|id| self.inner.describe(id).ok())
            .collect();
        all.sort_by_key(|one| one.created_ms);
        Ok(all)
    }

    async fn lock(&self, id: EnvironmentId) -> Result<String, EnvironmentError> {
        let digest = self.inner.handle(id)?.digest;
        let text = fs::read_to_string(self.inner.requested.tree(&digest).join(LOCK));
        text.map_err(|source| EnvironmentError::host("read the environment's lock", source))
    }
}

impl ManagedEnvironments {
    async fn create_with(
        &self,
        order: EnvironmentOrder,
        pip: Option<PipConfig>,
        progress: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let inner = &self.inner;
        let python = inner.python(&order.python)?.clone();
        let requirements = order::requirements(&order.packages, &python, &inner.policy)?;
        let built = self.build(python, requirements.clone(), pip, None, progress);
        let kept = built.await?;
        let id = EnvironmentId::new();
        let handle = Handle {
            digest: kept.digest().to_owned(),
            requirements,
            created_ms: now_ms(),
            is_active: false,
        };
        inner.change(|catalog| catalog.handles.insert(id, handle))?;
        self.reflect().await;
        inner.describe(id)
    }
}

#[async_trait]
impl PythonEnvironment for ManagedEnvironments {
    async fn create_environment(
        &self,
        config: &EnvironmentConfig,
    ) -> Result<EnvironmentId, PythonError> {
        let order = EnvironmentOrder {
            python: config.python_version.clone(),
            packages: base_packages(config)
                .map_err(|error| PythonError::DependencyError(error.to_string()))?,
        };
        let silent: ProgressSink = Arc::new(|_| {});
        let made = self.create_with(order, config.pip_config.clone(), silent);
        Ok(made.await?.id)
    }

    async fn activate_environment(&self, env_id: &EnvironmentId) -> Result<(), PythonError> {
        Ok(self.activate(*env_id).await?)
    }

    async fn install_dependencies(
        &self,
        env_id: &EnvironmentId,
        dependencies: &[Dependency],
    ) -> Result<(), PythonError> {
        let silent: ProgressSink = Arc::new(|_| {});
        self.install(*env_id, dependencies.to_vec(), silent).await?;
        Ok(())
    }

    async fn cleanup_environment(&self, env_id: &EnvironmentId) -> Result<(), PythonError> {
        Ok(self.remove(*env_id).await?)
    }
}

fn base_packages(config: &EnvironmentConfig) -> Result<Vec<Dependency>, DependencyError> {
    let all = config.base_packages.iter();
    all.map(|text| Dependency::parse(text)).collect()
}

impl From<EnvironmentError> for PythonError {
    fn from(error: EnvironmentError) -> Self {
        match error {
            EnvironmentError::Packages { .. } => Self::DependencyError(error.to_string()),
            _ => Self::EnvironmentError(error.to_string()),
        }
    }
}
