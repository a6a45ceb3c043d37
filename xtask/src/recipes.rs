//! `check` and `test`: the order of the steps, and what a fresh machine may lack.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::escapes::Selection;
use crate::postgres::{self, Postgres};
use crate::tally::{Runner, Tally};
use crate::{acceptance, escapes, guest, say, tidy};

/// Format, lints, documentation, house rules and guest tests: no release build.
pub(crate) fn check(root: &Path) -> Result<Tally> {
    let mut tally = style(root)?;
    tally += guest::tests(root, "python3")?;
    Ok(tally)
}

fn style(root: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    tally += step("format", cargo(root).args(["fmt", "--all", "--check"]));
    tally += step(
        "clippy",
        // In the profile of the build, which then finds macros and build scripts ready.
        cargo(root).args([
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    );
    tally += step(
        "docs",
        cargo(root).env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--release",
            "--workspace",
            "--no-deps",
            "--locked",
        ]),
    );
    tally += tidy::run(root)?;
    Ok(tally)
}

/// Everything. The only recipe that `.ci/run` calls.
pub(crate) fn test(root: &Path) -> Result<Tally> {
    let mut tally = style(root)?;
    // Tests with it: its last crates would leave a processor without work.
    let build = step(
        "build",
        cargo(root).args(["test", "--release", "--locked", "--workspace", "--no-run"]),
    );
    tally += build;
    if build.failed > 0 {
        bail!("the release build failed, so nothing was tested ({tally})");
    }
    tally += guest::tests_with_packages(root)?;
    tally += rust_tests(root)?;
    tally += acceptance::quick_requests(root)?;
    tally += escapes::run(
        root,
        Selection {
            word: None,
            minors: escapes::CI,
            each_preload: false,
        },
    )?;
    Ok(tally)
}

fn rust_tests(root: &Path) -> Result<Tally> {
    let nextest = quiet(cargo(root).args(["nextest", "--version"]));
    let mut command = cargo(root);
    command.env("HOGNOSE_TEST_BINARY", release_binary(root));
    let mut skipped = Tally::default();
    // Stopped when this function ends.
    let postgres = Postgres::start()?;
    match &postgres {
        Some(server) => drop(command.env(postgres::VARIABLE, server.url())),
        None => {
            say("SKIPPED records in PostgreSQL: it is not installed (apt install postgresql)");
            skipped += Tally::SKIPPED;
        }
    }
    if nextest {
        command.args([
            "nextest",
            "run",
            "--release",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--color",
            "never",
        ]);
        let mut tally = counted("tests", Runner::Nextest, &mut command)?;
        // nextest does not run the examples in documentation.
        tally += counted(
            "doc tests",
            Runner::CargoTest,
            cargo(root).args(["test", "--release", "--locked", "--workspace", "--doc"]),
        )?;
        tally += skipped;
        return Ok(tally);
    }
    let mut tally = counted(
        "tests",
        Runner::CargoTest,
        command.args([
            "test",
            "--release",
            "--locked",
            "--workspace",
            "--no-fail-fast",
        ]),
    )?;
    tally += skipped;
    Ok(tally)
}

/// Runs a command whose success is one passed check.
fn step(name: &str, command: &mut Command) -> Tally {
    say(&format!("== {name}"));
    let passed = command.status().is_ok_and(|status| status.success());
    if !passed {
        say(&format!("FAILED {name}"));
    }
    Tally::of(passed)
}

/// Runs a test runner, shows its output and adds up its sums.
///
/// Errors: the runner did not start. A runner that fails without a failed test counts as one.
pub(crate) fn counted(name: &str, runner: Runner, command: &mut Command) -> Result<Tally> {
    say(&format!("== {name}"));
    let mut child = command
        .env("CARGO_TERM_COLOR", "never")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start the {name}"))?;
    let outputs: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    let readers: Vec<_> = outputs
        .into_iter()
        .flatten()
        .map(|pipe| std::thread::spawn(move || runner.add_up(shown(pipe))))
        .collect();
    let mut tally = Tally::default();
    for reader in readers {
        tally += reader.join().unwrap_or(Tally::FAILED);
    }
    if !child.wait()?.success() && tally.failed == 0 {
        say(&format!("FAILED {name}: the runner itself failed"));
        tally += Tally::FAILED;
    }
    Ok(tally)
}

/// The lines of a runner's output, each shown as it comes.
fn shown(pipe: impl std::io::Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(pipe).lines().map_while(Result::ok);
    lines.inspect(|line| say(line))
}

/// Where the release binary is built.
pub(crate) fn release_binary(root: &Path) -> PathBuf {
    target(root).join("release/hognose")
}

/// The target folder in force.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// A command of any program.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask starts tools for a developer, never a guest"
)]
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(name)
}

/// Whether a command runs and succeeds; its output is dropped.
pub(crate) fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Cargo in the root of the workspace, as if called by hand.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // What `cargo xtask` says of xtask. Build scripts look at it, so with it everything above them
    // would be built anew after each call by hand.
    for (name, _) in std::env::vars_os() {
        let is_of_xtask =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_xtask) {
            command.env_remove(name);
        }
    }
    command
}
