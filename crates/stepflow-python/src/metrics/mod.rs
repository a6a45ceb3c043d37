//! What this library counted: typed values that can be read back, with no global recorder.
//!
//! An execution is counted once, when it has ended and that is recorded, where it is; a failure of ours
//! is no failed execution. Label values come from fixed sets: nothing a caller writes becomes one.

mod ending;
mod families;
mod instrument;
mod monitoring;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use engine::{Limit, Outcome};

use self::instrument::{Counter, Gauge, Histogram};
use crate::dependencies::DependencySource;

pub(crate) use self::ending::Unfinished;
pub use self::monitoring::{Metric, MetricFilter, MonitoringError, PythonMonitoring};
pub use self::reading::{HistogramReading, MetricFamily, MetricReading, MetricSeries, MetricType};

/// Microseconds in a second.
const MICROS: f64 = 1e6;
const MIB: u64 = 1 << 20;

/// Wall-clock times of executions. Unit: microseconds.
///
/// From half a millisecond, which is less than any execution takes, to the longest limit there is,
/// 300 s. The default limit, 30 s, is a bound: what it ended stands just above.
const WALL: [u64; 18] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];
/// Peaks of memory. Unit: bytes.
///
/// Powers of two from less than a bare interpreter takes, so that the default limit, 512 MiB, is a
/// bound; the last is the longest limit there is, 5 GiB.
const MEMORY: [u64; 14] = [
    MIB,
    2 * MIB,
    4 * MIB,
    8 * MIB,
    16 * MIB,
    32 * MIB,
    64 * MIB,
    128 * MIB,
    256 * MIB,
    512 * MIB,
    1024 * MIB,
    2048 * MIB,
    4096 * MIB,
    5120 * MIB,
];
/// Times of builds. Unit: microseconds.
///
/// From what an empty environment takes to where a build is given up, 600 s.
const BUILD: [u64; 12] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
];

/// Ends of executions: the kinds of outcome, and what `record_execution` told without one.
const ENDS: [&str; Outcome::KINDS.len() + 1] = {
    let [a, b, c, d, e, f] = Outcome::KINDS;
    [a, b, c, d, e, f, "unspecified"]
};
/// Ends without an outcome: failures of ours, and callers who went away.
const UNFINISHED: [&str; 2] = ["failed", "abandoned"];
const LIMITS: [Limit; 6] = [
    Limit::Wall,
    Limit::Cpu,
    Limit::Memory,
    Limit::Processes,
    Limit::Disk,
    Limit::Output,
];
const SOURCES: [&str; 4] = ["pypi", "conda", "git", "local"];

/// The sums of everything. Source: seed 003, "PythonMetrics".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonMetrics {
    /// Executions with an outcome, since the start of the process.
    pub total_executions: u64,
    /// Of these, those that completed.
    pub successful_executions: u64,
    /// The others. Failures of ours have no outcome and are in neither.
    pub failed_executions: u64,
    /// Mean wall-clock time of those that ran; zero without any.
    pub average_execution_time: Duration,
    /// Environments that callers have created and that exist now.
    pub total_environments: u64,
    /// Of these, those whose zygotes are kept (`activate`).
    pub active_environments: u64,
    /// Packages that were installed, since the start of the process.
    pub total_dependencies: u64,
    /// Mean of the peaks of memory of those that ran; zero without any. Unit: bytes.
    pub memory_usage: usize,
}

/// Counts what happens in this process and tells it. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct PythonMonitoringImpl {
    counted: Arc<Counted>,
}

#[derive(Debug)]
struct Counted {
    ends: [Counter; ENDS.len()],
    limits: [Counter; LIMITS.len()],
    running: Gauge,
    unfinished: [Counter; UNFINISHED.len()],
    wall: Histogram,
    memory: Histogram,
    environments: Gauge,
    active: Gauge,
    creation: Histogram,
    dependencies: [Counter; SOURCES.len()],
    installation: Histogram,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            ends: Default::default(),
            limits: Default::default(),
            running: Gauge::default(),
            unfinished: Default::default(),
            wall: Histogram::new(&WALL, MICROS),
            memory: Histogram::new(&MEMORY, 1.0),
            environments: Gauge::default(),
            active: Gauge::default(),
            creation: Histogram::new(&BUILD, MICROS),
            dependencies: Default::default(),
            installation: Histogram::new(&BUILD, MICROS),
        }
    }
}

impl Counted {
    fn end(&self, kind: &str) {
        let known = ENDS.iter().position(|known| *known == kind);
        self.ends[known.unwrap_or(ENDS.len() - 1)].add();
    }

    fn installed(&self, source: &DependencySource) {
        let index = match source {
            DependencySource::PyPI => 0,
            DependencySource::Conda => 1,
            DependencySource::Git => 2,
            DependencySource::Local => 3,
        };
        self.dependencies[index].add();
    }
}

impl PythonMonitoringImpl {
    /// One that has counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The sums.
    #[must_use]
    pub fn metrics(&self) -> PythonMetrics {
        let counted = &self.counted;
        let (wall, memory) = (counted.wall.read(), counted.memory.read());
        let total = counted.ends.iter().map(Counter::read).sum();
        let successful = counted.ends[0].read();
        let bytes = Duration::from_secs_f64(memory.mean().unwrap_or_default()).as_secs();
        PythonMetrics {
            total_executions: total,
            successful_executions: successful,
            failed_executions: total - successful,
            average_execution_time: Duration::from_secs_f64(wall.mean().unwrap_or_default()),
            total_environments: counted.environments.read(),
            active_environments: counted.active.read(),
            total_dependencies: counted.dependencies.iter().map(Counter::read).sum(),
            memory_usage: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// An execution begins.
    pub(crate) fn begun(&self) -> Unfinished {
        Unfinished::new(Arc::clone(&self.counted))
    }

    /// How many environments there are now.
    pub(crate) fn environments(&self, all: usize, active: usize) {
        self.counted.environments.set(all);
        self.counted.active.set(active);
    }

    /// An environment was built from nothing.
    pub(crate) fn created(&self, took: Duration) {
        self.counted.creation.observe_duration(took);
    }

    /// An environment was built from another one.
    pub(crate) fn extended(&self, took: Duration) {
        self.counted.installation.observe_duration(took);
    }

    /// A package was put into an environment.
    pub(crate) fn installed(&self, source: &DependencySource) {
        self.counted.installed(source);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::SystemTime;

    use engine::{CapturedOutput, Ending, ExecutionId, ExecutionReport, Limits, Usage, Value};

    use super::*;
    use crate::dependencies::Dependency;
    use crate::environment::EnvironmentId;

    fn report(outcome: Outcome, wall_ms: u64, memory: u64) -> ExecutionReport {
        ExecutionReport {
            id: ExecutionId::random(),
            outcome,
            exit: None,
            stdout: CapturedOutput::default(),
            stderr: CapturedOutput::default(),
            artifacts: vec![],
            skipped: vec![],
            usage: Usage {
                wall: Duration::from_millis(wall_ms),
                memory_peak_bytes: memory,
                ..Usage::default()
            },
            limits: Limits::default(),
            start: Duration::ZERO,
            tier: "full",
            preload: String::new(),
        }
    }

    async fn all(filter: MetricFilter) -> Vec<Metric> {
        filled().get_metrics(Some(filter)).await.unwrap()
    }

    fn filled() -> PythonMonitoringImpl {
        let monitoring = PythonMonitoringImpl::new();
        for (outcome, wall_ms, memory) in [
            (Outcome::Completed(Value::default()), 10, 10 * MIB),
            (Outcome::LimitExceeded(Limit::Wall), 30_000, 30 * MIB),
            (Outcome::Rejected(vec![]), 0, 0),
        ] {
            let report = report(outcome, wall_ms, memory);
            monitoring.begun().ended(Ending::Finished(&report)).count();
        }
        monitoring.begun().ended(Ending::Abandoned).count();
        monitoring
    }

    #[test]
    fn what_never_ran_has_no_time_and_what_has_no_outcome_is_no_execution() {
        let metrics = filled().metrics();
        let expected = PythonMetrics {
            total_executions: 3,
            successful_executions: 1,
            failed_executions: 2,
            average_execution_time: Duration::from_millis(15_005),
            memory_usage: 20 << 20,
            ..PythonMetrics::default()
        };
        assert_eq!(metrics, expected);
        assert_eq!(
            PythonMonitoringImpl::new().metrics(),
            PythonMetrics::default()
        );
    }

    #[test]
    fn what_is_not_recorded_is_a_failure_of_ours_and_runs_no_longer() {
        let monitoring = PythonMonitoringImpl::new();
        let report = report(Outcome::Completed(Value::default()), 1, 1);
        let ended = monitoring.begun().ended(Ending::Finished(&report));
        assert_eq!(monitoring.counted.running.read(), 1);
        ended.count_as_failed();
        assert_eq!(monitoring.metrics(), PythonMetrics::default());
        assert_eq!(monitoring.counted.unfinished[0].read(), 1);
        drop(monitoring.begun().ended(Ending::Abandoned));
        assert_eq!(monitoring.counted.running.read(), 0);
    }

    #[tokio::test]
    async fn the_seeds_methods_count() {
        let monitoring = PythonMonitoringImpl::new();
        let (id, environment) = (ExecutionId::random(), EnvironmentId::new());
        let second = Duration::from_secs(1);
        monitoring
            .record_execution(&id, second, true)
            .await
            .unwrap();
        monitoring
            .record_execution(&id, second, false)
            .await
            .unwrap();
        monitoring
            .record_environment_creation(&environment, second)
            .await
            .unwrap();
        let numpy = Dependency::parse("numpy").unwrap();
        monitoring
            .record_dependency_installation(&environment, &numpy)
            .await
            .unwrap();
        let expected = PythonMetrics {
            total_executions: 2,
            successful_executions: 1,
            failed_executions: 1,
            average_execution_time: second,
            total_environments: 1,
            total_dependencies: 1,
            ..PythonMetrics::default()
        };
        assert_eq!(monitoring.metrics(), expected);
    }

    #[tokio::test]
    async fn each_field_of_a_filter_is_applied() {
        let named = |name: &str| MetricFilter {
            name: Some(name.into()),
            ..MetricFilter::default()
        };
        let values = |metrics: &[Metric]| metrics.iter().map(|one| one.value).sum::<f64>();
        let executions = all(named("hognose_python_executions_total")).await;
        assert_eq!((executions.len(), values(&executions)), (ENDS.len(), 3.0));
        let labels = HashMap::from([("limit".to_owned(), "wall".to_owned())]);
        let wall = all(MetricFilter {
            labels,
            ..MetricFilter::default()
        })
        .await;
        assert_eq!((wall.len(), values(&wall)), (1, 1.0));
        let family = all(named("hognose_python_execution_seconds")).await;
        assert_eq!(family.len(), WALL.len() + 3);
        let infinite = family
            .iter()
            .filter(|one| one.labels.get("le").is_some_and(|le| le == "+Inf"));
        assert_eq!(infinite.map(|one| one.value).collect::<Vec<_>>(), [2.0]);
        let sum = all(named("hognose_python_execution_seconds_sum")).await;
        assert_eq!((sum.len(), sum[0].value), (1, 30.01));
        let kind = MetricType::Gauge;
        let gauges = all(MetricFilter {
            metric_type: Some(kind),
            ..MetricFilter::default()
        })
        .await;
        assert!(gauges.len() == 3 && gauges.iter().all(|one| one.metric_type == kind));
        assert_eq!(all(named("hognose_python")).await, []);
    }

    #[tokio::test]
    async fn a_filter_in_time_sees_what_changed_in_it() {
        let monitoring = PythonMonitoringImpl::new();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let start = SystemTime::now() - Duration::from_millis(1);
        let report = report(Outcome::Cancelled, 1, 1);
        monitoring.begun().ended(Ending::Finished(&report)).count();
        let since = MetricFilter {
            start_time: Some(start),
            ..MetricFilter::default()
        };
        let changed = monitoring.get_metrics(Some(since)).await.unwrap();
        let counters = changed
            .iter()
            .filter(|one| one.metric_type == MetricType::Counter);
        let counters: Vec<&str> = counters.map(|one| one.labels["outcome"].as_str()).collect();
        assert_eq!(counters, ["cancelled"]);
        let before = MetricFilter {
            end_time: Some(start - Duration::from_millis(1)),
            ..MetricFilter::default()
        };
        let old = monitoring.get_metrics(Some(before.clone())).await.unwrap();
        assert!(!old.is_empty() && old.iter().all(|one| !changed.contains(one)));
        let never = MetricFilter {
            start_time: Some(start),
            ..before
        };
        let refused = monitoring.get_metrics(Some(never)).await;
        assert_eq!(refused, Err(MonitoringError::EmptyInterval));
    }
}
