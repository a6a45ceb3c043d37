//! Fuzzes what decodes hostile bytes: every target of `fuzz/` for so many minutes.
//!
//! Only libFuzzer's coverage is used, which the pinned toolchain has; `cargo fuzz run --sanitizer
//! none NAME` does the same. What is fuzzed has no `unsafe`, so a sanitizer would see nothing more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::recipes::{program, target};
use crate::say;
use crate::tally::Tally;

/// What `cargo fuzz` passes for coverage. The last one lets a target's own assertions count.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 --cfg fuzzing -Cdebug-assertions";
/// Minutes of each target, if nobody says otherwise.
const MINUTES: u64 = 10;

/// Builds all targets and runs one after another; a finding is a failure and stays on disk.
///
/// Errors: `minutes` is no number; a target does not build.
pub(super) fn run(root: &Path, minutes: Option<&str>) -> Result<Tally> {
    let minutes = match minutes {
        Some(word) => word
            .parse()
            .with_context(|| format!("`{word}` is no number of minutes"))?,
        None => MINUTES,
    };
    let built = build(root)?;
    let mut tally = Tally::default();
    for name in targets(root)? {
        let verdict = fuzz(root, &built, &name, minutes);
        if let Err(error) = &verdict {
            say(&format!("FAILED fuzzing of {name}: {error:#}"));
        }
        tally += Tally::of(verdict.is_ok());
    }
    Ok(tally)
}

/// The folder with the programs.
fn build(root: &Path) -> Result<PathBuf> {
    let folder = target(root).join("fuzz");
    let mut cargo = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root.join("fuzz"))
        .args(["build", "--release", "--locked", "--bins"])
        // Given apart, so that no build script is built with coverage.
        .args(["--target", TRIPLE])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", FLAGS);
    ensure!(cargo.status()?.success(), "the fuzz targets do not build");
    Ok(folder.join(TRIPLE).join("release"))
}

const TRIPLE: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};

/// The names of all targets, in order.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "{} has no targets", folder.display());
    Ok(names)
}

fn fuzz(root: &Path, built: &Path, name: &str, minutes: u64) -> Result<()> {
    let found = target(root).join("fuzz/found").join(name);
    let corpus = target(root).join("fuzz/corpus").join(name);
    let log = found.join("log");
    for folder in [&found, &corpus] {
        fs::create_dir_all(folder)?;
    }
    let mut command: Command = program(built.join(name));
    command
        .arg(format!("-max_total_time={}", minutes * 60))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
        // The first folder is the one that grows.
        .arg(&corpus);
    let seeds = root.join("fuzz/seeds").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let status = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(&log)?)
        .status()
        .with_context(|| format!("cannot start {}", built.join(name).display()))?;
    let told = fs::read_to_string(&log)?;
    let said = |label: &str| {
        told.lines()
            .find_map(|line| Some(line.strip_prefix(label)?.trim()))
    };
    let executions = said("stat::number_of_executed_units:");
    if !status.success() {
        bail!("{status}; see {} and what lies beside it", log.display());
    }
    // A target that ran nothing has found nothing either.
    let executions: u64 = executions
        .context("it does not say how much it ran")?
        .parse()?;
    ensure!(
        executions > 1_000,
        "only {executions} executions in {minutes} minutes"
    );
    let edges = told
        .lines()
        .rfind(|line| line.contains(" cov: "))
        .unwrap_or_default();
    say(&format!(
        "{name}: {executions} executions, nothing found; {}",
        edges.trim()
    ));
    Ok(())
}
