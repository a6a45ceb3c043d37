//! Calls the built program with a state folder of its own.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A home for one test: nothing of the caller's settings reaches the program.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `hognose` with `arguments` and `variables`, in this home.
    pub(crate) fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_hognose"));
        let state = self.path().join("state");
        command
            .env_clear()
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("HOGNOSE_STATE_DIR", state);
        command
            .envs(variables.iter().copied())
            .args(arguments)
            .output()
            .unwrap()
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
