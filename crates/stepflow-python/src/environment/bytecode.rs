//! Bytecode of installed packages. An environment is read-only, so nobody can keep it later.

use std::fs;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use super::program::{self, RunError};
use super::{EnvironmentError, Progress, uv};

/// Folders of sources that hardly anyone imports: half of what a scientific stack would compile.
const TESTS: [&str; 2] = ["test", "tests"];

/// Compiles the sources below `site` but for those of tests, on every processor.
///
/// A source that cannot be compiled has no bytecode, nor have those after it where it ends the
/// interpreter: they are compiled whenever they are imported.
///
/// Errors: the deadline is over, this process is about to end, or the host fails.
pub(super) fn compile(
    python: &Path,
    site: &Path,
    deadline: Option<Instant>,
    progress: &dyn Fn(Progress),
) -> Result<(), EnvironmentError> {
    let of_host = |source| EnvironmentError::host("compile the packages", source);
    let mut sources = Vec::new();
    find(site, &mut sources).map_err(of_host)?;
    if sources.is_empty() {
        return Ok(());
    }
    progress(Progress {
        step: "bytecode",
        done: 0,
        total: 1,
        text: format!("compiling {} sources", sources.len()),
    });
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..processors.min(sources.len()))
            .map(|first| sources.iter().skip(first).step_by(processors))
            .map(|part| scope.spawn(move || compile_some(python, part, deadline)))
            .collect();
        parts.into_iter().try_for_each(|part| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
    .map_err(|failed| match failed {
        RunError::Host(source) => of_host(source),
        RunError::Failed(_) | RunError::TooLong => uv::packages(failed),
    })
}

/// The interpreter has their names in a file: they are more than a command line takes.
fn compile_some<'a>(
    python: &Path,
    sources: impl Iterator<Item = &'a PathBuf>,
    deadline: Option<Instant>,
) -> Result<(), RunError> {
    let mut text = Vec::new();
    for source in sources {
        text.extend_from_slice(source.as_os_str().as_encoded_bytes());
        text.push(b'\n');
    }
    let mut names = tempfile::NamedTempFile::new().map_err(RunError::Host)?;
    names.write_all(&text).map_err(RunError::Host)?;
    let mut command = program::bare_command(python);
    command.args(["-I", "-m", "compileall", "-qq", "-i"]);
    match program::run(command.arg(names.path()), deadline, &mut |_| {}) {
        Ok(()) | Err(RunError::Failed(_)) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Sources that have one line as a name and no link on their way.
fn find(folder: &Path, sources: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let name = name.as_encoded_bytes();
        if name.iter().any(u8::is_ascii_control) {
            continue;
        }
        if kind.is_dir() && !TESTS.iter().any(|tests| tests.as_bytes() == name) {
            find(&entry.path(), sources)?;
        } else if kind.is_file() && name.ends_with(b".py") {
            sources.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What has bytecode after `files` were compiled, by the folder it stands in.
    fn compiled(files: &[(&str, &str)]) -> Vec<String> {
        let site = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = site.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("o.py"), "").unwrap();
        symlink(outside.path(), site.path().join("linked")).unwrap();
        symlink(outside.path().join("o.py"), site.path().join("linked.py")).unwrap();
        compile(Path::new("python3"), site.path(), None, &|_| {}).unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        let has = |name: &&str| {
            let path = site.path().join(name);
            let cache = path.parent().unwrap().join("__pycache__");
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let entries = fs::read_dir(cache).into_iter().flatten().flatten();
            let mut names = entries.map(|one| one.file_name().to_string_lossy().into_owned());
            names.any(|one| one.starts_with(&format!("{stem}.cpython")))
        };
        let names = files.iter().map(|(name, _)| *name);
        names.filter(has).map(str::to_owned).collect()
    }

    #[test]
    fn all_but_tests_has_bytecode() {
        let files = [
            ("a.py", "x = 1"),
            ("p/b.py", "y = 2"),
            ("p/tests/c.py", ""),
            ("p/testing/d.py", ""),
        ];
        assert_eq!(compiled(&files), ["a.py", "p/b.py", "p/testing/d.py"]);
    }

    #[test]
    fn a_source_that_does_not_compile_holds_up_no_other() {
        let files = [("a.py", "x = 1"), ("b.py", "print 1"), ("c.py", "z = 3")];
        assert_eq!(compiled(&files), ["a.py", "c.py"]);
    }

    #[test]
    fn a_name_of_two_lines_is_no_name_of_another_file() {
        let other = tempfile::tempdir().unwrap();
        let path = other.path().join("o.py");
        fs::write(&path, "").unwrap();
        let site = tempfile::tempdir().unwrap();
        let hostile = site.path().join(format!("x\n{}", other.path().display()));
        fs::create_dir_all(&hostile).unwrap();
        fs::write(hostile.join("o.py"), "").unwrap();
        compile(Path::new("python3"), site.path(), None, &|_| {}).unwrap();
        assert!(!other.path().join("__pycache__").exists());
    }

    #[test]
    fn a_deadline_ends_it() {
        let site = tempfile::tempdir().unwrap();
        fs::write(site.path().join("a.py"), "").unwrap();
        let over = Some(Instant::now());
        let error = compile(Path::new("python3"), site.path(), over, &|_| {}).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
