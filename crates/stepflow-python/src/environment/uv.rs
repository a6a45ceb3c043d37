//! The one caller of `uv`: found on PATH, or bootstrapped once from its hashed wheel.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{EnvironmentError, Progress};

/// Its version and hashes.
const LOCK: &str = include_str!("../../environments/uv.lock");

/// The version in the lock.
const VERSION: &str = "0.12.5";

/// Certificates are looked for here when the caller has not said where they are.
const CERTIFICATES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// Installs a hashed lock into a folder, wheels only, with bytecode.
pub(super) struct Install<'a> {
    /// The environment's interpreter.
    pub(super) python: &'a Path,
    /// A requirements file in which every pin has its hashes.
    pub(super) lock: &'a Path,
    /// Becomes `site-packages`.
    pub(super) target: &'a Path,
    /// Keeps downloads, so that a killed build goes on where it was.
    pub(super) cache: &'a Path,
}

/// The program: `uv` on PATH, else the one below `tools`, made if need be.
///
/// Errors: one sentence naming `python3-venv` when a bootstrap needs it.
pub(super) fn find(
    tools: &Path,
    python: &Path,
    progress: &dyn Fn(Progress),
) -> Result<PathBuf, EnvironmentError> {
    if runs(Path::new("uv")) {
        return Ok("uv".into());
    }
    let folder = tools.join(format!("uv-{VERSION}"));
    let program = folder.join("bin/uv");
    if runs(&program) {
        return Ok(program);
    }
    let text = format!("fetching uv {VERSION}");
    progress(Progress {
        step: "uv",
        done: 0,
        total: 1,
        text,
    });
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(tools)
        .map_err(|source| EnvironmentError::host("make the tools folder", source))?;
    let made = command(python)
        .args(["-I", "-m", "venv"])
        .arg(&folder)
        .output();
    let made =
        made.map_err(|source| EnvironmentError::host("run the interpreter's venv", source))?;
    if !made.status.success() {
        let _ = std::fs::remove_dir_all(&folder);
        return Err(EnvironmentError::NoVenv {
            python: python.to_owned(),
        });
    }
    let lock = folder.join("uv.lock");
    std::fs::write(&lock, LOCK)
        .map_err(|source| EnvironmentError::host("write uv's lock", source))?;
    let mut pip = command(&folder.join("bin/python"));
    pip.args([
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
    ])
    .args(["--only-binary", ":all:", "-r"])
    .arg(lock);
    follow(&mut pip, "fetch uv", &|_| {})?;
    Ok(program)
}

fn runs(program: &Path) -> bool {
    command(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Runs the installation and reports each line that tells how far it is.
pub(super) fn install(
    program: &Path,
    install: &Install<'_>,
    progress: &dyn Fn(Progress),
) -> Result<(), EnvironmentError> {
    let mut uv = command(program);
    uv.args([
        "pip",
        "install",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
    ])
    .args([
        "--link-mode",
        "copy",
        "--compile-bytecode",
        "--no-config",
        "--color",
        "never",
    ])
    .arg("--python")
    .arg(install.python)
    .arg("--target")
    .arg(install.target)
    .arg("--cache-dir")
    .arg(install.cache)
    .arg("-r")
    .arg(install.lock);
    follow(&mut uv, "install the packages", &|line| {
        progress(step_of(line))
    })
}

/// uv's phases, in order.
const PHASES: [&str; 4] = ["Resolved", "Prepared", "Installed", "Bytecode"];

fn step_of(line: &str) -> Progress {
    let reached = PHASES.iter().position(|phase| line.starts_with(phase));
    let done = reached.map_or(0, |index| index as u64 + 1);
    Progress {
        step: "packages",
        done,
        total: PHASES.len() as u64,
        text: line.to_owned(),
    }
}

/// Runs a program to its end, handing on its stderr line by line.
///
/// Errors: what we were doing and its last lines.
fn follow(command: &mut Command, doing: &str, each: &dyn Fn(&str)) -> Result<(), EnvironmentError> {
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|source| EnvironmentError::host(doing, source))?;
    let mut last = Vec::new();
    let lines = child
        .stderr
        .take()
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).lines());
    for line in lines.map_while(Result::ok) {
        each(line.trim());
        last.push(line);
        last.drain(..last.len().saturating_sub(12));
    }
    let status = child
        .wait()
        .map_err(|source| EnvironmentError::host(doing, source))?;
    if status.success() {
        return Ok(());
    }
    let said = last.join("\n").trim().to_owned();
    Err(EnvironmentError::Tool {
        doing: doing.to_owned(),
        said,
    })
}

/// A command with the caller's variables but those that would change an interpreter.
#[expect(
    clippy::disallowed_methods,
    reason = "the module that calls uv and its interpreters"
)]
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_pythons(name)) {
        command.env_remove(name);
    }
    if std::env::var_os("SSL_CERT_FILE").is_none()
        && let Some(file) = CERTIFICATES.iter().find(|file| Path::new(file).exists())
    {
        command.env("SSL_CERT_FILE", file);
    }
    command
}

fn is_pythons(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with("PYTHON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_the_locked_one_and_hashed() {
        assert!(LOCK.contains(&format!("uv=={VERSION}")) && LOCK.contains("--hash=sha256:"));
        assert!(!LOCK.contains("://"), "a lock names no host");
    }

    #[test]
    fn phases_are_counted_in_order() {
        assert_eq!(step_of("Resolved 40 packages in 1ms").done, 1);
        assert_eq!(step_of("Installed 40 packages").done, 3);
        assert_eq!(step_of("Downloading numpy (17 MiB)").done, 0);
    }

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let mut shell = command(Path::new("/bin/sh"));
        let error = follow(shell.args(["-c", "echo one >&2; exit 3"]), "try", &|_| {}).unwrap_err();
        assert!(error.to_string().contains("cannot try"), "{error}");
        assert!(error.to_string().contains("one"), "{error}");
    }
}
