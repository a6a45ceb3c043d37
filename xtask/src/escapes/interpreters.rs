//! Which interpreters of this machine the corpus runs on, beside the server's own choice.
//!
//! One that is missing is told and not counted as a skip: which ones a machine has is no property
//! of the code, and the number of skips is.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::recipes::program;

/// Minor versions of CPython 3 that CI covers where it finds them: the oldest that is supported,
/// Debian 12's, and the newest that every package of the lock has a wheel for.
pub(crate) const CI: &[u8] = &[9, 11, 13];

/// Every minor version that may serve.
pub(crate) const SUPPORTED: &[u8] = &[9, 10, 11, 12, 13, 14];

/// Answered with the path of the interpreter itself, which behind a shim is another.
/// The imports fail where it was built without a part that programs of the corpus use.
const QUESTION: &str = "\
import os, platform, struct, sys, sysconfig
import bz2, ctypes, lzma, sqlite3, ssl, zlib
found = platform.python_implementation(), *sys.version_info[:2], struct.calcsize('P') * 8
if found != ('CPython', 3, int(sys.argv[1]), 64) or sysconfig.get_config_var('Py_GIL_DISABLED'):
    sys.exit(f'it is {found}')
print(os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable))
";

/// The first usable interpreter of this minor version.
///
/// Errors: what each candidate said, in one line.
pub(crate) fn find(minor: u8) -> Result<PathBuf, String> {
    let mut refused = Vec::new();
    for candidate in candidates(minor) {
        match ask(&candidate, minor) {
            Ok(found) => return Ok(found),
            Err(reason) => refused.push(format!("`{}`: {reason}", candidate.display())),
        }
    }
    Err(refused.join("; "))
}

/// The name on PATH, then what pyenv has built, which PATH shows only if it is active.
fn candidates(minor: u8) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home);
    let versions = pyenv.map(|pyenv| pyenv.join("versions"));
    let entries = versions.and_then(|versions| std::fs::read_dir(versions).ok());
    let mut patches: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((
                patch(entry.file_name().to_str()?, minor)?,
                entry.path().join("bin/python"),
            ))
        })
        .collect();
    patches.sort();
    let newest_first = patches.into_iter().rev().map(|(_, path)| path);
    std::iter::once(PathBuf::from(format!("python3.{minor}")))
        .chain(newest_first)
        .collect()
}

/// `18` of `3.9.18`, if the minor version is 9; `None` for anything else, such as `3.9.18-debug`.
fn patch(version: &str, minor: u8) -> Option<u32> {
    version
        .strip_prefix(&format!("3.{minor}."))?
        .parse::<u32>()
        .ok()
}

fn ask(candidate: &Path, minor: u8) -> Result<PathBuf, String> {
    let output = program(candidate)
        .args(["-I", "-c", QUESTION, &minor.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    Err(last.unwrap_or("it said nothing").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_versions_of_the_minor_are_patches() {
        assert_eq!(patch("3.9.18", 9), Some(18));
        for other in [
            "3.9",
            "3.90.1",
            "3.9.18-debug",
            "3.13.0t",
            "pypy3.9-7.3",
            "2.9.1",
        ] {
            assert_eq!(patch(other, 9), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_interpreter_is_refused_with_its_words() {
        assert!(ask(Path::new("/nonexistent/python"), 9).is_err());
        // A shim of a version that is not there says so and fails.
        assert_eq!(
            ask(Path::new("/bin/false"), 9).unwrap_err(),
            "it said nothing"
        );
    }
}
