//! The tests of `guest/`: on any interpreter, or on one that has the default environment's packages.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::escapes::interpreter;
use crate::recipes::{counted, program, release_binary, target};
use crate::tally::{Runner, Tally};

/// With `python`; tests whose packages it lacks are skipped.
pub(crate) fn tests(root: &Path, python: impl AsRef<OsStr>) -> Result<Tally> {
    let folder = root.join("guest/tests");
    if !folder.is_dir() {
        bail!(
            "{} is missing; the guest side has no tests",
            folder.display()
        );
    }
    let mut command = program(python);
    // A fresh clone stays clean: no bytecode is left beside the sources.
    command
        .current_dir(root.join("guest"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command.args([
        "-m",
        "unittest",
        "discover",
        "--start-directory",
        "tests",
        "--top-level-directory",
        "tests",
    ]);
    counted("guest tests", Runner::Unittest, &mut command)
}

/// With all that the default environment has, which is built if it is not there.
///
/// An environment's own interpreter has paths that exist only inside; so an empty virtual one
/// of the same version gets its packages.
pub(crate) fn tests_with_packages(root: &Path) -> Result<Tally> {
    let built = told(root, &["env", "build"])?;
    let (digest, rest) = built.split_once("  ").context(UNREADABLE)?;
    let version = rest.strip_prefix("python ").context(UNREADABLE)?;
    let minor = version.split('.').nth(1).and_then(|n| n.parse::<u8>().ok());
    let minor = minor.context(UNREADABLE)?;
    let list = told(root, &["env", "list"])?;
    let row = list.lines().find(|row| row.starts_with(digest));
    let (_, environment) = row
        .and_then(|row| row.split_once(" MiB  "))
        .context(UNREADABLE)?;
    let packages = site_packages(Path::new(environment), minor);
    ensure!(packages.is_dir(), "{} is missing", packages.display());
    let python = interpreter(minor).map_err(anyhow::Error::msg)?;
    let venv = target(root).join("guest-tests");
    let made = program(python)
        .args(["-m", "venv", "--without-pip", "--clear"])
        .arg(&venv)
        .status()?;
    ensure!(made.success(), "cannot make {}", venv.display());
    let link = site_packages(&venv, minor).join("environment.pth");
    fs::write(link, packages.as_os_str().as_encoded_bytes())?;
    tests(root, venv.join("bin/python3"))
}

const UNREADABLE: &str = "`hognose env` says something else than expected";

fn site_packages(root: &Path, minor: u8) -> PathBuf {
    root.join(format!("lib/python3.{minor}/site-packages"))
}

/// What the release binary prints.
fn told(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = program(release_binary(root)).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "hognose {}: {said}",
        arguments.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?)
}
