//! What a source needs beside the standard library.

use std::collections::BTreeSet;

use ruff_python_stdlib::sys::is_known_standard_library;
use serde::{Deserialize, Serialize};

use crate::parser::{Import, ScriptMetadata};

/// A distribution that is needed. Source: seed 003, "Dependency".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Its name, as far as it is known.
    pub name: String,
    /// A version, if one is asked for.
    pub version: Option<String>,
    /// Where it comes from.
    pub source: DependencySource,
    /// Requirements as PEP 508 writes them.
    pub requirements: Vec<String>,
}

/// Where a distribution comes from. Source: seed 003, "DependencySource".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the seed's variants are proper names")]
pub enum DependencySource {
    #[default]
    PyPI,
    Conda,
    Git,
    Local,
}

/// What a script's own block asks for, else its imports that are in no standard library.
pub(crate) fn of_source(
    imports: &[Import],
    metadata: Option<&ScriptMetadata>,
    minor: u8,
) -> Vec<Dependency> {
    let named = |name: &str, requirements: Vec<String>| Dependency {
        name: name.to_owned(),
        requirements,
        ..Default::default()
    };
    if let Some(metadata) = metadata {
        let name = |text: &str| {
            let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
            text[..end.unwrap_or(text.len())].to_owned()
        };
        let all = metadata.dependencies.iter();
        return all
            .map(|text| named(&name(text.trim()), vec![text.clone()]))
            .collect();
    }
    let absolute = imports.iter().filter(|import| import.level == 0);
    let names: BTreeSet<&str> = absolute
        .filter_map(|import| import.module.split('.').next())
        .collect();
    let third_party = names
        .into_iter()
        .filter(|name| !name.is_empty() && !is_known_standard_library(minor, name));
    third_party.map(|name| named(name, Vec::new())).collect()
}
