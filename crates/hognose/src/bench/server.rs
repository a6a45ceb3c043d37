//! A server that is measured: started with its defaults and nothing of the caller's settings, in a
//! state folder of its own that only shares environments.
//!
//! It does not outlive us. A shell holds the other end of a pipe of ours and asks the server to end
//! once that pipe does, whether we close it or are killed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stepflow_python::Tier;

use super::cancel::Cancel;
use super::client::{Accept, Endpoint};
use super::machine::random_hex;
use super::program;
use super::scratch::make_folder;

/// A first start of another binary may build its own environment.
const READY: Duration = Duration::from_secs(900);
/// A server drains for 30 s and its engine leaves within 5 more. Source: docs/cli.md.
const FAREWELL: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_millis(20);
/// Folders of a state folder that servers may share.
const SHARED: [&str; 3] = ["environments", "cache", "tools"];
/// Sends SIGTERM to its argument at the end of its input.
const LIFELINE: &str = "read -r _; kill -TERM \"$1\"";

/// What every server of a run has in common.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The state folder whose environments are used.
    pub(crate) state: PathBuf,
    /// Where servers get folders of their own.
    pub(crate) folder: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) min_tier: Tier,
    /// The caller's variables, without settings of ours.
    pub(crate) variables: Vec<(String, String)>,
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    watcher: Child,
    lifeline: Option<ChildStdin>,
    address: SocketAddr,
    socket: PathBuf,
    key: String,
    log: PathBuf,
}

/// Whether a binary has `serve --preload`.
pub(crate) fn has_preload_flag(binary: &Path) -> Result<bool> {
    let output = super::command(binary)
        .args(["serve", "--help"])
        .stdin(Stdio::null())
        .output();
    let output = output.with_context(|| format!("cannot run `{}`", binary.display()))?;
    if !output.status.success() {
        bail!("`{}` does not know `serve --help`", binary.display());
    }
    Ok(String::from_utf8_lossy(&output.stdout).contains("--preload "))
}

impl Server {
    /// Starts `binary` as a server and waits until it listens. `name` is its folder.
    pub(crate) fn start(
        setting: &Setting,
        binary: &Path,
        name: &str,
        preload: Option<&str>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let state = state_folder(setting, name)?;
        let key = random_hex(24)?;
        let log = state.join("log");
        let mut command = super::command(binary);
        command
            .env_clear()
            .envs(setting.variables.iter().cloned())
            .env("HOGNOSE_API_KEY", &key)
            // Nothing of an `.env` reaches it.
            .current_dir(&state)
            .args(["serve", "--listen", "127.0.0.1:0", "--state-dir"])
            .arg(&state)
            .arg("--python")
            .arg(&setting.python)
            .args(["--min-tier", setting.min_tier.name()]);
        if let Some(preload) = preload {
            command.args(["--preload", preload]);
        }
        let log_file = File::create(&log).context("cannot write a server's log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn();
        let child = child.with_context(|| format!("cannot start `{}`", binary.display()))?;
        let socket = state.join("hognose.sock");
        Self::watch(child, socket, key, log)?.listening(cancel)
    }

    fn watch(mut child: Child, socket: PathBuf, key: String, log: PathBuf) -> Result<Self> {
        let watcher = super::command(Path::new("sh"))
            .args(["-c", LIFELINE, "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watcher {
            Ok(mut watcher) => Ok(Self {
                lifeline: watcher.stdin.take(),
                child,
                watcher,
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                socket,
                key,
                log,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error).context("cannot start the shell that ends a server with us")
            }
        }
    }

    fn listening(mut self, cancel: &Cancel) -> Result<Self> {
        let stdout = self
            .child
            .stdout
            .take()
            .context("a server without output")?;
        let (sender, lines) = mpsc::channel();
        // Reads on after the first line, so that the server never meets a closed pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            cancel.check()?;
            let line = lines.recv_timeout(POLL);
            if let Ok(line) = line {
                let address = line
                    .split_once("http://")
                    .map(|(_, rest)| rest.trim().parse());
                if let Some(address) = address {
                    self.address = address.context("a server told an odd address")?;
                    return Ok(self);
                }
            } else if self.has_ended() {
                bail!("a server ended before it listened; {}", self.last_words());
            }
        }
        bail!(
            "a server did not listen within {READY:?}; {}",
            self.last_words()
        )
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn tcp(&self) -> Endpoint {
        Endpoint::Tcp(self.address)
    }

    pub(crate) fn unix(&self) -> Endpoint {
        Endpoint::Unix(self.socket.clone())
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs every program once, so that no row waits for a first import.
    pub(crate) fn warm(&self, sources: &[&str]) -> Result<()> {
        let mut connection = self.tcp().connect()?;
        for source in sources {
            let body = program::body(source);
            let request = self.tcp().request(&self.key, Accept::Whole, &body);
            let status = connection.exchange(&request, |_| {})?;
            if status != 200 {
                let said = String::from_utf8_lossy(connection.body());
                bail!("a server answered {status}: {said}; {}", self.last_words());
            }
        }
        Ok(())
    }

    /// Asks for the end and waits for it.
    ///
    /// Errors: it did not end in time, or not with exit code 0.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.lifeline.take());
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline {
            // The shell first: it must not signal a number that has become somebody else's.
            if self.watcher.try_wait()?.is_some()
                && let Some(status) = self.child.try_wait()?
            {
                if status.success() {
                    return Ok(());
                }
                bail!("a server ended with {status}; {}", self.last_words());
            }
            std::thread::sleep(POLL);
        }
        bail!("a server did not end within {FAREWELL:?} of SIGTERM")
    }

    fn has_ended(&mut self) -> bool {
        // Asked without reaping it: the shell may still name its number.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        stat.is_ok_and(|line| {
            line.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('Z'))
        })
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or("nothing");
        format!("its log ends: {last}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A state folder of its own that shares the caller's environments.
fn state_folder(setting: &Setting, name: &str) -> Result<PathBuf> {
    let folder = setting.folder.join(name);
    make_folder(&folder).context("cannot make a server's folder")?;
    for shared in SHARED {
        let target = setting.state.join(shared);
        if target.is_dir() {
            symlink(&target, folder.join(shared)).context("cannot share the environments")?;
        }
    }
    Ok(folder)
}
