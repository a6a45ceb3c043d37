//! Calls the built program with a state folder of its own.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A home for one test: nothing of the caller's settings reaches the program.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    /// `PATH`, to find interpreters where something is started.
    path: Option<OsString>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            path: None,
        }
    }

    /// The same with the environments of whoever runs the tests: the default one takes long to build.
    pub(crate) fn with_environments() -> Self {
        let home = Self {
            path: std::env::var_os("PATH"),
            ..Self::new()
        };
        let known = |name| std::env::var_os(name).map(PathBuf::from);
        let own = known("HOGNOSE_STATE_DIR")
            .or_else(|| Some(known("XDG_DATA_HOME")?.join("hognose")))
            .or_else(|| Some(known("HOME")?.join(".local/share/hognose")));
        let (own, state) = (own.unwrap(), home.path().join("state"));
        fs::create_dir(&state).unwrap();
        for shared in ["environments", "cache", "tools"] {
            symlink(own.join(shared), state.join(shared)).unwrap();
        }
        // A server that gave up root passes through.
        for folder in [home.path(), &state] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
        }
        home
    }

    /// The address of a package index of tiny wheels, and of more, written `name==version`.
    pub(crate) fn index(&self, more: &[&str]) -> String {
        let folder = self.path().join("packages/index");
        fs::create_dir_all(&folder).unwrap();
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../stepflow-python/tests/it/index.py"
        );
        #[expect(clippy::disallowed_methods, reason = "makes the packages of a test")]
        let mut python = Command::new("python3");
        let made = python.arg(script).arg(&folder).args(more).status();
        assert!(made.unwrap().success());
        format!("file://{}", folder.display())
    }

    /// The interpreter that is found first.
    pub(crate) fn python(&self) -> String {
        let path = self.path.as_ref().unwrap();
        let mut found = std::env::split_paths(path).map(|folder| folder.join("python3"));
        let found = found.find(|path| path.is_file()).unwrap();
        found.to_str().unwrap().to_owned()
    }

    /// Starts a server of this home and waits until it listens.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// The same with variables.
    pub(crate) fn serve_with(&self, variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"], variables);
        let log = fs::File::create(self.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains("listening"), "{line}");
        Server(child)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `hognose` with `arguments` and `variables`, in this home.
    pub(crate) fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(arguments, variables).output().unwrap()
    }

    /// The same, not started yet.
    pub(crate) fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_hognose"));
        let state = self.path().join("state");
        command
            .env_clear()
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("HOGNOSE_STATE_DIR", state);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command.envs(variables.iter().copied()).args(arguments);
        command
    }

    /// The one line on standard error of a call that is our own error.
    pub(crate) fn refused(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.call(arguments, variables);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
        said
    }
}

/// A running server; a test that fails kills it.
pub(crate) struct Server(Child);

impl Server {
    /// Asks for its end and waits for it.
    pub(crate) fn stop(mut self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a signal for the program under test"
        )]
        let mut kill = Command::new("kill");
        assert!(
            kill.arg(self.0.id().to_string())
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
