//! The rules of the house that no lint knows: fences, names, sizes, reasons, links, headers.

mod fences;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::say;
use crate::tally::Tally;

/// A text file of the repository.
pub(crate) struct File {
    /// Below the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The crate this file belongs to; `xtask` for ours.
    pub(crate) fn owner(&self) -> &str {
        let below = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        below.split('/').next().unwrap_or_default()
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Lines of code, numbered from 1, without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

type Rule = (&'static str, fn(&Path, &[File]) -> Result<Vec<String>>);

/// Every rule; each is one check.
const RULES: &[Rule] = &[
    (
        "unsafe and libc stay in sandbox and zygote",
        fences::unsafe_code,
    ),
    (
        "heavy dependencies stay behind their fences",
        fences::dependencies,
    ),
    ("crates depend one way", fences::direction),
    ("guest bytes are decoded in wire", fences::decoding),
    ("SQL stays in records", fences::sql),
    ("a type's name exists once", fences::type_names),
    ("files stay short", texts::lengths),
    ("no work is left in comments", texts::leftovers),
    ("an ignored test names what it needs", texts::ignored_tests),
    ("policies give reasons", texts::policies),
    ("links resolve", texts::links),
    ("escapes say what they attempt", texts::escapes),
];

/// Applies every rule to the files of the repository.
pub(crate) fn run(root: &Path) -> Result<Tally> {
    say("== tidy");
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    let mut tally = Tally::default();
    for (name, rule) in RULES {
        let found = rule(root, &files).with_context(|| format!("cannot check that {name}"))?;
        tally += Tally::of(found.is_empty());
        for objection in found {
            say(&format!("FAILED {name}: {objection}"));
        }
    }
    Ok(tally)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "__pycache__" {
                collect(root, &path, files)?;
            }
        } else if ["rs", "toml", "md", "py"]
            .iter()
            .any(|kind| path.extension().is_some_and(|own| own == *kind))
        {
            // A file that vanishes or is no text is not ours to judge.
            if let Ok(text) = fs::read_to_string(&path) {
                files.push(File {
                    path: path.strip_prefix(root)?.to_string_lossy().into_owned(),
                    text,
                });
            }
        }
    }
    Ok(())
}
