//! Starts the release binary as a server for the corpus, as this user or as an ordinary one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::http::Endpoint;
use crate::recipes::{program, quiet, release_binary, target};

/// The user of the rootless runs: no passwd entry needs it, and no service has it.
const ORDINARY: u32 = 15001;
/// A first start builds the default environment.
const READY_TIMEOUT: Duration = Duration::from_secs(900);

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) endpoint: Endpoint,
    /// Where the server's standard error goes.
    pub(crate) log: PathBuf,
}

/// As whom a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Caller,
    Ordinary,
    /// Root in a mount namespace that has no cgroups, as in a container: the tier `nested`.
    Nested,
}

/// Starts the command that follows without cgroups, wherever they were mounted from.
const WITHOUT_CGROUPS: &str =
    r#"{ ! mountpoint -q /sys/fs/cgroup || umount -R /sys/fs/cgroup; } && exec "$0" "$@""#;

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match (self, is_root()) {
            (Self::Caller, true) => "root",
            (Self::Caller, false) => "this user",
            (Self::Ordinary, _) => "ordinary user",
            (Self::Nested, _) => "root without cgroups",
        }
    }

    /// Why this mode cannot run here.
    pub(crate) fn unavailable(self) -> Option<&'static str> {
        match self {
            Self::Caller => None,
            Self::Ordinary if !is_root() => Some("already an ordinary user"),
            Self::Ordinary if !quiet(program("setpriv").arg("--version")) => {
                Some("setpriv (util-linux) is missing")
            }
            Self::Nested if !is_root() => Some("needs root, to unmount the cgroups"),
            Self::Nested if !quiet(program("unshare").arg("--version")) => {
                Some("unshare (util-linux) is missing")
            }
            Self::Ordinary | Self::Nested => None,
        }
    }
}

/// How a server is started: as whom, on what, with what else.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    /// The guests' interpreter; `None` leaves the choice to the server.
    pub(crate) python: Option<PathBuf>,
    /// Further flags of `hognose serve`.
    pub(crate) flags: Vec<String>,
    /// What tells it from the same mode's ordinary server, such as `with preload numpy`.
    pub(crate) label: String,
}

impl Setup {
    /// An ordinary server.
    pub(crate) fn of(mode: Mode) -> Self {
        Self {
            mode,
            python: None,
            flags: Vec::new(),
            label: String::new(),
        }
    }

    /// The same with further flags, and called so.
    pub(crate) fn with(mut self, label: &str, flags: &[&str]) -> Self {
        label.clone_into(&mut self.label);
        self.flags.extend(flags.iter().map(|flag| (*flag).into()));
        self
    }

    /// The same on this state folder.
    pub(crate) fn on_state(mut self, state: &Path) -> Self {
        let flag = format!("--state-dir={}", state.display());
        self.flags.push(flag);
        self
    }

    /// Who runs it and what is special, for people and for the log's name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.mode.name(), self.label)
            .trim_end()
            .to_owned()
    }
}

/// Where the caller's server keeps its state.
pub(crate) fn state_dir() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    folder("HOGNOSE_STATE_DIR")
        .or_else(|| Some(folder("XDG_DATA_HOME")?.join("hognose")))
        .or_else(|| Some(folder("HOME")?.join(".local/share/hognose")))
}

/// A new state folder for a server beside the caller's; the default environments are the same ones.
pub(crate) fn second_state_dir(root: &Path) -> Result<PathBuf> {
    let own = state_dir().context("HOME is not set")?;
    let second = target(root).join("escapes-state");
    let _ = fs::remove_dir_all(&second);
    fs::create_dir_all(&second).with_context(|| format!("cannot make {}", second.display()))?;
    for shared in ["environments", "cache", "tools"] {
        fs::create_dir_all(own.join(shared))?;
        symlink(own.join(shared), second.join(shared))?;
    }
    Ok(second)
}

/// Whether `hognose serve` knows a flag.
pub(crate) fn offers(root: &Path, flag: &str) -> bool {
    let asked = program(release_binary(root))
        .args(["serve", "--help"])
        .output();
    asked.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .any(|word| word == flag)
    })
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Starts an ordinary server and waits until it says that it is ready.
pub(crate) fn start(root: &Path, mode: Mode) -> Result<Server> {
    start_as(root, &Setup::of(mode))
}

/// Starts a server and waits until it says that it is ready.
pub(crate) fn start_as(root: &Path, setup: &Setup) -> Result<Server> {
    let binary = release_binary(root);
    if !binary.is_file() {
        bail!(
            "{} is missing; run `cargo build --release` first",
            binary.display()
        );
    }
    let key = random_key()?;
    let log = target(root).join(format!("escapes-{}.log", setup.name().replace(' ', "-")));
    let mut command = match setup.mode {
        Mode::Caller => program(&binary),
        Mode::Ordinary => as_ordinary(&binary)?,
        Mode::Nested => without_cgroups(&binary),
    };
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    if setup.mode == Mode::Nested {
        command.args(["--min-tier", "nested"]);
    }
    command.args(&setup.flags).env("HOGNOSE_API_KEY", &key);
    if let Some(python) = &setup.python {
        command.arg("--python").arg(python);
    }
    let errors =
        fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .context("cannot start hognose serve")?;
    let lines = first_lines(&mut child)?;
    match ready_address(&lines, &mut child) {
        Ok(address) => Ok(Server {
            child,
            endpoint: Endpoint { address, key },
            log,
        }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read_to_string(&log).unwrap_or_default();
            Err(error.context(said.lines().rev().take(5).collect::<Vec<_>>().join(" / ")))
        }
    }
}

/// The binary as root where no cgroup is mounted; what it becomes keeps its pid.
fn without_cgroups(binary: &Path) -> Command {
    let mut command = program("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .args([WITHOUT_CGROUPS])
        .arg(binary);
    command
}

/// The binary as the ordinary user, who gets a copy of it and nothing of our folders.
fn as_ordinary(binary: &Path) -> Result<Command> {
    let home = ordinary_home()?;
    let copy = home.join("hognose");
    let fresh = home.join("hognose.new");
    fs::copy(binary, &fresh)
        .with_context(|| format!("cannot copy the binary to {}", fresh.display()))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    fs::rename(&fresh, &copy)?;
    let id = ORDINARY.to_string();
    let mut command = program("setpriv");
    command
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
        .arg(copy)
        .current_dir(&home);
    command
        .env("HOME", &home)
        .env("HOGNOSE_STATE_DIR", home.join("state"));
    for other in [
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
        "TMPDIR",
    ] {
        command.env_remove(other);
    }
    Ok(command)
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether `print(1)` still works, and how long it took.
    pub(crate) fn is_healthy(&self) -> Result<Duration> {
        let before = Instant::now();
        let answer = self
            .endpoint
            .post("/v1/executions", &json!({"source": "print(1)"}))?
            .json()?;
        if answer["outcome"]["kind"] != "completed" || answer["stdout"] != "1\n" {
            bail!("the health check answered {answer}");
        }
        Ok(before.elapsed())
    }

    /// Asks for the end and waits for it.
    ///
    /// Errors: the server did not end within 20 s of SIGTERM, or not with status 0.
    pub(crate) fn stop(mut self) -> Result<()> {
        signal(self.pid(), "TERM");
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    bail!("the server ended with {status}")
                };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not end within 20 s of SIGTERM")
    }

    /// Kills it at once and reaps it.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal by name; a process that is gone is no error.
pub(crate) fn signal(pid: u32, name: &str) {
    quiet(program("kill").args([&format!("-{name}"), &pid.to_string()]));
}

/// A random number, for moments and victims.
pub(crate) fn random(below: usize) -> usize {
    let mut bytes = [0_u8; 4];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    let number = if read.is_ok() {
        u32::from_le_bytes(bytes)
    } else {
        0
    };
    usize::try_from(number).unwrap_or(0) % below.max(1)
}

fn random_key() -> Result<String> {
    let mut bytes = [0_u8; 24];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A home that the ordinary user owns and that stays between runs, so that its environment is
/// built once. It lies outside the target folder, which that user often cannot enter.
fn ordinary_home() -> Result<PathBuf> {
    let home = std::env::temp_dir().join(format!("hognose-escapes-{ORDINARY}"));
    match fs::create_dir(&home) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    // Someone else's folder of that name must not be trusted with a binary that root starts.
    if !fs::symlink_metadata(&home)?.is_dir() {
        bail!("{} is not a folder; remove it", home.display());
    }
    chown(&home, Some(ORDINARY), Some(ORDINARY))?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
    Ok(home)
}

fn first_lines(child: &mut Child) -> Result<mpsc::Receiver<String>> {
    let stdout = child.stdout.take().context("no stdout")?;
    let (sender, lines) = mpsc::channel();
    // Reads on after the first line, so that the server never meets a closed pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    Ok(lines)
}

fn ready_address(lines: &mpsc::Receiver<String>, child: &mut Child) -> Result<String> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while Instant::now() < deadline {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                if let Some((_, rest)) = line.split_once("http://") {
                    let end = rest
                        .find(|c: char| c == '/' || c.is_whitespace())
                        .unwrap_or(rest.len());
                    return Ok(rest[..end].to_owned());
                }
            }
            Err(_) => {
                if let Some(status) = child.try_wait()? {
                    bail!("hognose serve ended with {status} before it was ready");
                }
            }
        }
    }
    bail!("hognose serve was not ready within {READY_TIMEOUT:?}")
}
