//! The installer: `uv` of the host, or our own pinned one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::command;
use super::error::{EnvironmentError, at};
use super::interpreter::on_path;
use super::lock;
use super::once;
use super::progress::{Progress, Step, UvLines};

/// The least `uv` that knows every option used here.
const LEAST: (u32, u32) = (0, 5);

/// Where `uv` is; installed below `root` when the host has none.
pub(super) fn find(root: &Path, python: &Path, progress: &dyn Fn(Progress)) -> Result<PathBuf, EnvironmentError> {
    if let Some(uv) = on_path(OsStr::new("uv")).filter(|uv| is_recent(uv)) {
        return Ok(uv);
    }
    let (tools, name) = (root.join("tools"), format!("uv-{}", lock::uv_version()));
    let uv = tools.join(&name).join("bin/uv");
    if !uv.is_file() {
        progress(Progress::step(Step::Installer, format!("installing {name}")));
        once::build(&tools, &name, progress, |temporary| bootstrap(temporary, python))?;
    }
    Ok(uv)
}

/// Installs every wheel of `lock` into `target`.
///
/// `cache` keeps what was downloaded, so that a killed build goes on where it was.
pub(super) fn install(
    uv: &Path,
    python: &Path,
    lock: &Path,
    target: &Path,
    cache: &Path,
    progress: &dyn Fn(Progress),
) -> Result<(), EnvironmentError> {
    let options = [
        "pip", "install", "--no-config", "--no-progress", "--color", "never", "--require-hashes", "--only-binary",
        ":all:", "--link-mode", "copy",
    ];
    let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
    for (option, path) in [("--python", python), ("--target", target), ("--cache-dir", cache), ("--requirements", lock)] {
        arguments.extend([option.into(), path.as_os_str().to_owned()]);
    }
    let mut lines = UvLines::default();
    let variables = [("UV_PYTHON_DOWNLOADS", OsStr::new("never"))];
    let finished = command::run(uv, arguments, &variables, &mut |line| {
        if let Some(remark) = lines.read(line) {
            progress(remark);
        }
    })
    .map_err(at("start", uv))?;
    if finished.status.success() {
        return Ok(());
    }
    Err(EnvironmentError::Command { operation: "install the locked packages", reason: finished.stderr })
}

fn is_recent(uv: &Path) -> bool {
    command::run(uv, ["--version"], &[], &mut |_| ())
        .is_ok_and(|finished| version(&String::from_utf8_lossy(&finished.stdout)).is_some_and(|v| v >= LEAST))
}

/// `uv 0.12.5 (x86_64-unknown-linux-gnu)` as (0, 12).
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("uv ")?.split(['.', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn bootstrap(folder: &Path, python: &Path) -> Result<(), EnvironmentError> {
    let venv = [OsStr::new("-I"), OsStr::new("-m"), OsStr::new("venv"), folder.as_os_str()];
    let made = command::run(python, venv, &[], &mut |_| ()).map_err(at("start", python))?;
    if !made.status.success() {
        // Debian's reason is on standard output: ensurepip lives in another package.
        let reason = format!("{} {}", String::from_utf8_lossy(&made.stdout), made.stderr);
        if reason.contains("ensurepip") || reason.contains("No module named venv") {
            return Err(EnvironmentError::VenvMissing);
        }
        return Err(EnvironmentError::Command { operation: "make a folder for `uv`", reason: made.stderr });
    }
    let requirements = folder.join("uv.lock");
    std::fs::write(&requirements, lock::UV).map_err(at("write", &requirements))?;
    let options = ["-I", "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement"];
    let arguments = options.iter().map(OsStr::new).chain([requirements.as_os_str()]);
    let installed = command::run(&folder.join("bin/python"), arguments, &[], &mut |_| ()).map_err(at("start", folder))?;
    if installed.status.success() {
        return Ok(());
    }
    Err(EnvironmentError::Command { operation: "install `uv`", reason: installed.stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_uv_prints() {
        assert_eq!(version("uv 0.12.5 (x86_64-unknown-linux-gnu)"), Some((0, 12)));
        assert!(version("uv 0.4.30").is_some_and(|v| v < LEAST));
        assert_eq!(version("something else"), None);
    }
}
