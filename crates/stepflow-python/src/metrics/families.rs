//! Everything that was counted, by name.

use std::time::SystemTime;

use engine::Limit;

use super::instrument::{Counter, Gauge, Histogram};
use super::reading::{MetricFamily, MetricReading, MetricSeries, MetricType};
use super::{ENDS, LIMITS, PythonMonitoringImpl, SOURCES, UNFINISHED};

impl PythonMonitoringImpl {
    /// Everything, by name.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let counted = &self.counted;
        let limits = LIMITS.map(Limit::name);
        vec![
            counters(
                ("hognose_python_executions_total", "executions"),
                "Executions that ended, by their outcome.",
                ("outcome", &ENDS, &counted.ends),
            ),
            counters(
                ("hognose_python_limits_exceeded_total", "executions"),
                "Executions that a limit ended, by the limit.",
                ("limit", &limits, &counted.limits),
            ),
            gauge(
                ("hognose_python_executions_running", "executions"),
                "Executions that have begun and not ended.",
                &counted.running,
            ),
            counters(
                ("hognose_python_executions_unfinished_total", "executions"),
                "Executions without an outcome: our own failures, and those whose caller went away.",
                ("reason", &UNFINISHED, &counted.unfinished),
            ),
            histogram(
                ("hognose_python_execution_seconds", "seconds"),
                "Wall-clock time of executions that ran.",
                &counted.wall,
            ),
            histogram(
                ("hognose_python_execution_memory_peak_bytes", "bytes"),
                "Peak of memory of executions that ran.",
                &counted.memory,
            ),
            gauge(
                ("hognose_python_environments", "environments"),
                "Environments that callers have created and that exist now.",
                &counted.environments,
            ),
            gauge(
                ("hognose_python_environments_active", "environments"),
                "Of these, those whose zygotes are kept.",
                &counted.active,
            ),
            histogram(
                ("hognose_python_environment_creation_seconds", "seconds"),
                "Time of building an environment from nothing, without the wait for other builds.",
                &counted.creation,
            ),
            counters(
                ("hognose_python_dependencies_installed_total", "packages"),
                "Packages put into environments, by where they came from.",
                ("source", &SOURCES, &counted.dependencies),
            ),
            histogram(
                ("hognose_python_dependency_installation_seconds", "seconds"),
                "Time of adding packages to an environment, without the wait for other builds.",
                &counted.installation,
            ),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn value(labels: Vec<(String, String)>, changed: SystemTime, value: u64) -> MetricSeries {
    MetricSeries {
        labels,
        changed,
        reading: MetricReading::Value(value as f64),
    }
}

fn counters(
    (name, unit): (&str, &str),
    description: &str,
    (label, values, counters): (&str, &[&str], &[Counter]),
) -> MetricFamily {
    let series = values.iter().zip(counters).map(|(word, counter)| {
        let labels = vec![(label.to_owned(), (*word).to_owned())];
        value(labels, counter.changed(), counter.read())
    });
    MetricFamily {
        name: name.into(),
        description: description.into(),
        unit: unit.into(),
        metric_type: MetricType::Counter,
        series: series.collect(),
    }
}

fn gauge((name, unit): (&str, &str), description: &str, gauge: &Gauge) -> MetricFamily {
    MetricFamily {
        name: name.into(),
        description: description.into(),
        unit: unit.into(),
        metric_type: MetricType::Gauge,
        series: vec![value(Vec::new(), gauge.changed(), gauge.read())],
    }
}

fn histogram((name, unit): (&str, &str), description: &str, one: &Histogram) -> MetricFamily {
    MetricFamily {
        name: name.into(),
        description: description.into(),
        unit: unit.into(),
        metric_type: MetricType::Histogram,
        series: vec![MetricSeries {
            labels: Vec::new(),
            changed: one.changed(),
            reading: MetricReading::Distribution(one.read()),
        }],
    }
}
