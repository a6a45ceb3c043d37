//! Conda packages without Conda's own code on the host: they are fetched, never linked.
//!
//! Linking a package runs scripts that it brings, so only packages count whose files all are Python
//! modules: these are put beside the wheels, and what they need comes from the index. A package
//! with native libraries of its own is refused by name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::Interpreter;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::program::{self, RunError};
use super::{EnvironmentError, hex};
use crate::dependencies::normal_name;

/// Programs that can fetch, the best first.
const PROGRAMS: [&str; 3] = ["micromamba", "mamba", "conda"];
/// Folders of a package that nothing imports from.
const IGNORED: [&str; 6] = [
    "info",
    "bin",
    "python-scripts",
    "share/man",
    "share/doc",
    "etc/conda",
];

/// A package that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    name: String,
    /// Its line in the lock: name, version and build, and a digest of its modules.
    pub(super) pin: String,
    /// What it needs from the index. Source: PEP 508.
    pub(super) requires: Vec<String>,
    modules: PathBuf,
}

/// What a package says about itself. Source: conda-build, `info/index.json`.
#[derive(Deserialize)]
struct Index {
    name: String,
    version: String,
    build: String,
}

/// Fetches `channel::name=version` into `scratch`.
///
/// Errors: no program that can; what it said; a package that is not only Python modules.
pub(super) fn fetch(
    spec: &str,
    python: &Interpreter,
    (program, scratch): (Option<&Path>, &Path),
    deadline: Instant,
) -> Result<Fetched, EnvironmentError> {
    let (channel, package) = spec.split_once("::").unwrap_or(("", spec));
    let wanted = normal_name(package.split('=').next().unwrap_or(package));
    let packages = scratch.join("packages");
    fs::create_dir_all(&packages)
        .map_err(|source| EnvironmentError::host("make Conda's folder", source))?;
    let Some(program) = program.map(Path::to_owned).or_else(on_path) else {
        return Err(refused(
            spec,
            "neither micromamba nor conda is installed on this host; install one, or name a wheel of the index",
        ));
    };
    let mut conda = program::bare_command(&program);
    conda
        .env("CONDA_PKGS_DIRS", &packages)
        .env("MAMBA_ROOT_PREFIX", scratch.join("root"))
        .env("CONDA_NO_PLUGINS", "true")
        .env("HOME", scratch)
        .args([
            "create",
            "--yes",
            "--quiet",
            "--download-only",
            "--no-deps",
            "--prefix",
        ])
        .arg(scratch.join("prefix"));
    if !matches!(channel, "" | "defaults") {
        conda.args(["--override-channels", "--channel", channel]);
    }
    conda.arg(package);
    program::run(&mut conda, Some(deadline), &mut |_| {}).map_err(|failed| match failed {
        RunError::Failed(said) => refused(spec, &said),
        RunError::TooLong => refused(spec, "it took too long"),
        RunError::Host(source) => refused(spec, &format!("{} cannot be run here ({source}); install micromamba or conda, or name a wheel of the index", program.display())),
    })?;
    let found = entries(&packages)?;
    let folder = found
        .into_iter()
        .find(|folder| index_of(folder).is_some_and(|one| normal_name(&one.name) == wanted));
    let folder = folder.ok_or_else(|| refused(spec, "it was not fetched"))?;
    read(spec, &folder, python)
}

/// Puts what was fetched beside the wheels.
///
/// Errors: a module is there already.
pub(super) fn install(fetched: &Fetched, site: &Path) -> Result<(), EnvironmentError> {
    for entry in entries(&fetched.modules)? {
        let target = site.join(entry.file_name().unwrap_or_default());
        if target.exists() {
            return Err(refused(
                &fetched.name,
                "the index brings the same modules; ask for it in one way only",
            ));
        }
        copy(&entry, &target)
            .map_err(|source| EnvironmentError::host("copy a Conda package", source))?;
    }
    Ok(())
}

fn read(spec: &str, folder: &Path, python: &Interpreter) -> Result<Fetched, EnvironmentError> {
    let index = index_of(folder).ok_or_else(|| refused(spec, "it has no info/index.json"))?;
    let modules = [
        "site-packages".to_owned(),
        format!("lib/{}/site-packages", python.name()),
    ]
    .into_iter()
    .find(|path| folder.join(path).is_dir());
    let modules = modules.ok_or_else(|| refused(spec, "it has no modules for this Python"))?;
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    let mut hasher = Sha256::new();
    for file in &files {
        let path = file.strip_prefix(folder).unwrap_or(file);
        if let Ok(module) = path.strip_prefix(&modules) {
            let content = fs::read(file)
                .map_err(|source| EnvironmentError::host("read a Conda package", source))?;
            hasher.update(module.as_os_str().as_encoded_bytes());
            hasher.update([0]);
            hasher.update((content.len() as u64).to_le_bytes());
            hasher.update(content);
        } else if !IGNORED.iter().any(|ignored| path.starts_with(ignored)) {
            let what = format!(
                "it brings `{}`, and only Python modules can be taken from Conda; name a wheel of the index",
                path.display()
            );
            return Err(refused(spec, &what));
        }
    }
    Ok(Fetched {
        pin: format!(
            "# conda {}={}={} sha256:{}",
            index.name,
            index.version,
            index.build,
            hex(&hasher.finalize())
        ),
        name: index.name,
        requires: requires(&folder.join(&modules))?,
        modules: folder.join(modules),
    })
}

/// `Requires-Dist` of every distribution in a folder. Source: PEP 566.
fn requires(modules: &Path) -> Result<Vec<String>, EnvironmentError> {
    let mut all = Vec::new();
    for folder in entries(modules)? {
        let Ok(text) = fs::read_to_string(folder.join("METADATA")) else {
            continue;
        };
        let head = text.lines().take_while(|line| !line.is_empty());
        let wanted = head.filter_map(|line| line.strip_prefix("Requires-Dist:"));
        let wanted = wanted.filter(|text| !text.contains("extra =="));
        all.extend(wanted.map(|text| text.trim().to_owned()));
    }
    Ok(all)
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut candidates = PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|candidate| candidate.is_file())
}

fn index_of(folder: &Path) -> Option<Index> {
    serde_json::from_slice(&fs::read(folder.join("info/index.json")).ok()?).ok()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    let mut found =
        read().map_err(|source| EnvironmentError::host("read a Conda package", source))?;
    found.sort();
    Ok(found)
}

/// Every file below a folder, sorted; links are files and are not followed.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), EnvironmentError> {
    for path in entries(folder)? {
        let kind = fs::symlink_metadata(&path);
        if kind.is_ok_and(|kind| kind.is_dir()) {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Copies files and folders; a link, which could name anything, is an error.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?;
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if !kind.is_file() {
        return Err(io::Error::other("a package may hold no links"));
    }
    fs::copy(from, to).map(drop)
}

fn refused(spec: &str, reason: &str) -> EnvironmentError {
    EnvironmentError::Refused {
        reason: format!("`{spec}` is not installed from Conda: {reason}"),
    }
}
