//! The seed's trait, and what it tells: single values, filtered by name, type, labels and time.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use engine::ExecutionId;

use super::reading::{HistogramReading, MetricFamily, MetricReading, MetricSeries, MetricType};
use super::{ENDS, PythonMonitoringImpl};
use crate::dependencies::Dependency;
use crate::environment::EnvironmentId;

/// Counts what happens. Source: seed 003, "Monitoring".
#[async_trait]
pub trait PythonMonitoring: Send + Sync {
    /// An execution ended after `duration` of wall-clock time.
    async fn record_execution(
        &self,
        execution_id: &ExecutionId,
        duration: Duration,
        success: bool,
    ) -> Result<(), MonitoringError>;

    /// An environment was made, which took `duration`.
    async fn record_environment_creation(
        &self,
        env_id: &EnvironmentId,
        duration: Duration,
    ) -> Result<(), MonitoringError>;

    /// A package was put into an environment.
    async fn record_dependency_installation(
        &self,
        env_id: &EnvironmentId,
        dependency: &Dependency,
    ) -> Result<(), MonitoringError>;

    /// What was counted; of it, what `filter` wants.
    ///
    /// Errors: `EmptyInterval` for a filter that nothing could pass.
    async fn get_metrics(
        &self,
        filter: Option<MetricFilter>,
    ) -> Result<Vec<Metric>, MonitoringError>;
}

/// Why nothing was counted or told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonitoringError {
    /// A filter that nothing could pass.
    #[error("the filter ends before it starts")]
    EmptyInterval,
    /// For implementations that keep what they count elsewhere.
    #[error("the metrics cannot be reached: {0}")]
    Unreachable(String),
}

/// One value. Source: contracts/stepflow.md.
///
/// Shape: a histogram is several: `NAME_bucket` with the label `le`, `NAME_sum` and `NAME_count`,
/// as Prometheus has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// As Prometheus writes it.
    pub name: String,
    /// What was read.
    pub value: f64,
    /// What it is.
    pub metric_type: MetricType,
    /// Names and values.
    pub labels: HashMap<String, String>,
    /// When it last changed; the start of the process, if never.
    pub timestamp: SystemTime,
    /// One sentence.
    pub description: String,
    /// `seconds`, `bytes`, or what is counted.
    pub unit: String,
}

/// Which metrics are wanted; each field that is there has to hold. Source: contracts/stepflow.md.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricFilter {
    /// The name of the metric, or of the family: `X` is also `X_bucket`, `X_sum` and `X_count`.
    pub name: Option<String>,
    /// What it is.
    pub metric_type: Option<MetricType>,
    /// Labels it has, with these values, and maybe others.
    pub labels: HashMap<String, String>,
    /// It changed then or later.
    pub start_time: Option<SystemTime>,
    /// It changed for the last time then or earlier.
    pub end_time: Option<SystemTime>,
}

impl MetricFilter {
    fn wants(&self, family: &str, metric: &Metric) -> bool {
        let has = |(name, value): (&String, &String)| metric.labels.get(name) == Some(value);
        self.name
            .as_ref()
            .is_none_or(|name| *name == metric.name || name == family)
            && self
                .metric_type
                .is_none_or(|kind| kind == metric.metric_type)
            && self.labels.iter().all(has)
            && self
                .start_time
                .is_none_or(|start| metric.timestamp >= start)
            && self.end_time.is_none_or(|end| metric.timestamp <= end)
    }
}

#[async_trait]
impl PythonMonitoring for PythonMonitoringImpl {
    /// The executors of this library tell more than this: it is for those of others.
    async fn record_execution(
        &self,
        _: &ExecutionId,
        duration: Duration,
        success: bool,
    ) -> Result<(), MonitoringError> {
        let kind = if success {
            ENDS[0]
        } else {
            ENDS[ENDS.len() - 1]
        };
        self.counted.end(kind);
        self.counted.wall.observe_duration(duration);
        Ok(())
    }

    /// For environments of others: those of this library are counted where they are listed.
    async fn record_environment_creation(
        &self,
        _: &EnvironmentId,
        duration: Duration,
    ) -> Result<(), MonitoringError> {
        self.counted.environments.up();
        self.created(duration);
        Ok(())
    }

    async fn record_dependency_installation(
        &self,
        _: &EnvironmentId,
        dependency: &Dependency,
    ) -> Result<(), MonitoringError> {
        self.installed(&dependency.source);
        Ok(())
    }

    async fn get_metrics(
        &self,
        filter: Option<MetricFilter>,
    ) -> Result<Vec<Metric>, MonitoringError> {
        let filter = filter.unwrap_or_default();
        if let (Some(start), Some(end)) = (filter.start_time, filter.end_time)
            && end < start
        {
            return Err(MonitoringError::EmptyInterval);
        }
        let wanted = |family: &MetricFamily| {
            let all = family.series.iter().flat_map(|series| flat(family, series));
            all.filter(|metric| filter.wants(&family.name, metric))
                .collect::<Vec<_>>()
        };
        Ok(self.families().iter().flat_map(wanted).collect())
    }
}

/// The single values of a series.
fn flat(family: &MetricFamily, series: &MetricSeries) -> Vec<Metric> {
    let one = |suffix: &str, bound: Option<f64>, value: f64| {
        let mut labels: HashMap<String, String> = series.labels.iter().cloned().collect();
        labels.extend(bound.map(|bound| ("le".to_owned(), bound_text(bound))));
        Metric {
            name: format!("{}{suffix}", family.name),
            value,
            metric_type: family.metric_type,
            labels,
            timestamp: series.changed,
            description: family.description.clone(),
            unit: family.unit.clone(),
        }
    };
    match &series.reading {
        MetricReading::Value(value) => vec![one("", None, *value)],
        MetricReading::Distribution(reading) => {
            let buckets = reading.buckets.iter();
            let mut all: Vec<Metric> = buckets
                .map(|(bound, below)| one("_bucket", Some(*bound), exact(*below)))
                .collect();
            all.push(one("_sum", None, reading.sum));
            all.push(one("_count", None, exact(reading.count())));
            all
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn exact(count: u64) -> f64 {
    count as f64
}

/// A bound as Prometheus writes it.
fn bound_text(bound: f64) -> String {
    if bound.is_infinite() {
        "+Inf".to_owned()
    } else {
        bound.to_string()
    }
}

impl HistogramReading {
    /// Its values as Prometheus writes them: `le` of each bucket and the values up to it.
    pub fn bounds(&self) -> impl Iterator<Item = (String, u64)> {
        let text = |(bound, below): &(f64, u64)| (bound_text(*bound), *below);
        self.buckets.iter().map(text)
    }
}
