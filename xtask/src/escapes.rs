//! Runs every program of `tests/escapes` through the server's own HTTP door.
//!
//! After each program a health check must pass: a program that ends as expected, but hurts the
//! next one, has escaped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::corpus::{self, Attempt, Pair};
use crate::judge::{Ending, objections};
use crate::say;
use crate::serve::{self, Mode, Server};
use crate::tally::Tally;

/// Runs the corpus as this user and, when this is root, as an ordinary user too.
pub(crate) fn run(root: &Path) -> Result<Tally> {
    let attempts = corpus::read(&root.join("tests/escapes"))?;
    ensure!(!attempts.is_empty(), "tests/escapes has no program");
    let mut tally = Tally::default();
    for mode in [Mode::Caller, Mode::Ordinary] {
        if let Some(reason) = mode.unavailable() {
            say(&format!("SKIPPED escapes as {}: {reason}", mode.name()));
            tally += Tally::SKIPPED;
            continue;
        }
        say(&format!("== escapes as {}", mode.name()));
        match run_as(root, mode, &attempts) {
            Ok(result) => tally += result,
            Err(error) => {
                say(&format!("FAILED escapes as {}: {error:#}", mode.name()));
                tally += Tally::FAILED;
            }
        }
    }
    Ok(tally)
}

fn run_as(root: &Path, mode: Mode, attempts: &[Attempt]) -> Result<Tally> {
    let mut server = serve::start(root, mode)?;
    let capabilities = server.endpoint.get("/capabilities")?.json()?;
    let tier = capabilities
        .pointer("/isolation/tier")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    say(&format!("tier {tier:?}, log {}", server.log.display()));
    let rootless = tier != "full";
    let mut tally = Tally::default();
    let plants: BTreeMap<&str, &Attempt> = attempts
        .iter()
        .filter_map(|attempt| Some((plant_name(attempt)?, attempt)))
        .collect();
    for attempt in attempts {
        let found = match &attempt.pair {
            // A plant runs with its check.
            Some(Pair::Plant(_)) => continue,
            Some(Pair::Check { name, times }) => {
                let plant = plants
                    .get(name.as_str())
                    .with_context(|| format!("{name} has no plant"))?;
                let mut found = probe(&server, plant, rootless);
                for _ in 0..*times {
                    let after = probe(&server, attempt, rootless);
                    tally += Tally::of(after.is_empty());
                    found.extend(after);
                }
                found
            }
            None => repeated(&server, attempt, rootless),
        };
        let passed = found.is_empty();
        tally += Tally::of(passed);
        for objection in found {
            say(&format!(
                "FAILED {} as {}: {objection}",
                attempt.name,
                mode.name()
            ));
        }
        if server.has_ended() {
            bail!("the server died after {}", attempt.name);
        }
    }
    match server.stop() {
        Ok(()) => tally += Tally::PASSED,
        Err(error) => {
            say(&format!("FAILED shutdown as {}: {error:#}", mode.name()));
            tally += Tally::FAILED;
        }
    }
    Ok(tally)
}

fn plant_name(attempt: &Attempt) -> Option<&str> {
    match &attempt.pair {
        Some(Pair::Plant(name)) => Some(name),
        Some(Pair::Check { .. }) | None => None,
    }
}

/// Runs a program as often as its header says.
fn repeated(server: &Server, attempt: &Attempt, rootless: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = BTreeSet::new();
    for _ in 0..attempt.repeat {
        match execute(server, attempt) {
            Ok((answer, took)) => {
                found.extend(judge(server, attempt, &answer, took, rootless));
                if attempt.distinct && !lines.insert(Ending(&answer).last_line().to_owned()) {
                    found.push(format!("printed {:?} twice", Ending(&answer).last_line()));
                }
            }
            Err(error) => found.push(format!("{error:#}")),
        }
    }
    found.extend(
        server
            .is_healthy()
            .err()
            .map(|error| format!("health check: {error:#}")),
    );
    found
}

/// Runs a program once, with the health check after it.
fn probe(server: &Server, attempt: &Attempt, rootless: bool) -> Vec<String> {
    repeated(
        server,
        &Attempt {
            repeat: 1,
            ..attempt.clone()
        },
        rootless,
    )
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
    answer: &Value,
    took: Duration,
    rootless: bool,
) -> Vec<String> {
    let ending = Ending(answer);
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
