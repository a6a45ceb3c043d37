//! The steps of a build, in their order.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use engine::{Environment, Interpreter};

use super::error::{EnvironmentError, at};
use super::interpreter::{self, Asked, on_path};
use super::progress::{Progress, Step};
use super::{command, fonts, manifest, uv};

/// Builds the environment of `lock` and `python` in the empty folder `folder`.
pub(super) fn build(
    root: &Path,
    folder: &Path,
    digest: &str,
    lock: &str,
    python: &Asked,
    progress: &dyn Fn(Progress),
) -> Result<(), EnvironmentError> {
    let program = &python.interpreter.executable;
    let tree = manifest::tree(folder);
    let site_packages = tree.join("lib").join(python.interpreter.name()).join("site-packages");
    fs::create_dir_all(&site_packages).map_err(at("create", &site_packages))?;
    let installer = uv::find(root, program, progress)?;
    let requirements = folder.join("requirements.lock");
    fs::write(&requirements, lock).map_err(at("write", &requirements))?;
    progress(Progress::step(Step::Resolving, "reading the lock"));
    uv::install(&installer, program, &requirements, &site_packages, &root.join("cache/uv"), progress)?;
    lay_out(&tree, &site_packages, &python.interpreter)?;
    progress(Progress::step(Step::Fonts, "building the font list"));
    fonts::lay_out(&tree, &site_packages, python)?;
    let packages = manifest::packages(&site_packages)?;
    progress(Progress::step(Step::Compiling, format!("compiling {} packages", packages.len())));
    compile(&tree, program)?;
    progress(Progress::step(Step::Finishing, "writing to disk"));
    make_readable(&tree)?;
    write_to_disk(folder);
    let interpreter = Interpreter { libraries: interpreter::libraries(&python.interpreter), ..python.interpreter.clone() };
    // Last, so that a folder with a manifest is a whole one.
    manifest::write(folder, &Environment { digest: digest.to_owned(), root: tree, interpreter, packages })?;
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(at("open to readers", folder))
}

/// What makes the tree a virtual environment of `/python`; both are paths inside a guest.
fn lay_out(tree: &Path, site_packages: &Path, python: &Interpreter) -> Result<(), EnvironmentError> {
    // Scripts there name the host's interpreter in their first line.
    let scripts = site_packages.join("bin");
    if scripts.exists() {
        fs::remove_dir_all(&scripts).map_err(at("remove", &scripts))?;
    }
    let bin = tree.join("bin");
    fs::create_dir_all(&bin).map_err(at("create", &bin))?;
    for name in ["python3", "python"] {
        let link = bin.join(name);
        symlink(format!("/python/bin/{}", python.name()), &link).map_err(at("link", &link))?;
    }
    let settings = tree.join("pyvenv.cfg");
    let text = format!(
        "home = /python/bin\ninclude-system-site-packages = false\nversion = {}\n",
        python.version_text()
    );
    fs::write(&settings, text).map_err(at("write", &settings))
}

/// Compiles every module; the bytecode names the paths of a guest and is never checked again.
fn compile(tree: &Path, python: &Path) -> Result<(), EnvironmentError> {
    let mut arguments: Vec<OsString> =
        ["-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"].map(OsString::from).to_vec();
    arguments.extend([OsStr::new("-s"), tree.as_os_str(), OsStr::new("-p"), OsStr::new("/environment")].map(OsStr::to_owned));
    arguments.push(tree.join("lib").into_os_string());
    let finished = command::run(python, arguments, &[], &mut |_| ()).map_err(at("start", python))?;
    // 1 says that some file does not compile, as test data of packages do not.
    if matches!(finished.status.code(), Some(0 | 1)) {
        return Ok(());
    }
    Err(EnvironmentError::Command { operation: "compile the packages", reason: finished.stderr })
}

/// Lets every user read the tree and nobody but its owner write, whatever the umask was.
fn make_readable(path: &Path) -> Result<(), EnvironmentError> {
    let metadata = fs::symlink_metadata(path).map_err(at("look at", path))?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let is_program = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
    let mode = if is_program { 0o755 } else { 0o644 };
    if metadata.permissions().mode() & 0o7777 != mode {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at("open to readers", path))?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(at("read", path))? {
            make_readable(&entry.map_err(at("read", path))?.path())?;
        }
    }
    Ok(())
}

/// One flush of the file system instead of one per file; a host without `sync` does it in time.
fn write_to_disk(folder: &Path) {
    if let Some(sync) = on_path(OsStr::new("sync")) {
        let _ = command::run(&sync, [OsStr::new("-f"), folder.as_os_str()], &[], &mut |_| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_readable_for_all_and_writable_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, program) = (folder.path().join("file"), folder.path().join("program"));
        for (path, mode) in [(&file, 0o600), (&program, 0o4777)] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        symlink("/nowhere", folder.path().join("link")).unwrap();
        make_readable(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(folder.path()), mode(&file), mode(&program)), (0o755, 0o644, 0o755));
    }

    #[test]
    fn the_tree_is_a_virtual_environment_of_the_guests_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let site_packages = folder.path().join("lib/python3.9/site-packages");
        fs::create_dir_all(site_packages.join("bin")).unwrap();
        lay_out(folder.path(), &site_packages, &Asked::for_tests((3, 9, 18)).interpreter).unwrap();
        assert_eq!(fs::read_link(folder.path().join("bin/python3")).unwrap(), Path::new("/python/bin/python3.9"));
        assert!(fs::read_to_string(folder.path().join("pyvenv.cfg")).unwrap().contains("version = 3.9.18\n"));
        assert!(!site_packages.join("bin").exists());
    }
}
