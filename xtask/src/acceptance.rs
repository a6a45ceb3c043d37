//! The heavy checks: the corpus in every preload, kills at random moments, a soak, a crowd of
//! abusers, the wall limit, hostile requests, the parser, fuzzing.

mod crowd;
mod fuzz;
mod http;
mod orphans;
mod parser;
mod soak;
mod tree;
mod wall;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use self::orphans::Traces;
use crate::corpus::{self, Pair};
use crate::escapes::Selection;
use crate::http::Endpoint;
use crate::serve::{self, Mode, Server, random};
use crate::tally::Tally;
use crate::{escapes, say};

pub(crate) use self::http::quick as quick_requests;

const KILLS_PER_VICTIM: usize = 6;

type Part = (&'static str, fn(&Path) -> Result<Tally>);

/// The parts by their names, in the order in which they run.
const PARTS: &[Part] = &[
    ("leftovers", enough_checks),
    ("escapes", every_escape),
    ("kills", kills),
    ("soak", soak),
    ("crowd", crowd),
    ("wall", wall),
    ("http", requests),
    ("parser", parser::run),
];

/// The one part with an argument.
const FUZZ: &str = "fuzz";

/// Everything that takes too long for every commit, or one part of it. `minutes`: for how long
/// each target of `fuzz` runs.
pub(crate) fn run(root: &Path, part: Option<&str>, minutes: Option<&str>) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut ran = 0;
    for (name, check) in PARTS {
        if part.is_none_or(|part| part == *name) {
            say(&format!("== {name}"));
            tally += check(root)?;
            ran += 1;
        }
    }
    if part.is_none_or(|part| part == FUZZ) {
        say("== fuzz");
        tally += fuzz::run(root, minutes)?;
        ran += 1;
    }
    let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).chain([FUZZ]).collect();
    ensure!(ran > 0, "acceptance has no such part, only {names:?}");
    Ok(tally)
}

fn every_escape(root: &Path) -> Result<Tally> {
    escapes::run(
        root,
        Selection {
            word: None,
            minors: escapes::SUPPORTED,
            each_preload: true,
        },
    )
}

/// Kills of every kind of process at random moments.
fn kills(root: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for victim in tree::VICTIMS {
        for _ in 0..KILLS_PER_VICTIM {
            tally += in_each_mode(&format!("kill of {victim}"), |mode| {
                kill_round(root, mode, victim)
            });
        }
    }
    Ok(tally)
}

fn soak(root: &Path) -> Result<Tally> {
    Ok(in_each_mode("soak", |mode| soak::run(root, mode)))
}

fn crowd(root: &Path) -> Result<Tally> {
    Ok(in_each_mode("crowd", |mode| crowd::run(root, mode)))
}

fn requests(root: &Path) -> Result<Tally> {
    http::run(root, http::Size::Whole)
}

fn wall(root: &Path) -> Result<Tally> {
    Ok(in_each_mode("wall limit", |mode| wall::run(root, mode)))
}

/// One check as this user and, when this is root, as an ordinary user too.
fn in_each_mode(name: &str, check: impl Fn(Mode) -> Result<()>) -> Tally {
    let mut tally = Tally::default();
    for mode in [Mode::Caller, Mode::Ordinary] {
        if let Some(reason) = mode.unavailable() {
            say(&format!("SKIPPED {name} as {}: {reason}", mode.name()));
            tally += Tally::SKIPPED;
        } else {
            tally += told(&format!("{name} as {}", mode.name()), check(mode));
        }
    }
    tally
}

/// The corpus holds at least 200 checks for what an earlier run left.
fn enough_checks(root: &Path) -> Result<Tally> {
    let attempts = corpus::read(&root.join("tests/escapes"))?;
    let times = |pair: &Pair| {
        if let Pair::Check { times, .. } = pair {
            *times
        } else {
            0
        }
    };
    let checks: u32 = attempts
        .iter()
        .filter_map(|attempt| attempt.pair.as_ref())
        .map(times)
        .sum();
    say(&format!("{checks} checks for leftovers"));
    Ok(Tally::of(checks >= 200))
}

fn told(name: &str, result: Result<()>) -> Tally {
    if let Err(error) = &result {
        say(&format!("FAILED {name}: {error:#}"));
    }
    Tally::of(result.is_ok())
}

/// Kills one process of ours while executions run; then nothing may be left after the next start.
fn kill_round(root: &Path, mode: Mode, victim: &str) -> Result<()> {
    let before = Traces::read()?;
    let mut server = serve::start(root, mode)?;
    let clients: Vec<_> = (0..4)
        .map(|number| in_flight(server.endpoint.clone(), number))
        .collect();
    std::thread::sleep(Duration::from_millis(u64::try_from(random(700))?));
    let killed = some_victim(&server, victim)?;
    // Without its spawner a server that gave up root cannot start anything; it says so and leaves.
    let server_died = matches!(victim, "server" | "spawner");
    for client in clients {
        let answer = client
            .join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))?;
        truthful(answer, victim).with_context(|| format!("after the kill of {killed}"))?;
    }
    if victim == "spawner" && !ends_by_itself(&mut server) {
        bail!("the server did not leave within 10 s of the kill of {killed}");
    }
    if server_died {
        server.kill();
    } else {
        recovers(&server).with_context(|| format!("after the kill of {killed}"))?;
        server.stop()?;
    }
    // The next start cleans up what the killed one could not.
    let next = serve::start(root, mode)?;
    next.is_healthy()?;
    next.stop()?;
    // Pid 1 of the host reaps what a killed server left, when it gets to it.
    let mut left = Ok(());
    for _ in 0..100 {
        left = before.nothing_new(&Traces::read()?);
        if left.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    left
}

fn in_flight(endpoint: Endpoint, number: u64) -> std::thread::JoinHandle<Result<(u16, Value)>> {
    std::thread::spawn(move || {
        let source = format!(
            "import time\nfor _ in range(8):\n    time.sleep(0.{number}9)\n    print('x' * 100, flush=True)\n"
        );
        let answer = endpoint.post("/v1/executions", &json!({"source": source}))?;
        Ok((answer.status, answer.json()?))
    })
}

/// Whether an answer during a kill is true: the whole of what was asked for, or a retryable error.
/// Whoever was killed, the program did not do it, so it never counts as crashed.
fn truthful(answer: Result<(u16, Value)>, victim: &str) -> Result<()> {
    let (status, body) = match answer {
        Ok(answer) => answer,
        // The one who would answer may be gone.
        Err(_) if matches!(victim, "server" | "spawner") => return Ok(()),
        Err(error) => return Err(error),
    };
    let kind = body
        .pointer("/outcome/kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let complete = body["stdout"]
        .as_str()
        .is_some_and(|text| text.lines().count() == 8);
    let retryable = body
        .pointer("/error/retryable")
        .or_else(|| body.get("retryable"))
        == Some(&Value::Bool(true));
    match (status, kind) {
        (200, "completed") if complete => Ok(()),
        (200, _) => bail!("untrue outcome: {body}"),
        _ if retryable => Ok(()),
        _ => bail!("status {status} without `retryable`: {body}"),
    }
}

/// Kills one, as soon as there is one: an execution may still wait for its zygote.
fn some_victim(server: &Server, victim: &str) -> Result<String> {
    for _ in 0..50 {
        if let Ok(killed) = tree::kill(server.pid(), victim) {
            return Ok(killed);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    tree::kill(server.pid(), victim)
}

fn ends_by_itself(server: &mut Server) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        server.has_ended()
    })
}

/// The server works again within ten seconds.
fn recovers(server: &Server) -> Result<()> {
    let mut last = None;
    for _ in 0..100 {
        match server.is_healthy() {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(last
        .context("no health check ran")?
        .context("did not recover within 10 s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(victim: &str, status: u16, body: Value, is_true: bool) {
        let told = format!("{victim} {status} {body}");
        assert_eq!(
            truthful(Ok((status, body)), victim).is_ok(),
            is_true,
            "{told}"
        );
    }

    #[test]
    fn nobody_who_was_killed_has_crashed() {
        let crashed = json!({"outcome": {"kind": "crashed", "signal": 9}});
        for victim in tree::VICTIMS {
            check(victim, 200, crashed.clone(), false);
        }
    }

    #[test]
    fn an_answer_is_whole_or_says_that_it_can_be_had_again() {
        let lines = "x\n".repeat(8);
        let completed = |stdout: &str| json!({"outcome": {"kind": "completed"}, "stdout": stdout});
        check("init", 200, completed(&lines), true);
        check("init", 200, completed("x\n"), false);
        check("child", 500, json!({"error": {"retryable": true}}), true);
        check("child", 500, json!({"error": {"retryable": false}}), false);
        assert!(truthful(Err(anyhow::anyhow!("cut short")), "init").is_err());
        assert!(truthful(Err(anyhow::anyhow!("cut short")), "server").is_ok());
    }
}
