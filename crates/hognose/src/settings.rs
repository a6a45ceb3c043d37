//! Settings from their sources: flag, then `HOGNOSE_*`, then the seed's variable, then both in `.env` in
//! the working directory, then the default. A wrong value is refused, naming where it stood and what would be right.
//!
//! The only module that reads variables. An empty variable counts as absent.

mod dotenv;
mod environments;
mod known;
mod stepflow;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use server::ApiKey;
use stepflow_python::executor::source;
use stepflow_python::{
    ExecutorConfig, LimitOverrides, LimitPolicy, MOST_SLOTS, ParserConfig, SecurityLevel, Tier,
};
use tracing_subscriber::filter::Targets;

use crate::arguments::CommonArguments;
use crate::limits;

const DEFAULT_LISTEN: &str = "127.0.0.1:8726";
/// Memory for sandboxes that wait: about 150 of the full preload.
const DEFAULT_POOL_BYTES: u64 = 192 << 20;

/// Where values come from, beside flags.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    variables: HashMap<String, String>,
    dotenv: HashMap<String, String>,
}

/// A value and where it stood.
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) origin: String,
}

/// What every command needs to know.
#[derive(Debug)]
pub(crate) struct Common {
    /// Absolute; made by [`Common::create_state_dir`].
    pub(crate) state_dir: PathBuf,
    /// The interpreter to take instead of the first usable one.
    pub(crate) python: Option<PathBuf>,
    /// The weakest tier that may serve.
    pub(crate) min_tier: Tier,
    /// The preload of every execution.
    pub(crate) preload: Option<String>,
    /// Whether zygotes do without a snapshot.
    pub(crate) plain: bool,
    /// Whether environments are built of what was downloaded before.
    pub(crate) offline: bool,
}

/// Which program of the host is run, whose programs and how weak a sandbox is enough. Somebody who
/// runs unread code stands in its folder, so that folder's `.env` has no say in them.
const OUTSIDE: [&str; 4] = [
    "HOGNOSE_PYTHON",
    "HOGNOSE_STATE_DIR",
    "HOGNOSE_CONDA",
    "HOGNOSE_MIN_TIER",
];

impl Sources {
    /// Reads this process's variables and `.env`, which has a say in everything for an operator's
    /// commands alone (`for_operator`).
    ///
    /// Errors: an `.env` that is there and cannot be read, or says what it has no say in; a name that
    /// is no setting's.
    pub(crate) fn read(for_operator: bool) -> anyhow::Result<Self> {
        let dotenv = match fs::read_to_string(".env") {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("cannot read `.env` in the working directory"),
        };
        let mut variables = HashMap::new();
        for (name, value) in std::env::vars_os() {
            let (Some(name), value) = (name.to_str(), value.into_string()) else {
                continue;
            };
            match value {
                Ok(value) => drop(variables.insert(name.to_owned(), value)),
                Err(_) if name.starts_with(known::PREFIX) || name.starts_with(stepflow::PREFIX) => {
                    bail!("{name} must be UTF-8 text")
                }
                Err(_) => {}
            }
        }
        let dotenv = dotenv::parse(&dotenv)?;
        known::check(&variables, "")?;
        known::check(&dotenv, " in .env")?;
        stepflow::check(&variables, "")?;
        stepflow::check(&dotenv, " in .env")?;
        if !for_operator {
            refuse_outside(&dotenv)?;
        }
        Ok(Self { variables, dotenv })
    }

    /// The value of a setting, from the first source that has one.
    pub(crate) fn find(
        &self,
        flag: Option<&str>,
        flag_name: &str,
        variable: &str,
    ) -> Option<Found> {
        let of = |text: Option<&str>, origin: String| {
            text.map(|text| Found {
                text: text.to_owned(),
                origin,
            })
        };
        of(flag, flag_name.to_owned())
            .or_else(|| of(set(&self.variables, variable), variable.to_owned()))
            .or_else(|| stepflow::find(&self.variables, variable, ""))
            .or_else(|| of(set(&self.dotenv, variable), format!("{variable} in .env")))
            .or_else(|| stepflow::find(&self.dotenv, variable, " in .env"))
    }

    /// Settings of every command.
    pub(crate) fn common(&self, flags: &CommonArguments) -> anyhow::Result<Common> {
        let state_dir = self.find(
            flags.state_dir.as_deref(),
            "--state-dir",
            "HOGNOSE_STATE_DIR",
        );
        let state_dir = match state_dir {
            Some(found) => refuse_empty(&found, "name a folder").map(PathBuf::from)?,
            None => self.default_state_dir()?,
        };
        let state_dir =
            std::path::absolute(&state_dir).context("cannot find the working directory")?;
        let python = self.find(flags.python.as_deref(), "--python", "HOGNOSE_PYTHON");
        let python = python
            .map(|found| refuse_empty(&found, "name an interpreter").map(PathBuf::from))
            .transpose()?;
        let tier = self.find(flags.min_tier.as_deref(), "--min-tier", "HOGNOSE_MIN_TIER");
        let min_tier = match tier {
            Some(found) => found
                .text
                .parse()
                .map_err(|told| anyhow::anyhow!("{}: {told}", found.origin))?,
            None => Tier::Rootless,
        };
        let preload = self.find(flags.preload.as_deref(), "--preload", "HOGNOSE_PRELOAD");
        Ok(Common {
            state_dir,
            python,
            min_tier,
            preload: preload.map(|found| found.text),
            plain: flags.plain || self.switch("HOGNOSE_PLAIN")?,
            offline: self.switch("HOGNOSE_OFFLINE")?,
        })
    }

    /// Source: XDG Base Directory Specification.
    fn default_state_dir(&self) -> anyhow::Result<PathBuf> {
        let absolute =
            |name| set(&self.variables, name).filter(|path| Path::new(path).is_absolute());
        if let Some(data) = absolute("XDG_DATA_HOME") {
            return Ok(Path::new(data).join("hognose"));
        }
        let home = absolute("HOME").context("HOME is not set: name a folder with --state-dir")?;
        Ok(Path::new(home).join(".local/share/hognose"))
    }

    /// The address to listen on.
    pub(crate) fn listen(&self, flag: Option<&str>) -> anyhow::Result<SocketAddr> {
        let found = self
            .find(flag, "--listen", "HOGNOSE_LISTEN")
            .unwrap_or_else(|| Found {
                text: DEFAULT_LISTEN.to_owned(),
                origin: "the default".to_owned(),
            });
        let resolved = found
            .text
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next());
        resolved.with_context(|| {
            format!(
                "{} is `{}`; use HOST:PORT, such as {DEFAULT_LISTEN}",
                found.origin, found.text
            )
        })
    }

    /// The key an operator chose, if any.
    pub(crate) fn api_key(&self, flag: Option<&str>) -> anyhow::Result<Option<ApiKey>> {
        let found = self.find(flag, "--api-key", "HOGNOSE_API_KEY");
        // The value is a secret: no message repeats it.
        found
            .map(|found| ApiKey::new(&found.text).context(found.origin))
            .transpose()
    }

    /// Executions at once.
    pub(crate) fn slots(&self, flag: Option<&str>) -> anyhow::Result<usize> {
        let Some(found) = self.find(flag, "--slots", "HOGNOSE_SLOTS") else {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            return Ok((2 * processors).clamp(4, MOST_SLOTS));
        };
        let slots = found
            .text
            .parse()
            .ok()
            .filter(|slots| (1..=MOST_SLOTS).contains(slots));
        slots.with_context(|| {
            format!(
                "{} is `{}`; use a whole number from 1 to {MOST_SLOTS}",
                found.origin, found.text
            )
        })
    }

    /// Memory for sandboxes that wait for a program.
    pub(crate) fn pool_bytes(&self, flag: Option<&str>) -> anyhow::Result<u64> {
        let Some(found) = self.find(flag, "--pool-bytes", "HOGNOSE_POOL_BYTES") else {
            return Ok(DEFAULT_POOL_BYTES);
        };
        amount(&found, "192M, or 0")
    }

    /// The policy level that a call asks for.
    pub(crate) fn policy(&self, flag: Option<&str>) -> anyhow::Result<SecurityLevel> {
        self.level(flag, "--policy", "HOGNOSE_POLICY")
    }

    /// The policy level that no request of a server goes below.
    pub(crate) fn policy_floor(&self, flag: Option<&str>) -> anyhow::Result<SecurityLevel> {
        self.level(flag, "--policy-floor", "HOGNOSE_POLICY_FLOOR")
    }

    fn level(
        &self,
        flag: Option<&str>,
        name: &str,
        variable: &str,
    ) -> anyhow::Result<SecurityLevel> {
        let Some(found) = self.find(flag, name, variable) else {
            return Ok(SecurityLevel::default());
        };
        let level = found.text.parse();
        level.map_err(|told: String| anyhow::anyhow!("{}: {told}", found.origin))
    }

    /// A variable that is a whole number, if it is set.
    fn whole(&self, variable: &str, least: u32) -> anyhow::Result<Option<u32>> {
        let Some(found) = self.find(None, "", variable) else {
            return Ok(None);
        };
        let number = found.text.parse().ok().filter(|number| *number >= least);
        let wrong = || {
            format!(
                "{} is `{}`; use a whole number from {least}",
                found.origin, found.text
            )
        };
        number.with_context(wrong).map(Some)
    }

    /// A variable that is `1` or `0`, or `true` or `false`; off without one.
    fn switch(&self, variable: &str) -> anyhow::Result<bool> {
        self.switch_or(variable, false)
    }

    fn switch_or(&self, variable: &str, default: bool) -> anyhow::Result<bool> {
        match self.find(None, "", variable) {
            None => Ok(default),
            Some(found) => match found.text.to_ascii_lowercase().as_str() {
                "1" | "true" => Ok(true),
                "0" | "false" => Ok(false),
                _ => bail!("{} is `{}`; use 1 or 0", found.origin, found.text),
            },
        }
    }

    /// Words with commas or blanks between them.
    fn list(&self, variable: &str) -> Vec<String> {
        let found = self.find(None, "", variable);
        let text = found.map(|found| found.text).unwrap_or_default();
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    /// How sources are read, and which imports the operator lets pass.
    pub(crate) fn parser(&self) -> anyhow::Result<ParserConfig> {
        let default = ParserConfig::default();
        Ok(ParserConfig {
            enable_ast_parsing: self.switch_or("HOGNOSE_AST_PARSING", true)?,
            enable_dependency_analysis: self.switch_or("HOGNOSE_DEPENDENCY_ANALYSIS", true)?,
            allowed_imports: self.list("HOGNOSE_ALLOWED_IMPORTS"),
            blocked_imports: self.list("HOGNOSE_BLOCKED_IMPORTS"),
            max_code_size: self.most_source()?.map_or(default.max_code_size, |most| {
                usize::try_from(most).map_or(default.max_code_size, |most| {
                    most.min(default.max_code_size)
                })
            }),
            ..default
        })
    }

    /// The longest source of all, where the seed's variable says it: its limits are maxima.
    fn most_source(&self) -> anyhow::Result<Option<u64>> {
        let found = self.find(None, "", "HOGNOSE_SOURCE_BYTES");
        let of_the_seed = found.filter(|found| found.origin.starts_with(stepflow::PREFIX));
        let most = of_the_seed.map(|found| limits::bytes(&found.text).context(found.origin));
        most.transpose()
    }

    /// How programs are run, in the seed's words. Errors: a sandbox that is switched off.
    pub(crate) fn check_executor(&self) -> anyhow::Result<()> {
        let config = ExecutorConfig {
            enable_sandboxing: self.switch_or("HOGNOSE_SANDBOXING", true)?,
            enable_resource_monitoring: self.switch_or("HOGNOSE_RESOURCE_MONITORING", true)?,
            ..ExecutorConfig::default()
        };
        Ok(config.check()?)
    }

    /// What is logged: a level, or levels by target (`info,hyper=debug`).
    pub(crate) fn log_filter(&self, default: &str) -> anyhow::Result<Targets> {
        let found = self.find(None, "", "HOGNOSE_LOG");
        let text = found.as_ref().map_or(default, |found| &found.text);
        let origin = found.as_ref().map_or("the default", |found| &found.origin);
        text.parse::<Targets>()
            .with_context(|| format!("{origin} is `{text}`; use a level such as `info`, or `off`"))
    }

    /// Every variable that is no setting of ours, for a process with settings of its own.
    pub(crate) fn foreign(&self) -> Vec<(String, String)> {
        let foreign = self
            .variables
            .iter()
            .filter(|(name, _)| !name.starts_with(known::PREFIX));
        foreign
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The program `name` on `PATH`.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let runs = |path: &PathBuf| {
            fs::metadata(path)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        let folders = std::env::split_paths(set(&self.variables, "PATH")?);
        folders.map(|folder| folder.join(name)).find(runs)
    }

    /// Defaults of limits by flag and variable; the maxima stay.
    pub(crate) fn limit_policy(&self, pairs: &[String]) -> anyhow::Result<LimitPolicy> {
        let mut wish = LimitOverrides::default();
        for name in limits::NAMES {
            let variable = format!("HOGNOSE_{}", name.to_ascii_uppercase());
            if let Some(found) = self.find(None, "", &variable) {
                limits::set(&mut wish, name, &found.text).context(found.origin)?;
            }
        }
        let wall = self.find(None, "", "HOGNOSE_WALL_MS");
        if wall.is_some_and(|found| found.origin.starts_with(stepflow::PREFIX)) {
            // The seed has one timeout: a program that computes all the time has all of it.
            wish.cpu_ms = wish.cpu_ms.or(source::cpu_ms(wish.wall_ms));
        }
        for pair in pairs {
            limits::set_pair(&mut wish, pair)?;
        }
        let mut policy = LimitPolicy::default();
        if let Some(most) = self.most_source()? {
            policy.maxima.source_bytes = most;
        }
        policy.defaults = policy.resolve(&wish)?;
        Ok(policy)
    }
}

impl Common {
    /// Makes the state folder if need be; only its owner can list it.
    ///
    /// Others may pass through: a server that gave up root still reaches its artifacts below.
    pub(crate) fn create_state_dir(&self) -> anyhow::Result<()> {
        if let Some(parent) = self.state_dir.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot create the folder `{}`", parent.display()))?;
        }
        match fs::DirBuilder::new().mode(0o711).create(&self.state_dir) {
            Err(error) if !self.state_dir.is_dir() => Err(error).with_context(|| {
                format!(
                    "cannot create the state folder `{}`",
                    self.state_dir.display()
                )
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The unix socket of the server that uses this state folder.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state_dir.join("hognose.sock")
    }
}

/// Errors: an `.env` that sets what decides on the host outside of any sandbox.
fn refuse_outside(dotenv: &HashMap<String, String>) -> anyhow::Result<()> {
    for variable in OUTSIDE {
        let own = set(dotenv, variable).map(|_| variable.to_owned());
        let found = own.or_else(|| Some(stepflow::find(dotenv, variable, "")?.origin));
        if let Some(name) = found {
            bail!(
                "{name} in .env decides what runs outside of the sandbox, which the `.env` of a folder may do for `hognose serve` alone: set it as a variable, or as a flag"
            );
        }
    }
    Ok(())
}

fn set<'a>(values: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    values
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// A number of bytes. `example` is one that would be right.
fn amount(found: &Found, example: &str) -> anyhow::Result<u64> {
    let (origin, text) = (&found.origin, &found.text);
    limits::bytes(text)
        .with_context(|| format!("{origin} is `{text}`; use a number of bytes, such as {example}"))
}

fn refuse_empty(found: &Found, remedy: &str) -> anyhow::Result<String> {
    if found.text.is_empty() {
        bail!("{} is empty; {remedy}", found.origin);
    }
    Ok(found.text.clone())
}
