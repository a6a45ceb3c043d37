//! Lints and documents what a cold build compiles, as it compiles it.
//!
//! `cargo clippy` and `cargo doc` want metadata of every dependency, which are not those of a build: a
//! seventh of a cold `cargo xtask test`. So where nothing of ours is compiled yet, cargo calls this
//! program in front of each rustc (`RUSTC_WRAPPER`), and behind each of ours run clippy and rustdoc, with
//! its arguments. What is compiled already, nobody would lint: then the recipes call `cargo clippy` and
//! `cargo doc` as by hand.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::recipes::program;

/// The folder that a linting build works in. It makes this program a wrapper.
const FOLDER: &str = "HOGNOSE_LINT_FOLDER";
/// The folder of the profile whose crates are linted.
const PROFILE: &str = "HOGNOSE_LINT_PROFILE";
/// Lints of clippy as arguments: cargo hands them to clippy only.
const LINTS: &str = "HOGNOSE_LINT_FLAGS";
/// In the folder, a line for each crate that was linted.
const DONE: &str = "done";

/// Whether `target` has nothing of ours but this program.
pub(crate) fn is_cold(root: &Path, target: &Path) -> Result<bool> {
    let units = fs::read_dir(profile(target).join(".fingerprint"));
    let units: Vec<_> = units.into_iter().flatten().flatten().collect();
    let is_there = |name: &String| {
        let start = format!("{name}-");
        let names = units.iter().map(|unit| unit.file_name());
        names.into_iter().any(|unit| {
            let unit = unit.to_string_lossy();
            let hash = unit.strip_prefix(&start);
            hash.is_some_and(|hash| !hash.contains('-'))
        })
    };
    Ok(!members(root)?.iter().any(is_there))
}

/// Makes cargo, which is about to build everything, lint too.
pub(crate) fn along(root: &Path, target: &Path, cargo: &mut Command) -> Result<()> {
    let folder = folder(target);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    cargo
        .env("RUSTC_WRAPPER", std::env::current_exe()?)
        .env(FOLDER, folder)
        .env(PROFILE, profile(target))
        .env(LINTS, flags(&manifest(root)?).join(" "));
    Ok(())
}

/// Members of the workspace of which no crate was linted.
pub(crate) fn forgotten(root: &Path, target: &Path) -> Result<BTreeSet<String>> {
    let done = fs::read_to_string(folder(target).join(DONE)).unwrap_or_default();
    let done: BTreeSet<&str> = done.lines().collect();
    let mut members = members(root)?;
    members.retain(|member| !done.contains(member.as_str()));
    Ok(members)
}

/// What this program does as a wrapper; `None` if it is none.
pub(crate) fn as_wrapper() -> Option<ExitCode> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let arguments: Vec<OsString> = arguments.collect();
    let is_ours = std::env::var_os("CARGO_PRIMARY_PACKAGE").is_some()
        && std::env::var_os(PROFILE).is_some_and(|profile| is_built_in(&arguments, &profile));
    let mut steps = vec![program(&rustc)];
    let denied: &[&str] = if is_ours { &DENIED } else { &[] };
    steps[0].args(&arguments).args(denied);
    // A library's or program's unit tests are compiled, too, and have every line of it.
    let is_linted = is_ours && (is_test(&arguments) || !is_of_package(&arguments));
    if is_linted {
        steps.push(clippy(&rustc, &arguments, &folder));
        steps.extend(documentation(&rustc, &arguments, &folder));
    }
    let succeeds = |mut step: Command| step.status().is_ok_and(|status| status.success());
    let passed = steps.into_iter().all(succeeds) && (!is_linted || note(&folder).is_ok());
    Some(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Of the compilers' own lints.
const DENIED: [&str; 2] = ["-D", "warnings"];

fn is_test(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "--test")
}

/// The file that a crate begins with.
fn source(arguments: &[OsString]) -> Option<&Path> {
    let mut paths = arguments.iter().map(Path::new);
    paths.find(|path| path.extension() == Some("rs".as_ref()))
}

/// Whether a crate is a library or a program, with unit tests or without.
fn is_of_package(arguments: &[OsString]) -> bool {
    source(arguments).is_some_and(|source| source.iter().any(|part| part == "src"))
}

/// Clippy over a crate, as `cargo clippy -- -D warnings` calls it.
fn clippy(rustc: &OsStr, arguments: &[OsString], folder: &Path) -> Command {
    let mut clippy = program(Path::new(rustc).with_file_name("clippy-driver"));
    let flags = std::env::var(LINTS).unwrap_or_default();
    clippy
        .arg(rustc)
        .args(flags.split(' ').filter(|flag| !flag.is_empty()));
    clippy
        .arg("--emit=metadata")
        .args(redirected(arguments, folder))
        .args(DENIED);
    clippy
}

/// Rustdoc over a library or a program, as `cargo doc` calls it with `-D warnings`.
///
/// They are known by their unit tests: not each is compiled without them.
fn documentation(rustc: &OsStr, arguments: &[OsString], folder: &Path) -> Option<Command> {
    if !is_of_package(arguments) || !is_test(arguments) {
        return None;
    }
    let mut rustdoc = program(Path::new(rustc).with_file_name("rustdoc"));
    if source(arguments).is_some_and(|source| !source.ends_with("lib.rs")) {
        rustdoc.args(["--crate-type", "bin", "--document-private-items"]);
    }
    let arguments = redirected(arguments, &folder.join("doc"));
    let arguments = arguments.iter().filter(|argument| *argument != "--test");
    rustdoc.args(arguments).args(DENIED);
    Some(rustdoc)
}

/// The arguments of a compiler whose results nobody needs.
fn redirected(arguments: &[OsString], folder: &Path) -> Vec<OsString> {
    let mut redirected: Vec<OsString> = Vec::new();
    for argument in arguments {
        let follows = |word: &str| redirected.last().is_some_and(|last| last == word);
        if follows("--out-dir") {
            redirected.push(folder.into());
        } else if let Some(kinds) = argument.to_str().and_then(|it| it.strip_prefix("--json=")) {
            // Cargo takes word of an artifact for one that it waits for.
            let kinds = kinds.split(',').filter(|kind| *kind != "artifacts");
            let kinds: Vec<_> = kinds.collect();
            redirected.push(format!("--json={}", kinds.join(",")).into());
        } else if !argument.as_encoded_bytes().starts_with(b"--emit=") {
            redirected.push(argument.clone());
        }
    }
    redirected
}

/// The value of an option.
fn behind<'a>(arguments: &'a [OsString], option: &str) -> Option<&'a OsStr> {
    let at = arguments.iter().position(|argument| argument == option)?;
    arguments.get(at + 1).map(OsString::as_os_str)
}

fn note(folder: &Path) -> Result<()> {
    let package = std::env::var("CARGO_PKG_NAME")?;
    let mut done = fs::OpenOptions::new();
    let mut done = done.create(true).append(true).open(folder.join(DONE))?;
    Ok(done.write_all(format!("{package}\n").as_bytes())?)
}

fn folder(target: &Path) -> PathBuf {
    target.join("lint")
}

/// As cargo names it to rustc.
fn profile(target: &Path) -> PathBuf {
    target.join("release")
}

/// Whether the result goes to `deps` or `examples` of a profile's folder: build scripts go deeper.
fn is_built_in(arguments: &[OsString], profile: &OsStr) -> bool {
    let folder = behind(arguments, "--out-dir").map(Path::new);
    folder.and_then(Path::parent) == Some(Path::new(profile))
}

fn manifest(folder: &Path) -> Result<toml::Table> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    Ok(text.parse()?)
}

/// The names of the workspace's packages but for this one.
fn members(root: &Path) -> Result<BTreeSet<String>> {
    let workspace = manifest(root)?;
    let members = workspace["workspace"]["members"].as_array();
    let folders = members
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str);
    let name = |folder: &str| {
        let package = manifest(&root.join(folder))?;
        let name = package["package"]["name"].as_str();
        Ok(name.context("a package has no name")?.to_owned())
    };
    let names: Result<BTreeSet<String>> = folders.map(name).collect();
    let mut names = names?;
    names.remove(env!("CARGO_PKG_NAME"));
    Ok(names)
}

/// The workspace's lints of clippy, as rustc's arguments.
fn flags(workspace: &toml::Table) -> Vec<String> {
    let lints = workspace
        .get("workspace")
        .and_then(|table| table.get("lints"));
    let lints = lints.and_then(|lints| lints.get("clippy")?.as_table());
    let flag = |(name, level): (&String, &toml::Value)| {
        let level = level.as_str().or_else(|| level.get("level")?.as_str());
        Some(format!("--{}=clippy::{name}", level?))
    };
    lints.into_iter().flatten().filter_map(flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn results_go_elsewhere_and_all_else_stays() {
        let before =
            words("--emit=dep-info,link --json=ansi,artifacts --out-dir /deps -C opt-level=3");
        let after = words("--json=ansi --out-dir /lint -C opt-level=3");
        assert_eq!(redirected(&before, Path::new("/lint")), after);
    }

    #[test]
    fn only_what_is_built_for_the_tests_is_linted() {
        let is_ours = |text: &str| is_built_in(&words(text), OsStr::new("/t/release"));
        assert!(is_ours("--out-dir /t/release/deps") && is_ours("--out-dir /t/release/examples"));
        assert!(!is_ours("--out-dir /t/release/build/a-0a1b") && !is_ours("-vV"));
    }

    #[test]
    fn what_has_unit_tests_is_documented() {
        let call = |text: &str| {
            let rustdoc = documentation(OsStr::new("rustc"), &words(text), Path::new("/l"))?;
            let arguments = rustdoc
                .get_args()
                .map(|one| one.to_string_lossy().into_owned());
            Some(arguments.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            call("crates/a/src/lib.rs --test --out-dir /deps").unwrap(),
            "crates/a/src/lib.rs --out-dir /l/doc -D warnings"
        );
        let program = call("xtask/src/main.rs --test").unwrap();
        assert!(program.starts_with("--crate-type bin --document-private-items "));
        assert_eq!(call("crates/a/src/lib.rs --crate-type lib"), None);
        assert_eq!(call("tests/../crates/a/tests/it/main.rs --test"), None);
    }

    #[test]
    fn the_lints_of_the_workspace_become_arguments() {
        let text = "[workspace.lints.clippy]\na = \"deny\"\nb = { level = \"warn\", priority = 1 }";
        let expected = ["--deny=clippy::a", "--warn=clippy::b"];
        assert_eq!(flags(&text.parse().unwrap()), expected);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(flags(&manifest(&root).unwrap()).len() > 5);
    }

    #[test]
    fn a_member_that_was_not_linted_is_named() {
        let root = workspace(&["engine", "xtask"]);
        let target = root.join("target");
        fs::create_dir_all(folder(&target)).unwrap();
        assert!(is_cold(&root, &target).unwrap());
        assert_eq!(
            forgotten(&root, &target).unwrap(),
            ["engine".to_owned()].into()
        );
        fs::write(folder(&target).join(DONE), "engine\n").unwrap();
        assert!(forgotten(&root, &target).unwrap().is_empty());
        fs::create_dir_all(target.join("release/.fingerprint/engine-0a1b")).unwrap();
        assert!(!is_cold(&root, &target).unwrap());
        fs::remove_dir_all(root).unwrap();
    }

    /// A workspace of empty packages.
    fn workspace(packages: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("hognose-lint-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for package in packages {
            fs::create_dir_all(root.join(package)).unwrap();
            let text = format!("[package]\nname = \"{package}\"\n");
            fs::write(root.join(package).join("Cargo.toml"), text).unwrap();
        }
        let text = format!("[workspace]\nmembers = {packages:?}\n");
        fs::write(root.join("Cargo.toml"), text).unwrap();
        root
    }
}
