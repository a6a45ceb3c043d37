//! What this server counted: typed values that can be read back, and their text for a scraper.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use stepflow_python::{Outcome, PoolStatus};

/// The kinds of outcome, in the order of their counters.
const KINDS: [&str; 6] = [
    "completed",
    "raised",
    "rejected",
    "limit_exceeded",
    "crashed",
    "cancelled",
];

/// Counters of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Counter,
    pub(crate) unauthorized: Counter,
    /// Refused because the queue was full, or the wait too long.
    pub(crate) refused_busy: Counter,
    /// Executions whose caller went away before the end.
    pub(crate) abandoned: Counter,
    /// Executions without an outcome: our own failures.
    pub(crate) failed: Counter,
    /// Executions that run now.
    pub(crate) running: Gauge,
    /// Executions that wait for a slot now.
    pub(crate) waiting: Gauge,
    outcomes: [Counter; KINDS.len()],
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    pub(crate) fn ended(&self, outcome: &Outcome) {
        let kind = outcome.kind();
        if let Some(index) = KINDS.iter().position(|known| *known == kind) {
            self.outcomes[index].add();
        }
    }

    /// Shape: the Prometheus text format, version 0.0.4.
    pub(crate) fn render(&self, pools: &[PoolStatus]) -> String {
        let mut text = String::new();
        render_pools(&mut text, pools);
        let counters = [
            ("hognose_http_requests_total", &self.requests),
            ("hognose_http_unauthorized_total", &self.unauthorized),
            ("hognose_http_refused_busy_total", &self.refused_busy),
            ("hognose_executions_abandoned_total", &self.abandoned),
            ("hognose_executions_failed_total", &self.failed),
        ];
        for (name, counter) in counters {
            let _ = writeln!(text, "# TYPE {name} counter\n{name} {}", counter.read());
        }
        for (name, gauge) in [
            ("hognose_executions_running", &self.running),
            ("hognose_executions_waiting", &self.waiting),
        ] {
            let _ = writeln!(text, "# TYPE {name} gauge\n{name} {}", gauge.read());
        }
        let _ = writeln!(text, "# TYPE hognose_executions_total counter");
        for (kind, counter) in KINDS.iter().zip(&self.outcomes) {
            let _ = writeln!(
                text,
                "hognose_executions_total{{outcome=\"{kind}\"}} {}",
                counter.read()
            );
        }
        text
    }
}

/// One line per pool and fact; nothing where the executor has no pools.
fn render_pools(text: &mut String, pools: &[PoolStatus]) {
    type Fact = (&'static str, &'static str, fn(&PoolStatus) -> u64);
    let facts: [Fact; 8] = [
        ("ready", "gauge", |pool| pool.ready as u64),
        ("wanted", "gauge", |pool| pool.wanted as u64),
        ("child_bytes", "gauge", |pool| pool.child_bytes),
        ("leases_ready_total", "counter", |pool| pool.leases_ready),
        ("leases_fresh_total", "counter", |pool| pool.leases_fresh),
        ("refills_total", "counter", |pool| pool.refills),
        ("zygotes_total", "counter", |pool| pool.zygotes),
        ("lost_total", "counter", |pool| pool.lost),
    ];
    for (name, kind, fact) in facts.iter().filter(|_| !pools.is_empty()) {
        let _ = writeln!(text, "# TYPE hognose_pool_{name} {kind}");
        for pool in pools {
            let (preload, fork) = (&pool.preload, pool.fork.name());
            let environment = pool.environment.get(..12).unwrap_or(&pool.environment);
            let _ = writeln!(
                text,
                "hognose_pool_{name}{{environment=\"{environment}\",preload=\"{preload}\",fork=\"{fork}\"}} {}",
                fact(pool)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_counted_under_its_kind() {
        let metrics = Metrics::default();
        metrics.ended(&Outcome::Cancelled);
        metrics.running.up();
        let text = metrics.render(&[]);
        assert!(
            text.contains("hognose_executions_total{outcome=\"cancelled\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("hognose_executions_total{outcome=\"completed\"} 0\n"),
            "{text}"
        );
        assert!(text.contains("\nhognose_executions_running 1\n"), "{text}");
        assert!(!text.contains("pool"), "{text}");
    }

    #[test]
    fn a_pool_has_a_line_for_each_fact() {
        let pool = PoolStatus {
            environment: "0123456789abcdef".to_owned(),
            preload: "bare".to_owned(),
            fork: stepflow_python::ForkKind::Snapshot,
            ready: 3,
            wanted: 4,
            child_bytes: 1024,
            leases_ready: 5,
            leases_fresh: 6,
            refills: 7,
            zygotes: 8,
            lost: 9,
        };
        let text = Metrics::default().render(&[pool]);
        let labels = "{environment=\"0123456789ab\",preload=\"bare\",fork=\"snapshot\"}";
        for line in [
            format!("hognose_pool_ready{labels} 3\n"),
            format!("hognose_pool_lost_total{labels} 9\n"),
        ] {
            assert!(text.contains(&line), "{text}");
        }
    }
}
