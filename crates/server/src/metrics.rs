//! What this server counted: typed values that can be read back, and their text for a scraper.

mod prometheus;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::SystemTime;

use stepflow_python::{
    ExecutionError, Fault, MetricFamily, MetricReading, MetricSeries, MetricType, Outcome,
    PoolStatus,
};

pub(crate) use self::prometheus::prometheus;

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
    failed: Counter,
    /// Executions that run now.
    pub(crate) running: Gauge,
    /// Executions that wait for a slot now.
    pub(crate) waiting: Gauge,
    outcomes: [Counter; Outcome::KINDS.len()],
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
        if let Some(index) = Outcome::KINDS.iter().position(|known| *known == kind) {
            self.outcomes[index].add();
        }
    }

    /// An execution without an outcome. What its caller asked for and nobody could do is no failure.
    pub(crate) fn failed(&self, error: &ExecutionError) {
        if error.fault() != Fault::Caller {
            self.failed.add();
        }
    }

    /// What the doors counted, and the facts of the pools.
    pub(crate) fn families(&self, pools: &[PoolStatus]) -> Vec<MetricFamily> {
        let counter = |name: &str, description: &str, one: &Counter| {
            family(
                name,
                description,
                MetricType::Counter,
                [(vec![], exact(one.read()))],
            )
        };
        let gauge = |name: &str, description: &str, one: &Gauge| {
            // Whoever goes down went up before: it is never below zero for long.
            let now = u64::try_from(one.read()).unwrap_or_default();
            family(name, description, MetricType::Gauge, [(vec![], exact(now))])
        };
        let outcomes = Outcome::KINDS
            .iter()
            .zip(&self.outcomes)
            .map(|(kind, one)| (vec![("outcome", (*kind).to_owned())], exact(one.read())));
        let mut all = pool_families(pools);
        all.extend([
            counter(
                "hognose_http_requests_total",
                "Requests at any route.",
                &self.requests,
            ),
            counter(
                "hognose_http_unauthorized_total",
                "Requests without the right key.",
                &self.unauthorized,
            ),
            counter(
                "hognose_http_refused_busy_total",
                "Executions refused because the queue was full or the wait too long.",
                &self.refused_busy,
            ),
            counter(
                "hognose_executions_abandoned_total",
                "Executions whose caller went away before the end.",
                &self.abandoned,
            ),
            counter(
                "hognose_executions_failed_total",
                "Executions without an outcome: our own failures.",
                &self.failed,
            ),
            gauge(
                "hognose_executions_running",
                "Executions that hold a slot.",
                &self.running,
            ),
            gauge(
                "hognose_executions_waiting",
                "Executions that wait for a slot.",
                &self.waiting,
            ),
            family(
                "hognose_executions_total",
                "Executions that were answered, by their outcome.",
                MetricType::Counter,
                outcomes,
            ),
        ]);
        all
    }
}

/// One family per fact of pools; nothing where the executor has no pools.
fn pool_families(pools: &[PoolStatus]) -> Vec<MetricFamily> {
    type Fact = (&'static str, &'static str, fn(&PoolStatus) -> u64);
    let gauges: [Fact; 3] = [
        ("ready", "Children that wait.", |pool| pool.ready as u64),
        ("wanted", "Children that should wait.", |pool| {
            pool.wanted as u64
        }),
        ("child_bytes", "Memory of a waiting child.", |pool| {
            pool.child_bytes
        }),
    ];
    let counters: [Fact; 6] = [
        (
            "leases_ready_total",
            "Leases served by a child that waited.",
            |pool| pool.leases_ready,
        ),
        ("leases_fresh_total", "Leases that had to fork.", |pool| {
            pool.leases_fresh
        }),
        (
            "refills_total",
            "Children made in the background.",
            |pool| pool.refills,
        ),
        ("zygotes_total", "Zygotes launched.", |pool| pool.zygotes),
        (
            "recycles_total",
            "Zygotes replaced because they were worn out.",
            |pool| pool.recycles,
        ),
        (
            "lost_total",
            "Children that died while they waited.",
            |pool| pool.lost,
        ),
    ];
    if pools.is_empty() {
        return Vec::new();
    }
    let gauges = gauges.into_iter().map(|fact| (fact, MetricType::Gauge));
    let counters = counters.into_iter().map(|fact| (fact, MetricType::Counter));
    let one = |((name, description, fact), kind): (Fact, MetricType)| {
        let series = pools
            .iter()
            .map(|pool| (pool_labels(pool), exact(fact(pool))));
        family(&format!("hognose_pool_{name}"), description, kind, series)
    };
    gauges.chain(counters).map(one).collect()
}

/// Which preload was chosen, and how its children are forked, stand in every fact of a pool.
fn pool_labels(pool: &PoolStatus) -> Vec<(&'static str, String)> {
    let environment = pool.environment.get(..12).unwrap_or(&pool.environment);
    vec![
        ("environment", environment.to_owned()),
        ("preload", pool.preload.clone()),
        ("fork", pool.fork.name().to_owned()),
    ]
}

type Valued = (Vec<(&'static str, String)>, f64);

fn family(
    name: &str,
    description: &str,
    metric_type: MetricType,
    series: impl IntoIterator<Item = Valued>,
) -> MetricFamily {
    let changed = SystemTime::now();
    let one = |(labels, value): Valued| MetricSeries {
        labels: labels
            .into_iter()
            .map(|(label, word)| (label.to_owned(), word))
            .collect(),
        changed,
        reading: MetricReading::Value(value),
    };
    let unit = ["requests", "executions", "leases", "zygotes", "bytes"];
    let unit = unit.into_iter().find(|unit| name.contains(unit));
    MetricFamily {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: unit.unwrap_or("children").to_owned(),
        metric_type,
        series: series.into_iter().map(one).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_counted_under_its_kind() {
        let metrics = Metrics::default();
        metrics.ended(&Outcome::Cancelled);
        metrics.running.up();
        let text = prometheus(&metrics.families(&[]));
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
    fn what_the_caller_got_wrong_is_no_failure_of_ours() {
        let metrics = Metrics::default();
        metrics.failed(&ExecutionError::Entry {
            reason: "no module".to_owned(),
        });
        assert_eq!(metrics.failed.read(), 0);
        metrics.failed(&ExecutionError::Lost { what: "the guest" });
        assert_eq!(metrics.failed.read(), 1);
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
            recycles: 2,
            lost: 9,
        };
        let text = prometheus(&Metrics::default().families(&[pool]));
        let labels = "{environment=\"0123456789ab\",preload=\"bare\",fork=\"snapshot\"}";
        for (fact, value) in [
            ("ready", 3),
            ("wanted", 4),
            ("child_bytes", 1024),
            ("leases_ready_total", 5),
            ("leases_fresh_total", 6),
            ("refills_total", 7),
            ("zygotes_total", 8),
            ("recycles_total", 2),
            ("lost_total", 9),
        ] {
            let line = format!("hognose_pool_{fact}{labels} {value}\n");
            assert!(text.contains(&line), "{line} {text}");
        }
    }
}
