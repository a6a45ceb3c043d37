//! Sizes, reasons, links and headers.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::File;
use crate::corpus::{self, Pair};

/// Lines of a file without its tests, and of a whole file. Source: STYLE, "A module".
const LONGEST_CODE: usize = 500;
const LONGEST_FILE: usize = 800;

pub(super) fn lengths(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let sources = files
        .iter()
        .filter(|file| file.is_rust() || file.path.starts_with("guest/"));
    let long = sources.filter_map(|file| {
        let whole = file.text.lines().count();
        let code = file
            .text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        let too_long = whole > LONGEST_FILE || (code > LONGEST_CODE && !file.is_test());
        too_long.then(|| format!("{} has {code} lines of code, {whole} in all", file.path))
    });
    Ok(long.collect())
}

pub(super) fn leftovers(_: &Path, files: &[File]) -> Result<Vec<String>> {
    // Put together here, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("to", "do!("),
    ];
    let sources = files.iter().filter(|file| {
        file.is_rust() || file.path.ends_with(".py") || file.path.ends_with(".toml")
    });
    let hits = sources.flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let hits = lines.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        hits.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim()))
    });
    Ok(hits.collect())
}

pub(super) fn ignored_tests(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let bare = concat!("#[ign", "ore]");
    let hits = files.iter().filter(|file| file.is_rust()).flat_map(|file| {
        let hits = file.code().filter(|(_, line)| line.trim() == bare);
        hits.map(|(number, _)| {
            format!(
                "{}:{number}: say which kernel feature is missing",
                file.path
            )
        })
    });
    Ok(hits.collect())
}

/// Every entry of a list in `policies/` has a `reason`.
pub(super) fn policies(_: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("policies/") && file.path.ends_with(".toml"))
    {
        let policy: toml::Table = file.text.parse().with_context(|| file.path.clone())?;
        for (list, entries) in &policy {
            let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
            for (index, entry) in entries.iter().enumerate() {
                let Some(entry) = entry.as_table() else {
                    continue;
                };
                let reason = entry
                    .get("reason")
                    .and_then(toml::Value::as_str)
                    .unwrap_or_default();
                if reason.trim().is_empty() {
                    found.push(format!(
                        "{}: entry {} of `{list}` has no reason",
                        file.path,
                        index + 1
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// Relative links in Markdown lead to a file that exists.
pub(super) fn links(root: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root.join(&file.path);
        let folder = folder.parent().unwrap_or(root);
        for target in file
            .text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = target.split('#').next().unwrap_or_default();
            let elsewhere =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !folder.join(target).exists() {
                found.push(format!(
                    "{} links to {target}, which does not exist",
                    file.path
                ));
            }
        }
    }
    Ok(found)
}

/// Every program has its headers, every plant its check and every check its plant.
pub(super) fn escapes(root: &Path, _: &[File]) -> Result<Vec<String>> {
    let attempts = match corpus::read(&root.join("tests/escapes")) {
        Ok(attempts) => attempts,
        Err(error) => return Ok(vec![format!("{error:#}")]),
    };
    let names = |wanted: fn(&Pair) -> Option<&str>| -> BTreeSet<&str> {
        attempts
            .iter()
            .filter_map(|attempt| attempt.pair.as_ref().and_then(wanted))
            .collect()
    };
    let plants = names(|pair| {
        if let Pair::Plant(name) = pair {
            Some(name)
        } else {
            None
        }
    });
    let checks = names(|pair| {
        if let Pair::Check { name, .. } = pair {
            Some(name)
        } else {
            None
        }
    });
    let mut found: Vec<_> = plants
        .symmetric_difference(&checks)
        .map(|name| format!("the pair {name} has only one half"))
        .collect();
    found.extend(
        attempts
            .iter()
            .filter(|attempt| !attempt.attempts.ends_with('.'))
            .map(|attempt| format!("{}: line 1 is one sentence with a full stop", attempt.name)),
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_reasonless_entries_and_dead_links_are_found() {
        let here = Path::new("/");
        let file = |path: &str, text: String| File {
            path: path.into(),
            text,
        };
        assert_eq!(
            lengths(here, &[file("crates/a/src/a.rs", "x\n".repeat(501))])
                .unwrap()
                .len(),
            1
        );
        let tested = format!("{}#[cfg(test)]\n{}", "x\n".repeat(400), "y\n".repeat(300));
        assert_eq!(
            lengths(here, &[file("crates/a/src/a.rs", tested)])
                .unwrap()
                .len(),
            0
        );
        let policy =
            "[[allow]]\ncalls = []\nreason = \"\"\n[[allow]]\nreason = \"why\"\n".to_owned();
        assert_eq!(
            policies(here, &[file("policies/a.toml", policy)])
                .unwrap()
                .len(),
            1
        );
        let text = "[a](https://example.org) [b](#part) [c](no/such/file.md)".to_owned();
        assert_eq!(links(here, &[file("a.md", text)]).unwrap().len(), 1);
    }
}
