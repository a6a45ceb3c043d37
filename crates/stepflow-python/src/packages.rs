//! What is installed in an environment: distributions, their versions, and the modules they bring.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::Environment;

use crate::dependencies::normal_name;

/// A distribution of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Normalised name.
    pub name: String,
    /// Version as installed.
    pub version: String,
}

/// Every distribution of an environment, by name.
#[must_use]
pub fn installed(environment: &Environment) -> Vec<Package> {
    let package = |(name, version): &(String, String)| Package {
        name: name.clone(),
        version: version.clone(),
    };
    let mut packages: Vec<Package> = environment.packages.iter().map(package).collect();
    packages.sort_by_key(|package| package.name.to_lowercase());
    packages
}

/// The top-level modules of an environment's distributions, each with the normalised names of those
/// that bring it: a namespace package has several.
///
/// Source: the `RECORD` of everything installed, PEP 376.
#[must_use]
pub fn modules(environment: &Environment) -> BTreeMap<String, BTreeSet<String>> {
    let library = environment.root.join("lib");
    modules_in(
        &library
            .join(environment.interpreter.name())
            .join("site-packages"),
    )
}

fn modules_in(site: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(site).into_iter().flatten().flatten() {
        let folder = entry.file_name().to_string_lossy().into_owned();
        let stem = folder.strip_suffix(".dist-info");
        let Some((name, _)) = stem.and_then(|stem| stem.rsplit_once('-')) else {
            continue;
        };
        let record = std::fs::read_to_string(entry.path().join("RECORD")).unwrap_or_default();
        for module in record.lines().filter_map(module_of) {
            modules.entry(module).or_default().insert(normal_name(name));
        }
    }
    modules
}

/// The top-level module that a line of a `RECORD` belongs to. Source: PEP 376.
fn module_of(line: &str) -> Option<String> {
    let path = line.split(',').next()?.trim_matches('"');
    let (top, is_file) = path
        .split_once('/')
        .map_or((path, true), |(top, _)| (top, false));
    let name = if is_file {
        let (stem, rest) = top.split_once('.')?;
        if !rest.ends_with("py") && !rest.ends_with("so") {
            return None;
        }
        stem
    } else {
        top
    };
    let mut letters = name.chars();
    let is_name = letters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && letters.all(|c| c.is_alphanumeric() || c == '_');
    (is_name && name != "__pycache__").then(|| name.to_owned())
}
