//! Which environments there are, who names them and when they were used; kept in one JSON file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::config::EnvironmentId;
use super::service::EnvironmentDescription;
use crate::metrics::PythonMonitoringImpl;

const FILE: &str = "environments.json";

/// Everything that outlives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Catalog {
    pub(super) handles: BTreeMap<EnvironmentId, Handle>,
    /// By digest.
    pub(super) trees: BTreeMap<String, Tree>,
    /// What was asked for, to the digest it led to.
    pub(super) asked: BTreeMap<String, String>,
}

/// An environment that somebody has created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Handle {
    pub(super) digest: String,
    pub(super) requirements: Vec<String>,
    pub(super) created_ms: u64,
    pub(super) is_active: bool,
}

/// A folder on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tree {
    /// The identity of its interpreter.
    pub(super) interpreter: String,
    pub(super) bytes: u64,
    pub(super) used_ms: u64,
}

impl Catalog {
    /// What stands in `folder`. What does not parse was not written by us: it is an error.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        match fs::read(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            read => serde_json::from_slice(&read?).map_err(io::Error::from),
        }
    }

    /// Replaces what stands in `folder`, whole or not at all.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, self)?;
        file.persist(folder.join(FILE))
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// Tells how many environments there are.
    pub(super) fn tell(&self, monitoring: &PythonMonitoringImpl) {
        let active = self.handles.values().filter(|one| one.is_active).count();
        monitoring.environments(self.handles.len(), active);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.trees.values().map(|tree| tree.bytes).sum()
    }

    /// Whether a handle stands for it.
    pub(super) fn is_named(&self, digest: &str) -> bool {
        self.handles.values().any(|one| one.digest == digest)
    }

    /// Whether there are not too many trees, nor too large ones.
    pub(super) fn is_within(&self, (most_trees, most_bytes): (usize, u64)) -> bool {
        self.trees.len() <= most_trees && self.bytes() <= most_bytes
    }

    /// Whether a tree is within bounds once all others are gone that may be removed: with `cleanup`
    /// those that are not active.
    ///
    /// Errors: what is in its way.
    pub(super) fn may_fit(
        &self,
        newest: &str,
        (most_trees, most_bytes): (usize, u64),
        cleanup: bool,
    ) -> Result<(), String> {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let own = self.trees.get(newest).map_or(0, |tree| tree.bytes);
        if own > most_bytes {
            return Err(format!(
                "this environment has {} MiB, and the operator allows {} MiB for all",
                mib(own),
                most_bytes >> 20
            ));
        }
        let mut left = self.clone();
        for digest in self.victims().iter().filter(|_| cleanup) {
            if digest != newest {
                left.trees.remove(digest);
            }
        }
        if left.is_within((most_trees, most_bytes)) {
            return Ok(());
        }
        let others = if cleanup { "active ones" } else { "others" };
        Err(format!(
            "there is no room for another environment: it has {} MiB, {others} have {} MiB, and the operator allows {most_trees} with {} MiB; remove one first",
            mib(own),
            mib(left.bytes() - own),
            most_bytes >> 20
        ))
    }

    /// Every digest that is known or named and of which `is_there` says no.
    pub(super) fn digests_without(&self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let named = self.handles.values().map(|one| &one.digest);
        let all: BTreeSet<&String> = self.trees.keys().chain(named).collect();
        let lost = all.into_iter().filter(|digest| !is_there(digest));
        lost.cloned().collect()
    }

    /// Digests that may go, the best first: those nobody names, then the least recently used.
    pub(super) fn victims(&self) -> Vec<String> {
        let active = self.handles.values().filter(|one| one.is_active);
        let active: BTreeSet<&str> = active.map(|one| one.digest.as_str()).collect();
        let free = self
            .trees
            .iter()
            .filter(|(digest, _)| !active.contains(digest.as_str()));
        let mut free: Vec<_> = free.collect();
        free.sort_by_key(|(digest, tree)| (self.is_named(digest), tree.used_ms));
        free.into_iter().map(|(digest, _)| digest.clone()).collect()
    }

    /// What a handle stands for, with what the manifest of its tree says.
    pub(super) fn describe(
        &self,
        id: EnvironmentId,
        python: String,
        packages: Vec<(String, String)>,
    ) -> Option<EnvironmentDescription> {
        let handle = self.handles.get(&id)?.clone();
        let tree = self.trees.get(&handle.digest);
        Some(EnvironmentDescription {
            id,
            python,
            packages,
            requirements: handle.requirements,
            bytes: tree.map_or(0, |tree| tree.bytes),
            created_ms: handle.created_ms,
            used_ms: tree.map_or(0, |tree| tree.used_ms),
            is_active: handle.is_active,
            digest: handle.digest,
        })
    }

    /// Forgets a digest and whoever names it.
    pub(super) fn forget(&mut self, digest: &str) {
        self.trees.remove(digest);
        self.handles.retain(|_, handle| handle.digest != digest);
        self.asked.retain(|_, led_to| led_to != digest);
    }
}

/// Now, since 1970. Unit: milliseconds.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for (digest, used_ms) in [("a", 5), ("b", 1), ("c", 9), ("d", 3)] {
            let tree = Tree {
                interpreter: "x".into(),
                bytes: 10,
                used_ms,
            };
            catalog.trees.insert(digest.into(), tree);
        }
        for (digest, is_active) in [("a", false), ("b", true), ("d", false)] {
            let handle = Handle {
                digest: digest.into(),
                requirements: vec![],
                created_ms: 0,
                is_active,
            };
            catalog.handles.insert(EnvironmentId::new(), handle);
        }
        catalog.asked.insert("question".into(), "c".into());
        catalog
    }

    #[test]
    fn the_nameless_go_first_then_the_least_recently_used_and_never_the_active() {
        let mut catalog = catalog();
        assert_eq!(catalog.victims(), ["c", "d", "a"]);
        assert_eq!(catalog.bytes(), 40);
        catalog.forget("c");
        catalog.forget("a");
        assert_eq!(
            (catalog.asked.len(), catalog.handles.len(), catalog.bytes()),
            (0, 2, 20)
        );
    }

    #[test]
    fn what_can_never_fit_is_told_before_anything_goes() {
        let catalog = catalog();
        let fits = |bounds| catalog.may_fit("c", bounds, true);
        // Only "b" is active and stays beside the newest.
        assert_eq!(fits((2, 20)), Ok(()));
        for (bounds, cleanup, said) in [
            ((9, 5), true, "has 1 MiB, and the operator allows 0 MiB"),
            ((9, 19), true, "active ones have 1 MiB"),
            ((1, 99), true, "the operator allows 1 with"),
            ((3, 99), false, "others have 1 MiB"),
        ] {
            let told = catalog.may_fit("c", bounds, cleanup).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn digests_without_a_tree_are_found_whether_known_or_named() {
        let mut catalog = catalog();
        catalog.trees.remove("d");
        let lost = catalog.digests_without(|digest| digest != "d" && digest != "c");
        assert_eq!(lost, ["c", "d"]);
    }

    #[test]
    fn a_catalog_survives_a_restart_and_damage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Catalog::load(folder.path()).unwrap(), Catalog::default());
        let catalog = catalog();
        catalog.save(folder.path()).unwrap();
        assert_eq!(Catalog::load(folder.path()).unwrap(), catalog);
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Catalog::load(folder.path()).is_err());
    }
}
