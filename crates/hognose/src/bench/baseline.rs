//! What executions are compared with: processes of the environment's own interpreter.
//!
//! They are started and waited for by this process, which is cheaper than Python's `subprocess`.
//! Each runs in a bare venv, because a host's interpreter may have `.pth` files that import half a
//! site at every start: a guest does not see them, and they would flatter us.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stepflow_python::Environment;

use super::lane::Lane;
use super::program::{PRINT, PRINTED, STACK};

/// A program that is started, read to its end and reaped in every round.
pub(crate) struct Process {
    command: Command,
}

impl Process {
    /// `python -c 'print(1)'` as it is, unsandboxed.
    pub(crate) fn python(venv: &Venv) -> Self {
        let mut command = command(&venv.python, &venv.folder);
        command.args(["-c", PRINT]);
        Self { command }
    }

    /// The same inside bubblewrap, with namespaces of its own and everything read-only.
    pub(crate) fn bubblewrap(bwrap: &Path, venv: &Venv) -> Self {
        let mut command = command(bwrap, &venv.folder);
        command
            .args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"])
            .args(["--dev", "/dev", "--proc", "/proc", "--"])
            .arg(&venv.python)
            .args(["-c", PRINT]);
        Self { command }
    }

    /// A fresh interpreter that imports the venv's packages, unsandboxed.
    pub(crate) fn stack(venv: &Venv) -> Self {
        let mut command = command(&venv.python, &venv.folder);
        command
            .args(["-c", STACK])
            .env("MPLCONFIGDIR", venv.folder.join(MATPLOTLIB))
            // As a zygote has it; else OpenBLAS starts a thread per processor.
            .env("OPENBLAS_NUM_THREADS", "1")
            // The packages are compiled already, and nothing of ours is left in them.
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Self { command }
    }
}

/// Where a venv has matplotlib's settings and font list, which it may write to.
const MATPLOTLIB: &str = "matplotlib";

/// The environment's interpreter with packages of ours or none, and none of the host's.
#[derive(Debug, Clone)]
pub(crate) struct Venv {
    folder: PathBuf,
    python: PathBuf,
}

impl Venv {
    /// Without packages.
    pub(crate) fn bare(environment: &Environment, folder: &Path) -> Result<Self> {
        Self::make(environment, folder).context("cannot make a venv for the baselines")
    }

    /// With the packages of the environment.
    pub(crate) fn with_packages(environment: &Environment, folder: &Path) -> Result<Self> {
        let packages = || {
            let venv = Self::make(environment, folder)?;
            let library = format!("lib/{}", environment.interpreter.name());
            fs::create_dir_all(folder.join(&library))?;
            let site = format!("{library}/site-packages");
            symlink(environment.root.join(&site), folder.join(&site))?;
            let settings = environment.root.join("share/matplotlib");
            copy_files(&settings, &folder.join(MATPLOTLIB)).map(|()| venv)
        };
        packages().context("cannot make a venv with packages for the baselines")
    }

    /// Source: docs.python.org, `venv`, "How venvs work"; PEP 405.
    fn make(environment: &Environment, folder: &Path) -> io::Result<Self> {
        let executable = &environment.interpreter.executable;
        let python = folder.join("bin/python3");
        fs::create_dir_all(folder.join("bin"))?;
        symlink(executable, &python)?;
        let home = executable.parent().unwrap_or(executable).display();
        let settings = format!("home = {home}\ninclude-system-site-packages = false\n");
        fs::write(folder.join("pyvenv.cfg"), settings)?;
        Ok(Self {
            folder: folder.to_owned(),
            python,
        })
    }
}

impl Lane for Process {
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    fn round(&mut self) -> Result<Vec<Duration>> {
        let asked = Instant::now();
        let output = self.command.output().context("cannot start a baseline")?;
        let whole = asked.elapsed();
        if !output.status.success() || output.stdout != PRINTED.as_bytes() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().next_back().unwrap_or("nothing");
            bail!("a baseline ended with {} and said: {last}", output.status);
        }
        Ok(vec![whole])
    }
}

/// With no variable of the caller: settings of other Pythons would change what is measured.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = super::command(program);
    command
        .env_clear()
        .env("LANG", "C.UTF-8")
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
