//! `bench`: `hognose bench` of the release build. Never a test: nothing here can fail a build.

use std::path::Path;

use anyhow::{Result, bail};

use crate::recipes::{program, release_binary};

/// Builds and runs it with the caller's arguments.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = program(cargo)
        .current_dir(root)
        .args(["build", "--release", "--locked", "--workspace"])
        .status()?;
    if !built.success() {
        bail!("the release build failed");
    }
    let ended = program(release_binary(root))
        .arg("bench")
        .args(arguments)
        .status()?;
    if !ended.success() {
        bail!("hognose bench ended with {ended}");
    }
    Ok(())
}
