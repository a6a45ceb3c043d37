//! Many executions in a row: each answer is its own, and the server stays as it was.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::tree::{self, Footprint};
use crate::http::{Connection, Endpoint};
use crate::say;
use crate::serve::{self, Mode, Server, random};

const EXECUTIONS: usize = 20_000;
/// After these everything that is made once has been made.
const EARLY: usize = 2_000;
const IN_FLIGHT: usize = 8;
/// How long a burst is remembered: ten seconds by the pools, whose slots are then given back at the
/// second of the next looks at most, one in twelve seconds. Source: `engine::pool`.
const REMEMBERED: Duration = Duration::from_secs(10 + 2 * 12 + 4);
/// What the memory of a server at rest may rise by. It remembers each of its executions for a
/// day; the rest is room for the allocator. Units: KiB.
const RESIDENT_RISE_KIB: u64 = 16 * 1024;

/// What became of a number of executions.
#[derive(Debug, Default)]
struct Answers {
    /// No answer, or one that is no execution's end.
    lost: AtomicUsize,
    /// An answer with anything but the program's own output.
    mixed_up: AtomicUsize,
}

pub(super) fn run(root: &Path, mode: Mode) -> Result<()> {
    let server = serve::start(root, mode)?;
    let answers = Answers::default();
    burst(&server.endpoint, EARLY, &answers);
    let early = forgotten(&server)?;
    let since = Instant::now();
    burst(&server.endpoint, EXECUTIONS - EARLY, &answers);
    let took = since.elapsed().as_secs_f64();
    let late = forgotten(&server)?;
    let (lost, mixed_up) = (answers.lost.into_inner(), answers.mixed_up.into_inner());
    say(&format!(
        "soak as {}: {EXECUTIONS} executions, {IN_FLIGHT} in flight, {lost} lost, {mixed_up} mixed up, \
         the last {} at {:.0}/s\n  after {EARLY}: {early:?}\n  at the end: {late:?}",
        mode.name(),
        EXECUTIONS - EARLY,
        f64::from(u32::try_from(EXECUTIONS - EARLY)?) / took
    ));
    ensure!(lost == 0, "{lost} executions were lost");
    ensure!(mixed_up == 0, "{mixed_up} answers were mixed up");
    let rose = risen(early, late);
    ensure!(rose.is_empty(), "rose while it ran: {rose:?}");
    server.is_healthy()?;
    server.stop()
}

/// What the server uses once nothing waits for another burst.
fn forgotten(server: &Server) -> Result<Footprint> {
    std::thread::sleep(REMEMBERED);
    tree::footprint_at_rest(server)
}

/// What a server at rest uses more of than before.
fn risen(early: Footprint, late: Footprint) -> Vec<&'static str> {
    let limits = [
        (
            "memory",
            late.resident_kib > early.resident_kib + RESIDENT_RISE_KIB,
        ),
        ("descriptors", late.descriptors > early.descriptors),
        ("processes", late.processes > early.processes),
        ("mounts", late.mounts > early.mounts),
        ("cgroups", late.cgroups > early.cgroups),
    ];
    let over = limits.into_iter().filter(|(_, over)| *over);
    over.map(|(name, _)| name).collect()
}

/// Runs `count` executions over connections that stay open.
fn burst(endpoint: &Endpoint, count: usize, answers: &Answers) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| {
                let mut connection = None;
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let nonce = format!("{:08x}{:08x}", random(1 << 31), random(1 << 31));
                    match once(endpoint, &mut connection, &nonce) {
                        Ok(answer) if is_own(&answer, &nonce) => {}
                        Ok(answer) => {
                            say(&format!("FAILED soak: {nonce} was answered with {answer}"));
                            answers.mixed_up.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            say(&format!("FAILED soak: {nonce} was lost: {error:#}"));
                            answers.lost.fetch_add(1, Ordering::Relaxed);
                            connection = None;
                        }
                    }
                }
            });
        }
    });
}

fn once(endpoint: &Endpoint, connection: &mut Option<Connection>, nonce: &str) -> Result<Value> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(endpoint.connect()?),
    };
    let source = format!("print('{nonce}')\n'{nonce}'");
    let answer = connection.post("/v1/executions", &json!({"source": source}))?;
    let body = answer.json()?;
    ensure!(answer.status == 200, "status {}: {body}", answer.status);
    Ok(body)
}

/// Whether output and value are this program's, and nothing else is.
fn is_own(answer: &Value, nonce: &str) -> bool {
    let value = answer.pointer("/value/json").and_then(Value::as_str);
    answer["outcome"]["kind"] == "completed"
        && answer["stdout"].as_str() == Some(&format!("{nonce}\n"))
        && answer["stderr"] == ""
        && value == Some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_programs_answer_is_seen() {
        let answer = |stdout: &str, value: &str| json!({"outcome": {"kind": "completed"}, "stdout": stdout, "stderr": "", "value": {"json": value}});
        assert!(is_own(&answer("a1\n", "a1"), "a1"));
        for other in [
            answer("b2\n", "a1"),
            answer("a1\n", "b2"),
            answer("b2\na1\n", "a1"),
        ] {
            assert!(!is_own(&other, "a1"), "{other}");
        }
        assert!(!is_own(&json!({"outcome": {"kind": "raised"}}), "a1"));
    }

    #[test]
    fn whatever_rises_is_named() {
        let early = Footprint {
            resident_kib: 1000,
            descriptors: 10,
            cgroup_files: 0,
            processes: 3,
            mounts: 20,
            cgroups: 8,
        };
        let late = Footprint {
            mounts: 21,
            descriptors: 9,
            ..early
        };
        assert_eq!(risen(early, late), ["mounts"]);
        assert!(risen(early, early).is_empty());
    }
}
