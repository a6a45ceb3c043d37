//! Executions per second with some in flight, CPU time per execution, and whether every answer
//! was the right one.
//!
//! Each connection is a plain thread that sends its next request when it has its answer. Every
//! execution prints a nonce of its own, which its answer must hold.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::cancel::Cancel;
use super::client::{Connection, Endpoint};
use super::processes;
use super::program::{self, Expected, NONCE_LENGTH, Verdict};
use super::report::ThroughputRow;
use super::statistics::{Sorted, rounded};

/// Executions in flight.
pub(crate) const IN_FLIGHT: [usize; 3] = [1, 8, 64];
/// Windows of a row; with another binary they alternate.
pub(crate) const WINDOWS: u32 = 2;
/// Runs before a window, unmeasured: queues fill, and children that were ready are used up. A
/// shorter window has one of its own length.
const RUN_UP: Duration = Duration::from_secs(1);
/// A thread holds two small buffers.
const STACK_BYTES: usize = 256 * 1024;
/// A server that refuses is not asked again at once.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// What is driven.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    /// With the nonce's place still empty.
    pub(crate) request: Vec<u8>,
    pub(crate) expected: Expected,
    pub(crate) server: u32,
    /// Nobody else's nonces in this run begin so: eight characters.
    pub(crate) prefix: String,
}

/// What the windows of a row add up to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seconds: f64,
    /// Of executions that ended rightly in a window.
    times: Vec<Duration>,
    /// Everything that was sent, run-ups too.
    sent: u64,
    /// Of those, what was answered rightly, and the CPU time that these answers tell.
    right: u64,
    guest_cpu_ms: f64,
    errors: u64,
    mixed_up: u64,
    first_error: Option<String>,
    server_time: Duration,
    own_time: Duration,
}

/// What one connection has seen.
#[derive(Debug, Default)]
struct Seen {
    times: Vec<Duration>,
    sent: u64,
    right: u64,
    guest_cpu_ms: f64,
    errors: u64,
    mixed_up: u64,
    first_error: Option<String>,
}

impl Target {
    /// One more window, added to `tally`. `number` is the window's own in this run, for nonces.
    pub(crate) fn window(
        &self,
        tally: &mut Tally,
        number: u64,
        in_flight: usize,
        seconds: f64,
        cancel: &Cancel,
    ) -> Result<()> {
        cancel.check()?;
        let server_before = processes::settled_tree_time(self.server)?;
        let own_before = processes::own_time()?;
        let length = Duration::from_secs_f64(seconds);
        let from = Instant::now() + RUN_UP.min(length);
        let until = from + length;
        let seen = self.drive(in_flight, number, from, until, cancel)?;
        let own_after = processes::own_time()?;
        let server_after = processes::settled_tree_time(self.server)?;
        cancel.check()?;
        tally.seconds += seconds;
        tally.own_time += own_after.saturating_sub(own_before);
        tally.server_time += server_after.saturating_sub(server_before);
        for one in seen {
            tally.add(one);
        }
        Ok(())
    }

    fn drive(
        &self,
        in_flight: usize,
        window: u64,
        from: Instant,
        until: Instant,
        cancel: &Cancel,
    ) -> Result<Vec<Seen>> {
        thread::scope(|scope| {
            let threads = (0..in_flight).map(|index| {
                let builder = thread::Builder::new().stack_size(STACK_BYTES);
                let work = move || self.connection(window, index, from, until, cancel);
                builder
                    .spawn_scoped(scope, work)
                    .context("cannot start a thread")
            });
            let threads: Result<Vec<_>> = threads.collect();
            let seen = threads?.into_iter().map(|thread| thread.join().ok());
            seen.collect::<Option<Vec<_>>>()
                .context("a thread of the load generator died")
        })
    }

    /// Sends one request after another until the window closes.
    fn connection(
        &self,
        window: u64,
        index: usize,
        from: Instant,
        until: Instant,
        cancel: &Cancel,
    ) -> Seen {
        let mut seen = Seen::default();
        let mut request = self.request.clone();
        let mut open = None;
        while Instant::now() < until && cancel.check().is_ok() {
            let nonce = self.nonce(window, index, seen.sent);
            let place = program::nonce_place(&self.request).unwrap_or(0);
            request[place..place + NONCE_LENGTH].copy_from_slice(nonce.as_bytes());
            seen.sent += 1;
            let asked = Instant::now();
            let verdict = self.exchange(&mut open, &request, &nonce);
            let ended = Instant::now();
            match verdict {
                Verdict::Right { guest_cpu_ms } => {
                    seen.right += 1;
                    seen.guest_cpu_ms += guest_cpu_ms;
                    if (from..until).contains(&ended) {
                        seen.times.push(ended - asked);
                    }
                }
                Verdict::MixedUp => seen.mixed_up += 1,
                Verdict::Wrong(reason) => {
                    seen.errors += 1;
                    seen.first_error.get_or_insert(reason);
                    thread::sleep(AFTER_ERROR);
                }
            }
        }
        seen
    }

    fn exchange(&self, open: &mut Option<Connection>, request: &[u8], nonce: &str) -> Verdict {
        let ended = take_or_connect(open, &self.endpoint).and_then(|mut connection| {
            let status = connection.exchange(request, |_| {})?;
            let verdict = self
                .expected
                .judge(status, connection.body(), &format!("{nonce}\n"));
            // Only a connection that has given a whole answer is used again.
            *open = Some(connection);
            Ok(verdict)
        });
        ended.unwrap_or_else(|error| Verdict::Wrong(format!("{error:#}")))
    }

    /// Thirty-two characters that no other request of this run has.
    fn nonce(&self, window: u64, index: usize, number: u64) -> String {
        format!("{}{window:06x}{index:06x}{number:012x}", self.prefix)
    }
}

fn take_or_connect(open: &mut Option<Connection>, endpoint: &Endpoint) -> Result<Connection> {
    match open.take() {
        Some(connection) => Ok(connection),
        None => endpoint.connect(),
    }
}

impl Tally {
    fn add(&mut self, seen: Seen) {
        self.times.extend(seen.times);
        self.sent += seen.sent;
        self.right += seen.right;
        self.guest_cpu_ms += seen.guest_cpu_ms;
        self.errors += seen.errors;
        self.mixed_up += seen.mixed_up;
        if self.first_error.is_none() {
            self.first_error = seen.first_error;
        }
    }

    pub(crate) fn row(self, name: &str, in_flight: usize) -> ThroughputRow {
        let times = Sorted::of(self.times);
        let ended = u32::try_from(times.len()).map_or(f64::MAX, f64::from);
        let each =
            |milliseconds: f64, executions: u64| rounded(milliseconds / count(executions), 3);
        let each_sent = |time: Duration| each(time.as_secs_f64() * 1e3, self.sent);
        ThroughputRow {
            name: name.to_owned(),
            in_flight,
            seconds: self.seconds,
            n: times.len(),
            per_second: rounded(ended / self.seconds.max(f64::MIN_POSITIVE), 1),
            errors: self.errors,
            mixed_up: self.mixed_up,
            first_error: self.first_error,
            p50_us: times.percentile_us(50),
            p90_us: times.percentile_us(90),
            p99_us: times.percentile_us(99),
            max_us: times.percentile_us(100),
            server_cpu_ms_each: each_sent(self.server_time),
            guest_cpu_ms_each: each(self.guest_cpu_ms, self.right),
            client_cpu_ms_each: each_sent(self.own_time),
        }
    }
}

/// At least one, so that nothing is divided by 0.
fn count(executions: u64) -> f64 {
    u32::try_from(executions.max(1)).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::client::Accept;

    fn target() -> Target {
        let expected = Expected {
            preload: "bare",
            tier: "full",
        };
        let endpoint = Endpoint::Unix("nowhere".into());
        let body = program::body(&program::with_nonce(program::PRINT));
        Target {
            name: "x".to_owned(),
            request: endpoint.request("k", Accept::Whole, &body),
            endpoint,
            expected,
            server: 1,
            prefix: "0123abcd".to_owned(),
        }
    }

    #[test]
    fn nonces_fit_their_place_and_differ() {
        let target = target();
        let place = program::nonce_place(&target.request).unwrap();
        assert!(target.request[place - 1] == b'\'');
        let nonces = [
            target.nonce(0, 0, 0),
            target.nonce(0, 0, 1),
            target.nonce(0, 63, 0),
            target.nonce(1, 0, 0),
        ];
        for (index, nonce) in nonces.iter().enumerate() {
            assert_eq!(nonce.len(), NONCE_LENGTH);
            assert!(!nonces[..index].contains(nonce));
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_errors_and_no_figures() {
        let target = target();
        let now = Instant::now();
        let until = now + Duration::from_millis(50);
        let seen = target.drive(2, 0, now, until, &Cancel::default()).unwrap();
        let mut tally = Tally {
            seconds: 0.05,
            ..Tally::default()
        };
        for one in seen {
            tally.add(one);
        }
        let row = tally.row("x", 2);
        assert!(row.errors >= 2, "{row:?}");
        assert_eq!((row.n, row.mixed_up, row.p50_us), (0, 0, None));
        assert!(row.first_error.unwrap().contains("cannot connect"));
    }

    #[test]
    fn a_row_counts_what_ended_in_its_windows() {
        let mut tally = Tally {
            seconds: 2.0,
            server_time: Duration::from_millis(30),
            own_time: Duration::from_millis(6),
            ..Tally::default()
        };
        tally.add(Seen {
            times: vec![Duration::from_millis(4); 10],
            sent: 12,
            right: 12,
            guest_cpu_ms: 24.0,
            ..Seen::default()
        });
        let row = tally.row("x", 1);
        assert_eq!((row.n, row.per_second), (10, 5.0));
        assert_eq!((row.server_cpu_ms_each, row.client_cpu_ms_each), (2.5, 0.5));
        assert_eq!(row.guest_cpu_ms_each, 2.0);
        assert_eq!(row.p99_us, Some(4000.0));
    }
}
