//! Which modules a zygote imports before it forks, and which preload an execution gets.

use std::collections::BTreeSet;

use serde::Deserialize;

const POLICY: &str = include_str!("../../../policies/preloads.toml");

/// A named set of modules. Source: policies/preloads.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preload {
    /// Its name in reports.
    pub name: String,
    /// Modules to import, in this order.
    pub modules: Vec<String>,
    /// Top-level names of imports that it makes cheap.
    pub covers: BTreeSet<String>,
    /// Why it exists.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    preload: Vec<Preload>,
}

/// Every preload, smallest first.
///
/// Errors: the embedded policy does not parse.
pub fn embedded() -> Result<Vec<Preload>, toml::de::Error> {
    toml::from_str::<File>(POLICY).map(|file| file.preload)
}

/// The preloads that an environment can serve: modules it lacks are left out, and what is then no
/// more than a smaller preload.
///
/// `has` says whether a top-level module is there.
#[must_use]
pub fn available(preloads: Vec<Preload>, has: impl Fn(&str) -> bool) -> Vec<Preload> {
    let top = |module: &str| module.split('.').next().unwrap_or_default().to_owned();
    let mut kept: Vec<Preload> = Vec::new();
    for mut preload in preloads {
        preload.modules.retain(|module| has(&top(module)));
        preload.covers.retain(|module| has(module));
        let same = |smaller: &Preload| smaller.modules == preload.modules;
        if !kept.iter().any(same) {
            kept.push(preload);
        }
    }
    kept
}

/// Index of the first preload that covers every import any preload covers.
#[must_use]
pub fn choose<'a>(
    preloads: impl Iterator<Item = &'a Preload> + Clone,
    imports: &BTreeSet<String>,
) -> usize {
    let coverable: BTreeSet<&String> = imports
        .iter()
        .filter(|name| {
            preloads
                .clone()
                .any(|preload| preload.covers.contains(*name))
        })
        .collect();
    preloads
        .clone()
        .position(|preload| coverable.iter().all(|name| preload.covers.contains(*name)))
        .unwrap_or(preloads.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_environment_lacks_is_in_no_preload() {
        let names = |has: &dyn Fn(&str) -> bool| {
            let preloads = available(embedded().unwrap(), has);
            preloads
                .into_iter()
                .map(|preload| preload.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&|_| false), ["bare"]);
        assert_eq!(names(&|module| module == "numpy"), ["bare", "numpy"]);
        assert_eq!(
            names(&|module| module != "sympy"),
            ["bare", "numpy", "pandas", "full"]
        );
    }

    #[test]
    fn the_smallest_preload_that_covers_the_imports_is_chosen() {
        let preloads = embedded().unwrap();
        let name = |imports: &[&str]| {
            let imports = imports.iter().map(|name| (*name).to_owned()).collect();
            preloads[choose(preloads.iter(), &imports)].name.clone()
        };
        assert_eq!(name(&[]), "bare");
        assert_eq!(name(&["json", "unknown_module"]), "bare");
        assert_eq!(name(&["numpy", "json"]), "numpy");
        assert_eq!(name(&["pandas"]), "pandas");
        assert_eq!(name(&["numpy", "seaborn"]), "full");
    }
}
