//! What the manager's parts share: the catalog, names, what is known of a tree, who holds it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Environment, EnvironmentLease};

use super::claims::Kept;
use super::{Inner, LEAST_DIGITS, USE_GRAIN_MS};
use crate::dependencies::{Dependency, DependencySource};
use crate::environment::catalog::{Catalog, Handle, now_ms};
use crate::environment::config::EnvironmentId;
use crate::environment::interpreter::{self, Resolved};
use crate::environment::{EnvironmentDescription, EnvironmentError, read_manifest};

pub(super) fn nothing_served() -> EnvironmentError {
    EnvironmentError::Refused {
        reason: "nothing is served here".into(),
    }
}

fn unknown(wanted: &str) -> EnvironmentError {
    EnvironmentError::Unknown {
        wanted: wanted.to_owned(),
    }
}

impl Inner {
    /// Keeps a tree that the catalog knows from being removed.
    pub(super) fn keep(&self, digest: &str) -> Option<Kept> {
        let kept = self.claims.keep(digest)?;
        self.catalog().trees.contains_key(digest).then_some(kept)
    }

    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        // Whoever panicked with it had not begun to change it: changes are single assignments.
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Environment>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the catalog, here and on disk.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Catalog) -> T,
    ) -> Result<T, EnvironmentError> {
        let mut catalog = self.catalog();
        let result = change(&mut catalog);
        catalog.tell(&self.monitoring);
        let saved = catalog.save(self.requested.folder());
        saved.map_err(|source| EnvironmentError::host("write the list of environments", source))?;
        Ok(result)
    }

    /// Counts a tree that was not there before, and the packages that `base` did not have.
    pub(super) fn count(
        &self,
        digest: &str,
        requirements: &[String],
        base: Option<&Environment>,
        took: Duration,
    ) {
        match base {
            Some(_) => self.monitoring.extended(took),
            None => self.monitoring.created(took),
        }
        // A tree that cannot be read serves nobody either, and says so there.
        let Ok(built) = self.environment(digest) else {
            return;
        };
        let asked = requirements
            .iter()
            .filter_map(|text| Dependency::parse(text).ok());
        let sources: HashMap<String, DependencySource> =
            asked.map(|one| (one.name, one.source)).collect();
        let had = base
            .map(|base| base.packages.as_slice())
            .unwrap_or_default();
        for (name, _) in built
            .packages
            .iter()
            .filter(|package| !had.contains(package))
        {
            let source = sources.get(name).copied().unwrap_or_default();
            self.monitoring.installed(&source);
        }
    }

    pub(super) fn python(&self, version: &str) -> Result<&Resolved, EnvironmentError> {
        if !version.is_empty() || !self.config.python_version.is_empty() {
            let wanted = if version.is_empty() {
                self.config.python_version.as_str()
            } else {
                version
            };
            return self.requested.interpreter(wanted);
        }
        let of_engine = self.engine.get().map(|it| &it.environment().interpreter);
        let default = of_engine.or(self.default.as_ref());
        let near =
            default.and_then(|it| interpreter::nearest(&self.requested.interpreters, it.version));
        near.map_or_else(|| self.requested.interpreter(""), Ok)
    }

    /// The digest that an id or the beginning of a digest stands for.
    pub(super) fn resolve(&self, name: &str) -> Result<String, EnvironmentError> {
        let catalog = self.catalog();
        if let Some(handle) = name.parse().ok().and_then(|id| catalog.handles.get(&id)) {
            return Ok(handle.digest.clone());
        }
        let mut found = catalog
            .trees
            .keys()
            .filter(|digest| digest.starts_with(name));
        match (found.next(), found.next()) {
            (Some(one), None) if name.len() >= LEAST_DIGITS => Ok(one.clone()),
            _ => Err(unknown(&name.chars().take(80).collect::<String>())),
        }
    }

    pub(super) fn hold(
        &self,
        digest: &str,
    ) -> Result<(Arc<Environment>, EnvironmentLease), EnvironmentError> {
        let _kept = self.keep(digest).ok_or_else(|| unknown(digest))?;
        let environment = self.environment(digest)?;
        let engine = self.engine.get().ok_or_else(nothing_served)?;
        let lease = engine.hold(&environment);
        let lease = lease.map_err(|error| EnvironmentError::Refused {
            reason: error.to_string(),
        })?;
        self.note_use(digest);
        Ok((environment, lease))
    }

    fn note_use(&self, digest: &str) {
        let now = now_ms();
        let mut catalog = self.catalog();
        if let Some(tree) = catalog.trees.get_mut(digest) {
            tree.used_ms = now;
        }
        // With the catalog locked nobody else saves.
        if now.saturating_sub(self.uses_saved_ms.load(Ordering::Relaxed)) > USE_GRAIN_MS {
            self.uses_saved_ms.store(now, Ordering::Relaxed);
            // What is lost with it is an order of removal.
            let _ = catalog.save(self.requested.folder());
        }
    }

    pub(super) fn environment(&self, digest: &str) -> Result<Arc<Environment>, EnvironmentError> {
        if let Some(known) = self.known().get(digest) {
            return Ok(Arc::clone(known));
        }
        let identity = self
            .catalog()
            .trees
            .get(digest)
            .map(|tree| tree.interpreter.clone());
        let identity = identity.ok_or_else(|| unknown(digest))?;
        let mut all = self.requested.interpreters.iter();
        let python = all.find(|one| one.identity == identity);
        let python = python.ok_or_else(|| EnvironmentError::Refused {
            reason: "the Python of this environment is no longer on this host; create it anew"
                .into(),
        })?;
        let environment = Arc::new(Environment {
            digest: digest.to_owned(),
            root: self.requested.tree(digest),
            interpreter: python.interpreter.clone(),
            packages: read_manifest(&self.requested.tree(digest))?.packages,
        });
        self.known()
            .insert(digest.to_owned(), Arc::clone(&environment));
        Ok(environment)
    }

    pub(super) fn handle(&self, id: EnvironmentId) -> Result<Handle, EnvironmentError> {
        let found = self.catalog().handles.get(&id).cloned();
        found.ok_or_else(|| unknown(&id.to_string()))
    }

    pub(super) fn describe(
        &self,
        id: EnvironmentId,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let environment = self.environment(&self.handle(id)?.digest)?;
        let python = environment.interpreter.version_text();
        let packages = environment.packages.clone();
        let described = self.catalog().describe(id, python, packages);
        described.ok_or_else(|| unknown(&id.to_string()))
    }
}
