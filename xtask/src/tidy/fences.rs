//! What may stand in which crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::File;

/// What each crate may use of ours. Source: STYLE, "Layout".
const DIRECTION: &[(&str, &[&str])] = &[
    ("sandbox", &[]),
    ("wire", &[]),
    ("zygote", &["sandbox", "wire"]),
    ("engine", &["sandbox", "wire"]),
    ("stepflow-python", &["engine"]),
    ("server", &["stepflow-python"]),
    ("hognose", &["server", "stepflow-python"]),
    // Nothing depends on what only calls: theirs are those of tests.
    ("examples", &[]),
    ("tests", &[]),
    ("xtask", &[]),
    // Nothing is built on it.
    ("fuzz", &["wire", "stepflow-python"]),
];

/// Dependencies that only some crates may have.
const HEAVY: &[(&str, &[&str])] = &[
    ("libc", &["sandbox", "zygote"]),
    ("axum", &["server"]),
    ("hyper", &["server"]),
    ("hyper-util", &["server"]),
    ("ruff_python_ast", &["stepflow-python"]),
    ("ruff_python_parser", &["stepflow-python"]),
    ("sqlx", &["stepflow-python"]),
    ("anyhow", &["hognose", "xtask"]),
];

pub(super) fn unsafe_code(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let words = [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "libc::",
    ]
    .map(|word| word.to_owned());
    Ok(in_code(files, &words, |owner| {
        !["sandbox", "zygote", "xtask"].contains(&owner)
    }))
}

pub(super) fn decoding(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let words = ["serde_json::from_".to_owned()];
    Ok(in_code(files, &words, |owner| {
        ["sandbox", "zygote", "engine"].contains(&owner)
    }))
}

pub(super) fn sql(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let words = ["sqlx::".to_owned()];
    let found = in_code(files, &words, |owner| owner == "stepflow-python");
    let records = "crates/stepflow-python/src/records/";
    Ok(found
        .into_iter()
        .filter(|line| !line.starts_with(records))
        .collect())
}

/// Lines outside tests that hold one of `words`, in crates for which `applies`.
fn in_code(files: &[File], words: &[String], applies: fn(&str) -> bool) -> Vec<String> {
    let rust = files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test() && applies(file.owner()));
    rust.flat_map(|file| {
        let until_tests = file
            .code()
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        let hits = until_tests.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        hits.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim()))
    })
    .collect()
}

pub(super) fn dependencies(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (owner, used) in manifests(files)? {
        for (dependency, owners) in HEAVY {
            if used.contains(*dependency) && !owners.contains(&owner.as_str()) {
                found.push(format!(
                    "{owner} depends on {dependency}, which is for {owners:?}"
                ));
            }
        }
    }
    Ok(found)
}

pub(super) fn direction(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (owner, used) in manifests(files)? {
        let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == owner) else {
            found.push(format!(
                "{owner} has no place in the direction of dependencies"
            ));
            continue;
        };
        for (name, _) in DIRECTION
            .iter()
            .filter(|(name, _)| used.contains(*name) && !allowed.contains(name))
        {
            found.push(format!("{owner} must not depend on {name}"));
        }
    }
    Ok(found)
}

/// Per crate, the names in its `[dependencies]`; those of tests and build scripts are free.
fn manifests(files: &[File]) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let own = files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    own.map(|file| {
        let manifest: toml::Table = file.text.parse().with_context(|| file.path.clone())?;
        let used = manifest.get("dependencies").and_then(toml::Value::as_table);
        Ok((
            file.owner().to_owned(),
            used.into_iter()
                .flat_map(|table| table.keys().cloned())
                .collect(),
        ))
    })
    .collect()
}

/// Domain types are re-exported, never declared again. Wire types end in `Body` or `Frame`.
pub(super) fn type_names(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.is_rust() && file.path.starts_with("crates/") && !file.is_test())
    {
        for (number, line) in file.code() {
            let declared = ["pub struct ", "pub enum ", "pub trait "]
                .iter()
                .find_map(|start| line.strip_prefix(start));
            let Some(rest) = declared else { continue };
            let name = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default();
            if !name.ends_with("Body") && !name.ends_with("Frame") {
                places
                    .entry(name)
                    .or_default()
                    .push(format!("{}:{number}", file.path));
            }
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    Ok(twice
        .map(|(name, places)| format!("{name} is declared at {}", places.join(", ")))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_breach_of_each_fence_is_found() {
        let here = Path::new("");
        let breach = [file(
            "crates/engine/src/a.rs",
            "// libc::comment\nlibc::kill(1, 9);\nserde_json::from_slice(b)\n",
        )];
        assert_eq!(unsafe_code(here, &breach).unwrap().len(), 1);
        assert_eq!(decoding(here, &breach).unwrap().len(), 1);
        let manifest = [file(
            "crates/engine/Cargo.toml",
            "[dependencies]\naxum = \"1\"\nserver = \"1\"\n",
        )];
        assert_eq!(dependencies(here, &manifest).unwrap().len(), 1);
        assert_eq!(direction(here, &manifest).unwrap().len(), 1);
        let twice = [
            file("crates/a/src/a.rs", "pub struct Limits {\n"),
            file("crates/b/src/b.rs", "pub enum Limits {\n"),
        ];
        assert_eq!(type_names(here, &twice).unwrap().len(), 1);
    }

    #[test]
    fn code_inside_its_fence_passes() {
        let here = Path::new("");
        let fine = [
            file("crates/sandbox/src/a.rs", "libc::kill(1, 9);\n"),
            file("crates/wire/src/a.rs", "serde_json::from_slice(b)\n"),
        ];
        assert_eq!(unsafe_code(here, &fine).unwrap(), Vec::<String>::new());
        assert_eq!(decoding(here, &fine).unwrap(), Vec::<String>::new());
    }
}
