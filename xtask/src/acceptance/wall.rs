//! The wall limit against native code that never returns to the interpreter and ignores signals.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::say;
use crate::serve::{self, Mode, Server};

const ROUNDS: usize = 5;
const LIMIT_MS: u64 = 1_000;
/// The most time from request to answer, start included.
const ANSWER_MS: u64 = 1_100;

/// Each ignores every signal that can be ignored, then stays in one C function.
const LOOPS: [(&str, &str); 3] = [
    (
        "a sum that never ends",
        "import itertools\nsum(itertools.repeat(0))",
    ),
    ("a power of a billion digits", "pow(3, 10**9)"),
    (
        "a sleep outside of the interpreter's lock",
        "import ctypes\nctypes.CDLL(None).sleep(60)",
    ),
];

pub(super) fn run(root: &Path, mode: Mode) -> Result<()> {
    let server = serve::start(root, mode)?;
    // The first execution of a preload waits for its zygote.
    server.is_healthy()?;
    let mut slowest = Duration::ZERO;
    for (name, code) in LOOPS {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(beside_an_honest_caller(&server, || once(&server, code)).context(name)?);
        }
        times.sort_unstable();
        let worst = times[ROUNDS - 1];
        say(&format!(
            "wall limit of {LIMIT_MS} ms as {}: {name}: answers p50 {:.0}, max {:.0} ms, n={ROUNDS}",
            mode.name(),
            times[ROUNDS / 2].as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3
        ));
        slowest = slowest.max(worst);
    }
    server.stop()?;
    ensure!(
        slowest <= Duration::from_millis(ANSWER_MS),
        "an answer took {slowest:?}, more than {ANSWER_MS} ms"
    );
    Ok(())
}

fn once(server: &Server, code: &str) -> Result<Duration> {
    let source = format!(
        "import signal\nfor number in range(1, 65):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n    \
         except (OSError, ValueError):\n        pass\n{code}\n"
    );
    let request = json!({"source": source, "limits": {"wall_ms": LIMIT_MS}});
    let before = Instant::now();
    let answer = server.endpoint.post("/v1/executions", &request)?.json()?;
    let took = before.elapsed();
    ensure!(
        answer["outcome"]["kind"] == "limit_exceeded" && answer["outcome"]["limit"] == "wall",
        "it was answered with {answer}"
    );
    Ok(took)
}

/// Runs `check` while another caller asks for `print(1)` again and again.
fn beside_an_honest_caller<T>(server: &Server, check: impl FnOnce() -> Result<T>) -> Result<T> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                server.is_healthy()?;
                std::thread::sleep(Duration::from_millis(100));
            }
            server.is_healthy()
        });
        let checked = check();
        over.store(true, Ordering::Relaxed);
        let honest = caller
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
        honest.context("the honest caller beside it")?;
        checked
    })
}
