//! `bench`: first latency figures, side by side in one run. Never a test: nothing here can fail a
//! build, and figures of two runs are not compared.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::say;
use crate::serve::{self, Mode, Server};

const ROUNDS: usize = 200;

/// Prints p50, p90, p99 and maximum of each row, in milliseconds.
pub(crate) fn run(root: &Path) -> Result<()> {
    let server = serve::start(root, Mode::Caller)?;
    let bare = "print(1)";
    let full = "import numpy, pandas, matplotlib.pyplot, scipy, sklearn, seaborn\nprint(1)";
    // The first use of a preload waits for its zygote.
    execute(&server, full)?;
    row("python3 -c print(1), no sandbox", || python(bare))?;
    row("POST /v1/executions, bare preload", || {
        execute(&server, bare)
    })?;
    row("POST /v1/executions, full preload", || {
        execute(&server, full)
    })?;
    server.stop()
}

fn row(name: &str, mut once: impl FnMut() -> Result<Duration>) -> Result<()> {
    let mut times = (0..ROUNDS).map(|_| once()).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    let at = |percent: usize| times[(ROUNDS * percent / 100).min(ROUNDS - 1)].as_secs_f64() * 1e3;
    let (p50, p90, p99, most) = (at(50), at(90), at(99), at(100));
    say(&format!(
        "{name:<40} p50 {p50:7.2}  p90 {p90:7.2}  p99 {p99:7.2}  max {most:7.2} ms  n={ROUNDS}"
    ));
    Ok(())
}

fn execute(server: &Server, source: &str) -> Result<Duration> {
    let before = Instant::now();
    let answer = server
        .endpoint
        .post("/v1/executions", &json!({"source": source}))?
        .json()?;
    if answer["stdout"] != "1\n" {
        bail!("the execution answered {answer}");
    }
    Ok(before.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "the unsandboxed baseline")]
fn python(source: &str) -> Result<Duration> {
    let before = Instant::now();
    let status = Command::new("python3")
        .args(["-c", source])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("python3 ended with {status}");
    }
    Ok(before.elapsed())
}
