//! One round: every chosen program through one server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::compare::{Account, Accounts};
use crate::corpus::{Attempt, Pair};
use crate::judge::{Ending, objections};
use crate::say;
use crate::serve::{self, Server, Setup};
use crate::tally::Tally;

/// How many of the slowest programs are named.
const SLOWEST: usize = 4;

/// What a round found.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) tally: Tally,
    /// Of the honest programs that ended as they must.
    pub(super) accounts: Accounts,
    /// The minor version of the interpreter that guests had.
    pub(super) minor: Option<u8>,
}

/// Runs the programs that `chosen` takes, each with its health check, then stops the server.
///
/// Errors: the server did not start, or died. The tally so far is in `round`.
pub(super) fn run(
    root: &Path,
    setup: &Setup,
    attempts: &[Attempt],
    chosen: impl Fn(&Attempt) -> bool,
    round: &mut Round,
) -> Result<()> {
    let mut server = serve::start_as(root, setup)?;
    let rootless = describe(&server, setup, round)? != "full";
    let plants: BTreeMap<&str, &Attempt> = attempts
        .iter()
        .filter_map(|attempt| Some((plant_name(attempt)?, attempt)))
        .collect();
    let (before, mut times) = (Instant::now(), Vec::new());
    for attempt in attempts.iter().filter(|attempt| chosen(attempt)) {
        let since = Instant::now();
        let mut probe = Probe {
            server: &server,
            rootless,
            account: None,
        };
        let found = match &attempt.pair {
            // A plant runs with its check.
            Some(Pair::Plant(_)) => continue,
            Some(Pair::Check { name, times }) => {
                let plant = plants
                    .get(name.as_str())
                    .with_context(|| format!("{name} has no plant"))?;
                let mut found = probe.once(plant);
                for _ in 0..*times {
                    let after = probe.once(attempt);
                    round.tally += Tally::of(after.is_empty());
                    found.extend(after);
                }
                found
            }
            None => probe.repeated(attempt),
        };
        round.tally += Tally::of(found.is_empty());
        if let (true, true, Some(account)) =
            (attempt.is_honest(), found.is_empty(), probe.account.take())
        {
            round.accounts.insert(attempt.name.clone(), account);
        }
        for objection in found {
            say(&format!(
                "FAILED {} as {}: {objection}",
                attempt.name,
                setup.name()
            ));
        }
        times.push((since.elapsed(), attempt.name.as_str()));
        if server.has_ended() {
            bail!("the server died after {}", attempt.name);
        }
    }
    let stopped = server.stop();
    round.tally += Tally::of(stopped.is_ok());
    if let Err(error) = stopped {
        say(&format!("FAILED shutdown as {}: {error:#}", setup.name()));
    }
    say(&format!(
        "{}: {}",
        setup.name(),
        summary(before.elapsed(), times)
    ));
    Ok(())
}

/// Tells what the server says of itself; returns its tier.
fn describe(server: &Server, setup: &Setup, round: &mut Round) -> Result<String> {
    let capabilities = server.endpoint.get("/capabilities")?.json()?;
    let text = |pointer: &str| {
        let text = capabilities.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (tier, version) = (text("/isolation/tier"), text("/pythonVersion"));
    round.minor = version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse().ok());
    say(&format!(
        "{}: tier {tier:?}, CPython {version}, log {}",
        setup.name(),
        server.log.display()
    ));
    Ok(tier)
}

/// How long a round took, and what took longest in it.
fn summary(took: Duration, mut times: Vec<(Duration, &str)>) -> String {
    let programs = times.len();
    times.sort_unstable_by(|one, two| two.cmp(one));
    let slowest: Vec<_> = times
        .iter()
        .take(SLOWEST)
        .map(|(took, name)| format!("{name} {:.1} s", took.as_secs_f64()))
        .collect();
    format!(
        "{programs} programs in {:.0} s; slowest: {}",
        took.as_secs_f64(),
        slowest.join(", ")
    )
}

fn plant_name(attempt: &Attempt) -> Option<&str> {
    match &attempt.pair {
        Some(Pair::Plant(name)) => Some(name),
        Some(Pair::Check { .. }) | None => None,
    }
}

/// Runs programs on a server and judges them.
struct Probe<'a> {
    server: &'a Server,
    rootless: bool,
    /// Of the last run.
    account: Option<Account>,
}

impl Probe<'_> {
    /// Runs a program as often as its header says, with one health check at the end.
    fn repeated(&mut self, attempt: &Attempt) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = BTreeSet::new();
        for _ in 0..attempt.repeat {
            match execute(self.server, attempt) {
                Ok((answer, took)) => {
                    let ending = Ending(&answer);
                    self.account = Some(Account::of(attempt, ending));
                    found.extend(judge(self.server, attempt, ending, took, self.rootless));
                    if attempt.distinct && !lines.insert(ending.last_line().to_owned()) {
                        found.push(format!("printed {:?} twice", ending.last_line()));
                    }
                }
                Err(error) => found.push(format!("{error:#}")),
            }
        }
        let health = self.server.is_healthy().err();
        found.extend(health.map(|error| format!("health check: {error:#}")));
        found
    }

    /// Runs a program once, with the health check after it.
    fn once(&mut self, attempt: &Attempt) -> Vec<String> {
        self.repeated(&Attempt {
            repeat: 1,
            ..attempt.clone()
        })
    }
}

fn execute(server: &Server, attempt: &Attempt) -> Result<(Value, Duration)> {
    let mut request = json!({"source": attempt.source});
    if !attempt.limits.is_empty() {
        request["limits"] = Value::Object(attempt.limits.clone());
    }
    if let Some(stdin) = &attempt.stdin {
        request["stdin"] = stdin.clone().into();
    }
    let before = Instant::now();
    let answer = server.endpoint.post("/v1/executions", &request)?;
    if answer.status != 200 {
        bail!(
            "the server answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    Ok((answer.json()?, before.elapsed()))
}

fn judge(
    server: &Server,
    attempt: &Attempt,
    ending: Ending<'_>,
    took: Duration,
    rootless: bool,
) -> Vec<String> {
    let mut found = objections(attempt, ending, rootless);
    if attempt
        .within_ms
        .is_some_and(|most| took > Duration::from_millis(most))
    {
        found.push(format!("took {took:?}"));
    }
    for path in attempt.host_absent.iter().filter(|path| path.exists()) {
        found.push(format!("{} exists on the host", path.display()));
    }
    if !attempt.never.is_empty() {
        found.extend(
            forbidden_bytes(server, attempt, ending)
                .unwrap_or_else(|error| vec![format!("{error:#}")]),
        );
    }
    found
}

/// Texts that a header forbids, but that stand in a collected file.
fn forbidden_bytes(server: &Server, attempt: &Attempt, ending: Ending<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let id = ending.0["id"].as_str().context("the answer has no id")?;
    for name in ending.artifacts() {
        let body = server
            .endpoint
            .get(&format!("/v1/executions/{id}/artifacts/{}", percent(name)))?
            .body;
        let holds = |text: &&String| {
            body.windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        found.extend(
            attempt
                .never
                .iter()
                .filter(holds)
                .map(|text| format!("artifact {name} holds {text:?}")),
        );
    }
    Ok(found)
}

fn percent(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    name.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
