//! `check` and `test`: the order of the steps, and what a fresh machine may lack.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};

use crate::escapes::Selection;
use crate::postgres::{self, Postgres};
use crate::tally::{Runner, Tally};
use crate::{acceptance, escapes, guest, lint, say, tidy};

/// Format, lints, documentation, house rules and guest tests: no release build.
pub(crate) fn check(root: &Path) -> Result<Tally> {
    let mut tally = style(root)?;
    tally += guest::tests(root, "python3")?;
    Ok(tally)
}

fn style(root: &Path) -> Result<Tally> {
    let mut tally = texts(root)?;
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
    Ok(tally)
}

/// What is found without a compiler.
fn texts(root: &Path) -> Result<Tally> {
    Ok(step("format", cargo(root).args(["fmt", "--all", "--check"])) + tidy::run(root)?)
}

/// Lints, documentation, and whatever is run afterwards.
///
/// Errors: there is nothing to run.
fn build(root: &Path) -> Result<Tally> {
    let target = target(root);
    let mut build = cargo(root);
    // Tests with it: its last crates would leave a processor without work.
    build.args(["test", "--release", "--locked", "--workspace", "--no-run"]);
    let is_cold = lint::is_cold(root, &target)?;
    let (name, mut tally) = if is_cold {
        lint::along(root, &target, build.arg("--all-targets"))?;
        ("build with lints and docs", texts(root)?)
    } else {
        ("build", style(root)?)
    };
    let built = step(name, &mut build);
    tally += built;
    if built.failed > 0 {
        bail!("the {name} failed, so nothing was tested ({tally})");
    }
    if is_cold {
        let forgotten = lint::forgotten(root, &target)?;
        if !forgotten.is_empty() {
            say(&format!("FAILED lints: none of {forgotten:?}"));
        }
        tally += Tally::of(forgotten.is_empty());
    }
    Ok(tally)
}

/// Everything. The only recipe that `.ci/run` calls.
pub(crate) fn test(root: &Path) -> Result<Tally> {
    let mut tally = build(root)?;
    tally += step(
        "environment",
        program(release_binary(root)).args(["env", "build"]),
    );
    tally += rust_tests(root)?;
    // The first one mostly waits.
    let (requests, others) = beside(
        || acceptance::quick_requests(root),
        || guest::tests_with_packages(root),
    );
    tally += requests? + others?;
    let selection = Selection {
        word: None,
        minors: escapes::CI,
        each_preload: false,
    };
    let (escapes, examples) = beside(|| escapes::run(root, selection), || doc_tests(root));
    tally += escapes? + examples?;
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
            // A test waits for a third of its time.
            "--test-threads",
            &(available_parallelism()?.get() * 3 / 2).to_string(),
        ]);
        let tally = counted("tests", Runner::Nextest, &mut command)?;
        return Ok(tally + skipped);
    }
    command.args(["test", "--release", "--locked", "--workspace"]);
    command.args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
    let tally = counted("tests", Runner::CargoTest, &mut command)?;
    Ok(tally + skipped)
}

/// The examples in documentation, which nextest does not run.
fn doc_tests(root: &Path) -> Result<Tally> {
    counted(
        "doc tests",
        Runner::CargoTest,
        cargo(root).args(["test", "--release", "--locked", "--workspace", "--doc"]),
    )
}

/// Both at once. What panics in one panics here.
pub(crate) fn beside<A: Send, B>(
    one: impl FnOnce() -> A + Send,
    two: impl FnOnce() -> B,
) -> (A, B) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let two = two();
        match one.join() {
            Ok(one) => (one, two),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    })
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
