//! What the manager's parts share: the catalog, names, what is known of a tree, who holds it.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Environment, EnvironmentLease};

use super::{Inner, LEAST_DIGITS, USE_GRAIN_MS};
use crate::dependencies::{Dependency, DependencySource};
use crate::environment::catalog::{Catalog, Handle, now_ms};
use crate::environment::config::EnvironmentId;
use crate::environment::interpreter::Resolved;
use crate::environment::{EnvironmentDescription, EnvironmentError, read_manifest};

pub(super) fn nothing_served() -> EnvironmentError {
    EnvironmentError::Refused {
        reason: "nothing is served here".into(),
    }
}

impl Inner {
    /// Says that a tree is being removed, or no longer.
    pub(super) fn leave(&self, digest: &str, begins: bool) {
        let _catalog = self.catalog();
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        if begins {
            leaving.insert(digest.to_owned());
        } else {
            leaving.remove(digest);
        }
    }

    pub(super) fn is_leaving(&self, digest: &str) -> bool {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.contains(digest)
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
        let default = of_engine.or(self.default.as_ref()).map(|it| it.version);
        let mut all = self.requested.interpreters.iter();
        match all.find(|one| Some(one.interpreter.version) == default) {
            Some(same) => Ok(same),
            None => self.requested.interpreter(""),
        }
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
            _ => Err(EnvironmentError::Unknown {
                wanted: name.chars().take(80).collect(),
            }),
        }
    }

    pub(super) fn hold(
        &self,
        digest: &str,
    ) -> Result<(Arc<Environment>, EnvironmentLease), EnvironmentError> {
        let environment = self.environment(digest)?;
        let engine = self.engine.get().ok_or_else(nothing_served)?;
        let mut catalog = self.catalog();
        let found = catalog.trees.get_mut(digest);
        let Some(tree) = found.filter(|_| !self.is_leaving(digest)) else {
            return Err(EnvironmentError::Unknown {
                wanted: digest.to_owned(),
            });
        };
        let lease = engine.hold(&environment);
        let lease = lease.map_err(|error| EnvironmentError::Refused {
            reason: error.to_string(),
        })?;
        let now = now_ms();
        if now.saturating_sub(tree.used_ms) > USE_GRAIN_MS {
            tree.used_ms = now;
            // What is lost with it is an order of removal.
            let _ = catalog.save(self.requested.folder());
        }
        Ok((environment, lease))
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
        let unknown = || EnvironmentError::Unknown {
            wanted: digest.to_owned(),
        };
        let identity = identity.ok_or_else(unknown)?;
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
        found.ok_or_else(|| EnvironmentError::Unknown {
            wanted: id.to_string(),
        })
    }

    pub(super) fn describe(
        &self,
        id: EnvironmentId,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let environment = self.environment(&self.handle(id)?.digest)?;
        let python = environment.interpreter.version_text();
        let packages = environment.packages.clone();
        let described = self.catalog().describe(id, python, packages);
        described.ok_or_else(|| EnvironmentError::Unknown {
            wanted: id.to_string(),
        })
    }
}
