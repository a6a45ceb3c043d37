//! Lays an environment out as guests see it: no host path in it, readable by every uid.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use engine::Interpreter;

use super::uv::{self, Install};
use super::{EnvironmentError, MANIFEST, Manifest, Progress};
use super::{bytecode, program};

/// Prepares matplotlib; run by the environment's interpreter on the host. argv: site-packages,
/// the folder that becomes `share`.
const FONTS_SCRIPT: &str = include_str!("fonts.py");

/// What to build, and with what.
pub(super) struct Order<'a> {
    pub(super) uv: &'a Path,
    pub(super) python: &'a Interpreter,
    pub(super) digest: &'a str,
    pub(super) lock: &'a str,
    pub(super) cache: &'a Path,
    pub(super) offline: bool,
    /// Made by us; the caller moves it to its place.
    pub(super) folder: &'a Path,
}

/// Builds a whole environment in `order.folder`. The manifest is written last.
pub(super) fn build(
    order: &Order<'_>,
    progress: &dyn Fn(Progress),
) -> Result<(), EnvironmentError> {
    let site = order
        .folder
        .join(format!("lib/{}/site-packages", order.python.name()));
    let share = order.folder.join("share");
    let made = fs::create_dir_all(&site).and_then(|()| fs::create_dir_all(&share));
    at("make the environment's folders", made)?;
    let lock = order.folder.join("environment.lock");
    at("write the lock", fs::write(&lock, order.lock))?;
    let python = &order.python.executable;
    uv::install(
        order.uv,
        &Install {
            python,
            lock: &lock,
            target: &site,
            cache: order.cache,
            offline: order.offline,
        },
        progress,
    )?;
    bytecode::compile(python, &site, None, progress)?;
    progress(Progress {
        step: "fonts",
        done: 0,
        total: 1,
        text: "preparing fonts".into(),
    });
    prepare_fonts(python, &site, &share)?;
    finish(order.folder, &site, order.python, order.digest, progress)
}

/// Lays an environment without packages out in `folder`.
pub(super) fn bare(
    folder: &Path,
    python: &Interpreter,
    digest: &str,
) -> Result<(), EnvironmentError> {
    let site = folder.join(format!("lib/{}/site-packages", python.name()));
    at("make the environment's folders", fs::create_dir_all(&site))?;
    finish(folder, &site, python, digest, &|_| {})
}

/// Makes a folder with packages an environment. The manifest is written last.
pub(super) fn finish(
    folder: &Path,
    site: &Path,
    python: &Interpreter,
    digest: &str,
    progress: &dyn Fn(Progress),
) -> Result<(), EnvironmentError> {
    // Their first lines name the host's interpreter; inside, modules are run with `-m`.
    let _ = fs::remove_dir_all(site.join("bin"));
    let written = write_interpreter(folder, python);
    at("write the environment's interpreter", written)?;
    at("make the environment readable", make_readable(folder))?;
    let packages = at("read the installed packages", installed(site))?;
    let text = format!("{} packages", packages.len());
    let manifest = Manifest {
        digest: digest.to_owned(),
        python: python.version_text(),
        packages,
    };
    let json = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from);
    let written = json.and_then(|json| fs::write(folder.join(MANIFEST), json));
    at("write the manifest", written)?;
    progress(Progress {
        step: "done",
        done: 1,
        total: 1,
        text,
    });
    Ok(())
}

fn at<T>(doing: &str, result: io::Result<T>) -> Result<T, EnvironmentError> {
    result.map_err(|source| EnvironmentError::host(doing, source))
}

/// A venv whose home is where the interpreter stands inside a guest.
fn write_interpreter(folder: &Path, python: &Interpreter) -> io::Result<()> {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin)?;
    for name in ["python3", "python", &python.name()] {
        symlink(format!("/python/bin/{}", python.name()), bin.join(name))?;
    }
    let version = python.version_text();
    let home = "home = /python/bin\ninclude-system-site-packages = false\n";
    fs::write(
        folder.join("pyvenv.cfg"),
        format!("{home}version = {version}\n"),
    )
}

fn prepare_fonts(python: &Path, site: &Path, share: &Path) -> Result<(), EnvironmentError> {
    let output = program::command(python)
        .args(["-I", "-B", "-c", FONTS_SCRIPT])
        .arg(site)
        .arg(share)
        .output();
    let output = output.map_err(|source| EnvironmentError::host("prepare the fonts", source))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(EnvironmentError::Tool {
        doing: "prepare the fonts".into(),
        said,
    })
}

/// (name, version) of every distribution, by the names of their metadata folders.
fn installed(site: &Path) -> io::Result<Vec<(String, String)>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(site)? {
        let folder = entry?.file_name().to_string_lossy().into_owned();
        let stem = folder
            .strip_suffix(".dist-info")
            .and_then(|stem| stem.rsplit_once('-'));
        if let Some((name, version)) = stem {
            packages.push((
                name.to_lowercase().replace(['_', '.'], "-"),
                version.to_owned(),
            ));
        }
    }
    packages.sort();
    Ok(packages)
}

/// Every folder 0755, every file 0644 or 0755: guests have uids of their own.
fn make_readable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            make_readable(&entry.path())?;
        } else if kind.is_file() {
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Bytes of all files below a folder; what cannot be read counts as nothing.
pub(super) fn size_of_tree(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of_tree(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |found| found.len()),
            Ok(_) | Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_named_as_indexes_name_them() {
        let site = tempfile::tempdir().unwrap();
        for folder in [
            "Scikit_Learn-1.2.dist-info",
            "numpy-2.0.dist-info",
            "numpy",
            "bin",
        ] {
            fs::create_dir(site.path().join(folder)).unwrap();
        }
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let expected = [pair("numpy", "2.0"), pair("scikit-learn", "1.2")];
        assert_eq!(installed(site.path()).unwrap(), expected);
    }

    #[test]
    fn everything_becomes_readable_and_stays_as_executable_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let found = |name: &str| fs::metadata(folder.path().join(name)).unwrap();
        let mode = |name: &str| found(name).permissions().mode() & 0o777;
        for (name, before) in [("a", 0o600), ("b", 0o700)] {
            fs::write(folder.path().join(name), "x").unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(before))
                .unwrap();
        }
        make_readable(folder.path()).unwrap();
        assert_eq!((mode("a"), mode("b"), mode("")), (0o644, 0o755, 0o755));
        assert_eq!(size_of_tree(folder.path()), 2);
    }
}
