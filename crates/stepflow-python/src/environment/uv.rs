//! The one caller of `uv`: found on PATH, or bootstrapped once from its hashed wheel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::config::PipConfig;
use super::program::{RunError, bare_command, command, follow, run};
use super::{EnvironmentError, Progress, place, said};

/// Its version and hashes.
const LOCK: &str = include_str!("../../environments/uv.lock");

/// The version in the lock.
const VERSION: &str = "0.12.5";

/// Installs a hashed lock into a folder, wheels only.
pub(super) struct Install<'a> {
    /// The environment's interpreter.
    pub(super) python: &'a Path,
    /// A requirements file in which every pin has its hashes.
    pub(super) lock: &'a Path,
    /// Becomes `site-packages`.
    pub(super) target: &'a Path,
    /// Keeps downloads, so that a killed build goes on where it was.
    pub(super) cache: &'a Path,
    /// Whether the cache has to have everything.
    pub(super) offline: bool,
}

/// Whether what is not here may be fetched.
pub(super) enum Fetching<'a> {
    /// Yes, telling how far it is.
    Allowed(&'a dyn Fn(Progress)),
    Offline,
}

/// The program: `uv` on PATH, else the one below `tools`, made if need be.
///
/// Errors: one sentence naming `python3-venv` when a bootstrap needs it; there is none, offline.
pub(super) fn find(
    tools: &Path,
    python: &Path,
    fetching: &Fetching<'_>,
) -> Result<PathBuf, EnvironmentError> {
    if runs(Path::new("uv")) {
        return Ok("uv".into());
    }
    find_ours(tools, python, fetching)
}

/// The program below `tools`. One that is half there is never seen: it is fetched beside its place.
fn find_ours(
    tools: &Path,
    python: &Path,
    fetching: &Fetching<'_>,
) -> Result<PathBuf, EnvironmentError> {
    let folder = tools.join(format!("uv-{VERSION}"));
    let program = folder.join("bin/uv");
    if runs(&program) {
        return Ok(program);
    }
    let Fetching::Allowed(progress) = fetching else {
        return Err(EnvironmentError::Refused {
            reason: "there is no `uv` here, and nothing is fetched while offline (HOGNOSE_OFFLINE); put `uv` on PATH".into(),
        });
    };
    let at = |doing: &'static str| move |source| EnvironmentError::host(doing, source);
    std::fs::create_dir_all(tools).map_err(at("make the tools folder"))?;
    let why = "another hognose is fetching uv";
    let _lock = place::lock(&tools.join(".uv.lock"), why, progress)?;
    // Whoever had the lock has made it.
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
    let made = tools.join(".uv-made");
    // What a killed process left, and one that does not run.
    let _ = std::fs::remove_dir_all(&made);
    let _ = std::fs::remove_dir_all(&folder);
    let placed = bootstrap(&made, python)
        .and_then(|()| std::fs::rename(&made, &folder).map_err(at("put uv in its place")));
    if placed.is_err() {
        let _ = std::fs::remove_dir_all(&made);
    }
    placed.map(|()| program)
}

/// Makes a venv in `folder` and installs `uv` there.
fn bootstrap(folder: &Path, python: &Path) -> Result<(), EnvironmentError> {
    let made = command(python)
        .args(["-I", "-m", "venv"])
        .arg(folder)
        .output();
    let made =
        made.map_err(|source| EnvironmentError::host("run the interpreter's venv", source))?;
    if !made.status.success() {
        let said = [made.stdout, made.stderr].concat();
        return Err(EnvironmentError::NoVenv {
            python: python.to_owned(),
            said: String::from_utf8_lossy(&said).into_owned(),
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
    follow(&mut pip, "fetch uv", &mut |_| {})
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
    .args(["--link-mode", "copy", "--no-config", "--color", "never"])
    .arg("--python")
    .arg(install.python)
    .arg("--target")
    .arg(install.target)
    .arg("--cache-dir")
    .arg(install.cache)
    .arg("-r")
    .arg(install.lock);
    if install.offline {
        uv.arg("--offline");
    }
    follow(&mut uv, "install the packages", &mut remarks(progress))
}

/// uv's phases, in order.
const PHASES: [&str; 3] = ["Resolved", "Prepared", "Installed"];

/// What a requested environment's packages are resolved and installed with.
#[derive(Debug)]
pub(super) struct Uv {
    program: PathBuf,
    _held: File,
}

/// One build of a requested environment.
pub(super) struct Job<'a> {
    pub(super) python: &'a Path,
    /// Where uv works: requirements that begin with `./` are found there.
    pub(super) folder: &'a Path,
    pub(super) cache: &'a Path,
    pub(super) pip: &'a PipConfig,
    pub(super) offline: bool,
    pub(super) deadline: Instant,
}

impl Uv {
    /// Opens the program, so that it can be run without a right on the folders above it.
    pub(super) fn hold(program: &Path) -> io::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path).map(|folder| folder.join(program));
        let found = folders.find(|path| path.is_file());
        let held = File::open(found.as_deref().unwrap_or(program))?;
        Ok(Self {
            program: format!("/proc/self/fd/{}", held.as_raw_fd()).into(),
            _held: held,
        })
    }

    /// Writes the lock of `requirements`, wheels only. What stands in `lock` is preferred.
    pub(super) fn compile(
        &self,
        job: &Job<'_>,
        requirements: &Path,
        lock: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<(), EnvironmentError> {
        let mut uv = self.command(job, &["pip", "compile", "--generate-hashes"]);
        uv.args(["--no-header", "--no-annotate", "-o"])
            .arg(lock)
            .arg(requirements);
        run(&mut uv, Some(job.deadline), &mut remarks(progress)).map_err(packages)
    }

    /// Installs a lock into `target`.
    pub(super) fn install(
        &self,
        job: &Job<'_>,
        lock: &Path,
        target: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<(), EnvironmentError> {
        let mut uv = self.command(job, &["pip", "install", "--require-hashes", "--no-deps"]);
        uv.args(["--link-mode", "copy", "--target"])
            .arg(target)
            .arg("-r")
            .arg(lock);
        run(&mut uv, Some(job.deadline), &mut remarks(progress)).map_err(packages)
    }

    /// The indexes in the order in which uv asks them; the last one is its default.
    pub(super) fn indexes(
        &self,
        pip: &PipConfig,
        scratch: &Path,
    ) -> Result<Vec<String>, EnvironmentError> {
        let failed = |source| EnvironmentError::host("ask uv for its index", source);
        if let Some(index) = &pip.index_url {
            return Ok(pip
                .extra_index_urls
                .iter()
                .chain([index])
                .cloned()
                .collect());
        }
        let (input, output) = (scratch.join("none.in"), scratch.join("none.out"));
        std::fs::write(&input, "").map_err(failed)?;
        let mut uv = bare_command(&self.program);
        uv.env("HOME", "/nonexistent")
            .args([
                "pip",
                "compile",
                "--quiet",
                "--no-config",
                "--no-header",
                "--offline",
            ])
            .args(["--no-cache", "--emit-index-url", "-o"])
            .arg(&output)
            .arg(&input);
        run(&mut uv, None, &mut |_| {}).map_err(packages)?;
        let text = std::fs::read_to_string(output).map_err(failed)?;
        let default = text
            .lines()
            .find_map(|line| line.strip_prefix("--index-url "));
        let all = pip.extra_index_urls.iter().cloned();
        Ok(all
            .chain(default.map(|index| index.trim().to_owned()))
            .collect())
    }

    fn command(&self, job: &Job<'_>, start: &[&str]) -> Command {
        let mut uv = bare_command(&self.program);
        uv.current_dir(job.folder)
            .env("HOME", "/nonexistent")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env(
                "UV_HTTP_TIMEOUT",
                job.pip.timeout.as_secs().max(1).to_string(),
            )
            .env("UV_HTTP_RETRIES", job.pip.retries.to_string())
            .args(start)
            .args([
                "--only-binary",
                ":all:",
                "--no-config",
                "--color",
                "never",
                "--python",
            ])
            .arg(job.python)
            .arg("--cache-dir")
            .arg(job.cache);
        if job.offline {
            uv.arg("--offline");
        }
        if let Some(index) = &job.pip.index_url {
            uv.arg("--default-index").arg(index);
        }
        for index in &job.pip.extra_index_urls {
            uv.arg("--index").arg(index);
        }
        for host in &job.pip.trusted_hosts {
            uv.arg("--allow-insecure-host").arg(host);
        }
        uv
    }
}

/// What became of a step that a request's packages decide on.
pub(super) fn packages(failed: RunError) -> EnvironmentError {
    match failed {
        RunError::Failed(said) => EnvironmentError::Packages { said },
        RunError::TooLong => EnvironmentError::Packages {
            said: "it took too long; ask for fewer packages, or raise the operator's limit".into(),
        },
        RunError::Host(source) => EnvironmentError::host("run uv", source),
    }
}

/// The uid of this process.
pub(super) fn own_uid() -> io::Result<u32> {
    Ok(std::fs::metadata("/proc/self")?.uid())
}

/// Hands on how far uv is, until it tells an error: what follows is quoted at the end.
fn remarks(progress: &dyn Fn(Progress)) -> impl FnMut(&str) {
    let mut is_failing = false;
    move |line| {
        is_failing |= said::is_error(line);
        if !is_failing && !line.is_empty() {
            progress(step_of(line));
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_pinned_version_is_the_locked_one_and_hashed() {
        assert!(LOCK.contains(&format!("uv=={VERSION}")) && LOCK.contains("--hash=sha256:"));
        assert!(!LOCK.contains("://"), "a lock names no host");
    }

    #[test]
    fn an_error_is_no_remark() {
        let told = RefCell::new(Vec::new());
        let note = |progress: Progress| told.borrow_mut().push(progress.text);
        let mut each = remarks(&note);
        for line in [
            "Resolved 2 packages",
            "× No solution found:",
            "╰─▶ Because a",
            "and b",
        ] {
            each(line);
        }
        assert_eq!(*told.borrow(), ["Resolved 2 packages"]);
    }

    #[test]
    fn what_is_not_here_is_not_fetched_offline() {
        let tools = tempfile::tempdir().unwrap();
        let found = find_ours(tools.path(), Path::new("/x"), &Fetching::Offline).unwrap_err();
        assert!(found.to_string().contains("while offline"), "{found}");
        assert_eq!(std::fs::read_dir(tools.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_interpreter_without_venv_is_quoted_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python");
        std::fs::write(
            &python,
            "#!/bin/sh\necho ensurepip is not available\nexit 1\n",
        )
        .unwrap();
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tools = folder.path().join("tools");
        let error = find_ours(&tools, &python, &Fetching::Allowed(&|_| {})).unwrap_err();
        assert!(
            error.to_string().contains("ensurepip is not available"),
            "{error}"
        );
        let left = std::fs::read_dir(&tools).unwrap();
        let left: Vec<_> = left.map(|one| one.unwrap().file_name()).collect();
        assert_eq!(left, [".uv.lock"]);
    }

    #[test]
    fn phases_are_counted_in_order() {
        assert_eq!(step_of("Resolved 40 packages in 1ms").done, 1);
        assert_eq!(step_of("Installed 40 packages").done, 3);
        assert_eq!(step_of("Downloading numpy (17 MiB)").done, 0);
    }
}
