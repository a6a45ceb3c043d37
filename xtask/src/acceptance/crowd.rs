//! One honest caller beside many who take all they can: memory, processes, disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::http::Endpoint;
use crate::say;
use crate::serve::{self, Mode, Server, Setup};

const ABUSERS: usize = 64;
/// A slot for each abuser and some for the caller, so that the queue is not what is measured.
const SLOTS: &str = "72";
/// The honest caller's rhythm: 5 Hz.
const RHYTHM: Duration = Duration::from_millis(200);
const IDLE_REQUESTS: usize = 100;
const BUSY_REQUESTS: usize = 300;
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
    let setup = Setup::of(mode).with("with a crowd", &["--slots", SLOTS]);
    let mut server = serve::start_as(root, &setup)?;
    server.is_healthy()?;
    let idle = honest_caller(&server, IDLE_REQUESTS);
    let (over, ends) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let busy = std::thread::scope(|scope| {
        for number in 0..ABUSERS {
            let (endpoint, over, ends) = (&server.endpoint, &over, &ends);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let (end, answered) = abuse(endpoint, ABUSES[number % ABUSES.len()]);
                    if let Ok(mut ends) = ends.lock() {
                        *ends.entry(end).or_insert(0_usize) += 1;
                    }
                    if !answered {
                        std::thread::sleep(PATIENCE);
                    }
                }
            });
        }
        std::thread::sleep(HEAD_START);
        let busy = honest_caller(&server, BUSY_REQUESTS);
        over.store(true, Ordering::Relaxed);
        busy
    });
    let slower = busy.p95.as_secs_f64() / idle.p95.as_secs_f64();
    say(&format!(
        "crowd as {}: {ABUSERS} abusers, {SLOTS} slots",
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

/// Asks in a steady rhythm, whether or not the last answer has come: a late answer must not spare
/// the server the next request.
fn honest_caller(server: &Server, requests: usize) -> Figures {
    let start = Instant::now();
    let answers: Vec<(Duration, bool)> = std::thread::scope(|scope| {
        let mut asked = Vec::new();
        for number in 0..requests {
            let due = start + RHYTHM * u32::try_from(number).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            asked.push(scope.spawn(|| {
                let before = Instant::now();
                let right = ask(&server.endpoint, HONEST, &json!({})).is_ok_and(|answer| {
                    answer["outcome"]["kind"] == "completed" && answer["stdout"] == RIGHT
                });
                (before.elapsed(), right)
            }));
        }
        let worst = (Duration::MAX, false);
        asked
            .into_iter()
            .map(|one| one.join().unwrap_or(worst))
            .collect()
    });
    figures(answers)
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

/// Runs one abuse; tells how it ended, and whether the server answered at all.
fn abuse(endpoint: &Endpoint, (name, source): (&str, &str)) -> (String, bool) {
    let limits = json!({
        "wall_ms": 4_000, "memory_bytes": 128 << 20, "processes": 64, "workdir_bytes": 64 << 20,
    });
    match ask(endpoint, source, &limits) {
        Ok(answer) => match answer["error"]["code"].as_str() {
            Some(code) => (format!("{name}: error {code}"), true),
            None => (format!("{name}: {}", answer["outcome"]), true),
        },
        Err(error) => (format!("{name}: no answer: {error:#}"), false),
    }
}

fn ask(endpoint: &Endpoint, source: &str, limits: &Value) -> Result<Value> {
    let request = json!({"source": source, "limits": limits});
    endpoint.post("/v1/executions", &request)?.json()
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
