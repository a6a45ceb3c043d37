//! Peers that are slow, that go away, and that are too many.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::Target;
use super::raw::{Raw, execution, request};
use crate::acceptance::tree;
use crate::http::Endpoint;

/// What a vanished client's program calls itself, on the host too.
const MARK: &str = "hog-vanished";

pub(super) fn run(target: &mut Target<'_>) -> Result<()> {
    let verdict = slow_heads(target);
    target.judge("slow heads", verdict);
    let verdict = slow_reader(target);
    target.judge("a slow reader", verdict);
    for (name, after) in [("after the request", false), ("after the first byte", true)] {
        let verdict = vanishes(target, after);
        target.judge(&format!("a client that vanishes {name}"), verdict);
    }
    let verdict = flood(target);
    target.judge("a flood", verdict);
    if target.size == super::Size::Whole {
        let verdict = slow_body(target);
        target.judge("a slow body", verdict);
    }
    Ok(())
}

/// Crowds of silent and of slow connections keep nobody out, and do not stay.
fn slow_heads(target: &Target<'_>) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let mut crowd = Vec::new();
    for _ in 0..target.size.pick(200, 2_000).min(most_sockets()?) {
        let mut raw = Raw::connect(endpoint)?;
        raw.send(b"G");
        crowd.push(raw);
    }
    target.is_prompt()?;
    for raw in &mut crowd {
        raw.send(b"E");
    }
    target.is_prompt()?;
    if target.size == super::Size::Whole {
        // The oldest lost their places, and the rest the time for a head.
        std::thread::sleep(Duration::from_secs(12));
        let open = crowd
            .iter_mut()
            .filter_map(|raw| (!raw.is_closed()).then_some(()))
            .count();
        ensure!(
            open == 0,
            "{open} of {} slow heads are still open",
            crowd.len()
        );
    }
    Ok(())
}

/// Sockets this process may have, less what it needs itself.
fn most_sockets() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line
        .and_then(|line| line.split_whitespace().next())
        .context("no limit of open files")?;
    Ok(soft
        .parse::<usize>()
        .unwrap_or(usize::MAX)
        .saturating_sub(200))
}

/// Whoever does not read holds up nobody else.
fn slow_reader(target: &Target<'_>) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let body = json!({"source": "print('x' * (10 << 20))"}).to_string();
    let mut raw = Raw::connect(endpoint)?;
    raw.send(&execution(
        endpoint,
        &["Accept: text/event-stream"],
        body.as_bytes(),
    ));
    for _ in 0..10 {
        target.is_prompt()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Its program is gone within a second: no process of the server bears its name any more.
fn vanishes(target: &Target<'_>, after_first_byte: bool) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let pid = target.server.pid();
    let source = format!(
        "import ctypes, time\nctypes.CDLL(None).prctl(15, b'{MARK}')\nprint('on', flush=True)\ntime.sleep(25)"
    );
    let body = json!({"source": source}).to_string();
    let mut raw = Raw::connect(endpoint)?;
    let events: &[&str] = if after_first_byte {
        &["Accept: text/event-stream"]
    } else {
        &[]
    };
    raw.send(&execution(endpoint, events, body.as_bytes()));
    if after_first_byte {
        while !raw.line()?.contains("on") {}
    }
    wait_for(|| Ok(tree::named(pid, MARK)? == 1), Duration::from_secs(5))
        .context("the program did not start")?;
    // With bytes unread this is a reset.
    drop(raw);
    wait_for(|| Ok(tree::named(pid, MARK)? == 0), Duration::from_secs(1))
        .context("the program still runs")
}

fn wait_for(condition: impl Fn() -> Result<bool>, most: Duration) -> Result<()> {
    let deadline = Instant::now() + most;
    while !condition()? {
        if Instant::now() > deadline {
            bail!("not within {most:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// More executions at once than there is room for: each is run or refused, and told which.
fn flood(target: &Target<'_>) -> Result<()> {
    let clients: Vec<_> = (0..target.size.pick(60, 500))
        .map(|number| {
            let endpoint = target.server.endpoint.clone();
            std::thread::spawn(move || one_of_many(&endpoint, number))
        })
        .collect();
    let mut refused = 0;
    for client in clients {
        let answer = client
            .join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))?;
        refused += usize::from(!answer?);
    }
    crate::say(&format!("{refused} of the flood were refused"));
    target.is_prompt()
}

/// Whether it ran. Errors: an answer that is neither its own output nor a refusal.
fn one_of_many(endpoint: &Endpoint, number: usize) -> Result<bool> {
    let answer = endpoint.post(
        "/v1/executions",
        &json!({"source": format!("print({number})")}),
    );
    // Beyond the most connections the server takes no more, and closes.
    let Ok(answer) = answer else { return Ok(false) };
    match answer.status {
        200 => {
            let printed = answer.json()?["stdout"] == format!("{number}\n");
            ensure!(
                printed,
                "somebody else's answer: {}",
                String::from_utf8_lossy(&answer.body)
            );
            Ok(true)
        }
        429 | 503 => {
            ensure!(answer.header("retry-after").is_some(), "no Retry-After");
            Ok(false)
        }
        other => bail!("status {other}"),
    }
}

/// A body that does not come is waited for, but not for ever.
fn slow_body(target: &Target<'_>) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let key = format!("X-API-Key: {}", endpoint.key);
    let headers = [
        &key,
        "Content-Type: application/json",
        "Content-Length: 100",
    ];
    let mut raw = Raw::connect(endpoint)?.patient(Duration::from_secs(40))?;
    raw.send(&request(endpoint, "POST /v1/executions", &headers, b"{"));
    target.is_prompt()?;
    let answer = raw.answer()?;
    ensure!(answer.status == 408, "status {}", answer.status);
    Ok(())
}
