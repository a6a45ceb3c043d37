//! The heavy checks: the corpus, kills at random moments, a soak.

mod orphans;
mod tree;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use self::orphans::Traces;
use crate::corpus::{self, Pair};
use crate::http::Endpoint;
use crate::serve::{self, Mode, Server, random};
use crate::tally::Tally;
use crate::{escapes, say};

const KILLS_PER_VICTIM: usize = 6;
const SOAK_EXECUTIONS: usize = 2_000;

/// Everything that takes too long for every commit.
pub(crate) fn run(root: &Path) -> Result<Tally> {
    let mut tally = enough_checks(root)?;
    tally += escapes::run(root)?;
    tally += kills(root);
    tally += told("soak", soak(root));
    Ok(tally)
}

/// Kills of every kind of process at random moments, as root and as an ordinary user.
pub(crate) fn kills(root: &Path) -> Tally {
    let mut tally = Tally::default();
    for mode in [Mode::Caller, Mode::Ordinary] {
        if let Some(reason) = mode.unavailable() {
            say(&format!("SKIPPED kills as {}: {reason}", mode.name()));
            tally += Tally::SKIPPED;
            continue;
        }
        for victim in tree::VICTIMS {
            for _ in 0..KILLS_PER_VICTIM {
                tally += told(
                    &format!("kill of {victim} as {}", mode.name()),
                    kill_round(root, mode, victim),
                );
            }
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
        truthful(answer, server_died).with_context(|| format!("after the kill of {killed}"))?;
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

/// Whether an answer during a kill is true: an end that can have happened, or a retryable error.
fn truthful(answer: Result<(u16, Value)>, server_died: bool) -> Result<()> {
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(_) if server_died => return Ok(()),
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
        // The one child that was killed itself died by that signal.
        (200, "crashed") if body.pointer("/outcome/signal") == Some(&json!(9)) => Ok(()),
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

/// Many executions leave the server as it was: memory, descriptors, children.
fn soak(root: &Path) -> Result<()> {
    let server = serve::start(root, Mode::Caller)?;
    for _ in 0..200 {
        server.is_healthy()?;
    }
    let early = tree::footprint(server.pid())?;
    for _ in 0..SOAK_EXECUTIONS {
        server.is_healthy()?;
    }
    let late = tree::footprint(server.pid())?;
    say(&format!("soak: {early:?} became {late:?}"));
    if late.resident_kib > early.resident_kib + 32 * 1024 {
        bail!(
            "the server's memory grew from {} to {} KiB",
            early.resident_kib,
            late.resident_kib
        );
    }
    if late.descriptors > early.descriptors + 16 || late.processes > early.processes + 8 {
        bail!("descriptors or processes grew: {early:?} became {late:?}");
    }
    server.stop()
}
