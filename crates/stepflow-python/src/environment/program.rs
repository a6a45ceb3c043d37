//! Programs that a build calls: found by name, told few variables, quoted when they fail.
//!
//! None of them outlives the thread that called it, which waits for it: not even where this process
//! is killed.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{EnvironmentError, ending};

/// Certificates are looked for here when the caller has not said where they are.
const CERTIFICATES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// How often it is looked whether a program has to be ended.
const PULSE: Duration = Duration::from_millis(100);

/// Runs a program to its end, handing on its stderr line by line.
///
/// Errors: what we were doing and its last lines.
pub(super) fn follow(
    command: &mut Command,
    doing: &str,
    each: &mut dyn FnMut(&str),
) -> Result<(), EnvironmentError> {
    run(command, None, each).map_err(|failed| match failed {
        RunError::Failed(said) => EnvironmentError::Tool {
            doing: doing.to_owned(),
            said,
        },
        RunError::TooLong => EnvironmentError::host(doing, io::ErrorKind::TimedOut.into()),
        RunError::Host(source) => EnvironmentError::host(doing, source),
    })
}

/// Why a program did not do its work.
pub(super) enum RunError {
    /// Its last lines.
    Failed(String),
    /// It was killed at its deadline.
    TooLong,
    /// It could not be run.
    Host(io::Error),
}

/// A child that does not outlive its caller.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end or its deadline, handing on its stderr line by line.
pub(super) fn run(
    command: &mut Command,
    deadline: Option<Instant>,
    each: &mut dyn FnMut(&str),
) -> Result<(), RunError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = Killed(command.spawn().map_err(RunError::Host)?);
    let (sender, lines) = channel();
    let pipe = child.0.stderr.take();
    std::thread::spawn(move || {
        let lines = pipe
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines());
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let mut last = Vec::new();
    loop {
        ending::check().map_err(RunError::Host)?;
        if deadline.is_some_and(|end| Instant::now() >= end) {
            return Err(RunError::TooLong);
        }
        match lines.recv_timeout(PULSE) {
            Ok(line) => {
                each(line.trim());
                last.push(line);
                last.drain(..last.len().saturating_sub(12));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    let status = child.0.wait().map_err(RunError::Host)?;
    if status.success() {
        return Ok(());
    }
    Err(RunError::Failed(last.join("\n").trim().to_owned()))
}

/// A command with the variables that a build may know, and nothing else of ours.
pub(super) fn bare_command(program: &Path) -> Command {
    const KNOWN: [&str; 9] = [
        "path",
        "lang",
        "ssl_cert_file",
        "ssl_cert_dir",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "tmpdir",
    ];
    let mut command = command(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_lowercase();
        if !KNOWN.contains(&text.as_str()) && !text.starts_with("uv_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A command with the caller's variables but those that would change an interpreter. Whoever starts
/// it waits for it in the same thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the module that calls uv and its interpreters"
)]
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_pythons(name)) {
        command.env_remove(name);
    }
    if std::env::var_os("SSL_CERT_FILE").is_none()
        && let Some(file) = CERTIFICATES.iter().find(|file| Path::new(file).exists())
    {
        command.env("SSL_CERT_FILE", file);
    }
    engine::die_with_caller(&mut command);
    command
}

fn is_pythons(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with("PYTHON")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let mut shell = command(Path::new("/bin/sh"));
        let error = follow(
            shell.args(["-c", "echo one >&2; exit 3"]),
            "try",
            &mut |_| {},
        )
        .unwrap_err();
        assert!(error.to_string().contains("cannot try"), "{error}");
        assert!(error.to_string().contains("one"), "{error}");
    }

    #[test]
    fn a_program_ends_with_the_thread_that_started_it() {
        let start = || command(Path::new("sleep")).arg("600").spawn().unwrap();
        let mut sleeping = std::thread::spawn(start).join().unwrap();
        assert_eq!(sleeping.wait().unwrap().signal(), Some(9));
    }
}
