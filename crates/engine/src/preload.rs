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

/// Index of the first preload that covers every import any preload covers.
#[must_use]
pub fn choose(preloads: &[Preload], imports: &BTreeSet<String>) -> usize {
    let coverable: BTreeSet<&String> = imports
        .iter()
        .filter(|name| {
            preloads
                .iter()
                .any(|preload| preload.covers.contains(*name))
        })
        .collect();
    preloads
        .iter()
        .position(|preload| coverable.iter().all(|name| preload.covers.contains(*name)))
        .unwrap_or(preloads.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_preload_that_covers_the_imports_is_chosen() {
        let preloads = embedded().unwrap();
        let name = |imports: &[&str]| {
            let imports = imports.iter().map(|name| (*name).to_owned()).collect();
            preloads[choose(&preloads, &imports)].name.clone()
        };
        assert_eq!(name(&[]), "bare");
        assert_eq!(name(&["json", "unknown_module"]), "bare");
        assert_eq!(name(&["numpy", "json"]), "numpy");
        assert_eq!(name(&["pandas"]), "pandas");
        assert_eq!(name(&["numpy", "seaborn"]), "full");
    }
}
