//! One honest caller beside many who take all they can: memory, processes, disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::http::{Connection, Endpoint};
use crate::say;
use crate::serve::{self, Mode};

const ABUSERS: usize = 64;
/// The honest caller's rhythm: 5 Hz.
const RHYTHM: Duration = Duration::from_millis(200);
const IDLE_REQUESTS: usize = 100;
const BUSY_REQUESTS: usize = 200;
/// How long the abusers rage before the caller comes.
const HEAD_START: Duration = Duration::from_secs(3);
/// How long an abuser waits before it tries a server again that did not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// What the abusers may make of the caller's 95th percentile. Source: the bar of this project.
const SLOWER: f64 = 3.0;

const HONEST: &str = "print(sum(number * number for number in range(1000)))";
const RIGHT: &str = "332833500\n";

const ABUSES: [(&str, &str); 3] = [
    (
        "memory bomb",
        "held = []\nwhile True:\n    held.append(b'x' * (8 << 20))",
    ),
    (
        "fork bomb",
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
    ),
    (
        "disk filler",
        "import os\nblock, number = b'x' * (1 << 20), 0\nwhile True:\n    number += 1\n    try:\n        \
         with open(f'/tmp/{number % 50}', 'wb') as file:\n            while True:\n                file.write(block)\n    \
         except OSError:\n        pass",
    ),
];

/// How a number of the honest caller's requests went.
struct Figures {
    right: usize,
    all: usize,
    p50: Duration,
    p95: Duration,
    most: Duration,
}

pub(super) fn run(root: &Path, mode: Mode) -> Result<()> {
    let mut server = serve::start(root, mode)?;
    server.is_healthy()?;
    let mut caller = server.endpoint.connect()?;
    let idle = honest_caller(&mut caller, IDLE_REQUESTS);
    let (over, ends) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let busy = std::thread::scope(|scope| {
        for number in 0..ABUSERS {
            let (endpoint, over, ends) = (&server.endpoint, &over, &ends);
            scope.spawn(move || abuser(endpoint, number, over, ends));
        }
        std::thread::sleep(HEAD_START);
        let busy = honest_caller(&mut caller, BUSY_REQUESTS);
        over.store(true, Ordering::Relaxed);
        busy
    });
    let slower = busy.p95.as_secs_f64() / idle.p95.as_secs_f64();
    say(&format!(
        "crowd as {}: {ABUSERS} abusers, default slots",
        mode.name()
    ));
    say(&format!("  alone  {}", told(&idle)));
    say(&format!(
        "  beside {}; p95 is {slower:.1} times the idle one",
        told(&busy)
    ));
    for (end, count) in ends.into_inner().unwrap_or_default() {
        say(&format!("  {count:5} x {end}"));
    }
    ensure!(
        !server.has_ended(),
        "the server died, log {}",
        server.log.display()
    );
    server.is_healthy()?;
    server.stop()?;
    for figures in [&idle, &busy] {
        let wrong = figures.all - figures.right;
        let all = figures.all;
        ensure!(
            wrong == 0,
            "{wrong} of {all} answers to the honest caller were wrong"
        );
    }
    ensure!(
        slower <= SLOWER,
        "the honest caller's p95 was {slower:.1} times its idle one, more than {SLOWER}"
    );
    Ok(())
}

fn told(figures: &Figures) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    format!(
        "{} of {} right, p50 {:.1}  p95 {:.1}  max {:.1} ms",
        figures.right,
        figures.all,
        ms(figures.p50),
        ms(figures.p95),
        ms(figures.most)
    )
}

/// Asks in a steady rhythm on one connection. A latency counts from the moment a request was due,
/// so that a late answer makes the next one late, too, instead of sparing the server a request.
fn honest_caller(caller: &mut Connection, requests: usize) -> Figures {
    let start = Instant::now();
    let answers = (0..requests).map(|number| {
        let due = start + RHYTHM * u32::try_from(number).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let right = ask(caller, HONEST, &json!({})).is_ok_and(|answer| {
            answer["outcome"]["kind"] == "completed" && answer["stdout"] == RIGHT
        });
        (due.elapsed(), right)
    });
    figures(answers.collect())
}

/// Sums up answers, of which there is at least one.
fn figures(mut answers: Vec<(Duration, bool)>) -> Figures {
    answers.sort_unstable();
    let all = answers.len();
    let at = |percent: usize| answers[(all * percent).div_ceil(100).clamp(1, all) - 1].0;
    Figures {
        right: answers.iter().filter(|(_, right)| *right).count(),
        all,
        p50: at(50),
        p95: at(95),
        most: at(100),
    }
}

/// Sends its next program as soon as the last one has ended, until all is over. Every second abuser
/// opens a new connection for each, as if it had never been here before.
fn abuser(
    endpoint: &Endpoint,
    number: usize,
    over: &AtomicBool,
    ends: &Mutex<BTreeMap<String, usize>>,
) {
    let abuse = ABUSES[number % ABUSES.len()];
    let is_forgetful = number.is_multiple_of(2);
    let mut connection = None;
    while !over.load(Ordering::Relaxed) {
        if is_forgetful {
            connection = None;
        }
        let end = match run_abuse(endpoint, &mut connection, abuse) {
            Ok(end) => end,
            Err(error) => {
                connection = None;
                std::thread::sleep(PATIENCE);
                format!("no answer: {error:#}")
            }
        };
        if let Ok(mut ends) = ends.lock() {
            *ends.entry(format!("{}: {end}", abuse.0)).or_default() += 1;
        }
    }
}

/// Runs one abuse; tells how it ended.
fn run_abuse(
    endpoint: &Endpoint,
    connection: &mut Option<Connection>,
    (_, source): (&str, &str),
) -> Result<String> {
    let connection = match connection {
        Some(open) => open,
        None => connection.insert(endpoint.connect()?),
    };
    // Short, so that many of them begin: a program is worst while it is young.
    let answer = ask(connection, source, &json!({"wall_ms": 4_000}))?;
    Ok(match answer["error"]["code"].as_str() {
        Some(code) => format!("error {code}"),
        None => answer["outcome"].to_string(),
    })
}

fn ask(connection: &mut Connection, source: &str, limits: &Value) -> Result<Value> {
    let request = json!({"source": source, "limits": limits});
    connection.post("/v1/executions", &request)?.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_answers() {
        let answers = (1..=100)
            .map(|ms| (Duration::from_millis(ms), ms != 7))
            .collect();
        let figures = figures(answers);
        assert_eq!((figures.right, figures.all), (99, 100));
        let ms = [figures.p50, figures.p95, figures.most].map(|time| time.as_millis());
        assert_eq!(ms, [50, 95, 100]);
    }
}
