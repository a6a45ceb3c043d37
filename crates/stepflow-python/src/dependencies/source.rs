//! What a source asks for, by its own block or by its imports.

use std::collections::BTreeSet;

use ruff_python_stdlib::sys::is_known_standard_library;

use super::Dependency;
use crate::parser::{Import, ScriptMetadata};

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
