//! `hognose stats`: what the server of the state folder has counted.

use anyhow::{Context, bail};
use server::RemoteExecutor;
use stepflow_python::{HistogramReading, MetricFamily, MetricReading, PoolStatus, PythonExecutor};

use crate::arguments::StatsArguments;
use crate::doctor::pool_text;
use crate::output;
use crate::settings::Sources;
use crate::table::{self, Line};

/// Prints what was counted; the exit code is 0.
pub(crate) async fn stats(arguments: StatsArguments, sources: &Sources) -> anyhow::Result<u8> {
    let common = sources.common(&arguments.common)?;
    let found = RemoteExecutor::connect(&common.socket()).await;
    let Some(server) = found.context("cannot ask the server of this state folder")? else {
        bail!("no server runs on this state folder: start one with `hognose serve`");
    };
    let families = server.metrics().await;
    if families.is_empty() {
        bail!("the server did not tell what it has counted: restart it with this version");
    }
    let text = if arguments.json {
        let json = server::metrics_json(families).context("cannot write the answer as JSON")?;
        json.to_string()
    } else {
        as_text(&Told(&families), &server.pools().await)
    };
    output::line(&text).context("cannot write to standard output")?;
    Ok(0)
}

/// What a server told, by name.
struct Told<'a>(&'a [MetricFamily]);

impl Told<'_> {
    fn series(&self, name: &str) -> impl Iterator<Item = (&str, &MetricReading)> {
        let family = self.0.iter().find(|family| family.name == name);
        let series = family.into_iter().flat_map(|family| &family.series);
        series.map(|one| {
            let label = one.labels.first().map_or("", |(_, value)| value.as_str());
            (label, &one.reading)
        })
    }

    /// The values of a family by its one label.
    fn values(&self, name: &str) -> Vec<(&str, f64)> {
        let value = |(label, reading)| match reading {
            &MetricReading::Value(value) => Some((label, value)),
            MetricReading::Distribution(_) => None,
        };
        self.series(name).filter_map(value).collect()
    }

    fn sum(&self, name: &str) -> f64 {
        let values = self.values(name).into_iter();
        // The sum of nothing would be written -0.
        values.fold(0.0, |sum, (_, value)| sum + value)
    }

    fn distribution(&self, name: &str) -> HistogramReading {
        let reading = |(_, reading): (&str, &MetricReading)| match reading {
            MetricReading::Distribution(reading) => Some(reading.clone()),
            MetricReading::Value(_) => None,
        };
        self.series(name).find_map(reading).unwrap_or_default()
    }
}

fn as_text(told: &Told<'_>, pools: &[PoolStatus]) -> String {
    let mut lines = vec![
        format!(
            "executions {}, running {}, unfinished {}",
            told.sum("hognose_python_executions_total"),
            told.sum("hognose_python_executions_running"),
            told.sum("hognose_python_executions_unfinished_total"),
        ),
        counts(
            "outcome",
            &told.values("hognose_python_executions_total"),
            &["unspecified"],
        ),
    ];
    let limits = told.values("hognose_python_limits_exceeded_total");
    if limits.iter().any(|(_, count)| *count > 0.0) {
        lines.push(counts("limit", &limits, &[]));
    }
    lines.push(distributions(told));
    lines.push(format!(
        "environments {}, active {}; dependencies installed {}",
        told.sum("hognose_python_environments"),
        told.sum("hognose_python_environments_active"),
        told.sum("hognose_python_dependencies_installed_total"),
    ));
    lines.push(format!(
        "requests {}, unauthorized {}, refused for lack of room {}; executions waiting {}",
        told.sum("hognose_http_requests_total"),
        told.sum("hognose_http_unauthorized_total"),
        told.sum("hognose_http_refused_busy_total"),
        told.sum("hognose_executions_waiting"),
    ));
    lines.push("pools".to_owned());
    lines.extend(pools.iter().map(pool_text));
    lines.join("\n")
}

/// A row per label; those of `rare` only where they are above zero.
fn counts(label: &str, values: &[(&str, f64)], rare: &[&str]) -> String {
    let shown = values
        .iter()
        .filter(|(name, count)| *count > 0.0 || !rare.contains(name));
    let row =
        |(name, count): &(&str, f64)| Line::Cells(vec![format!("  {name}"), format!("{count}")]);
    table::render(
        &[&format!("  {label}"), "count"],
        &shown.map(row).collect::<Vec<_>>(),
    )
}

fn distributions(told: &Told<'_>) -> String {
    type Show = fn(f64) -> String;
    let rows: [(&str, &str, Show); 4] = [
        ("wall time", "hognose_python_execution_seconds", time),
        (
            "memory peak",
            "hognose_python_execution_memory_peak_bytes",
            bytes,
        ),
        (
            "environment creation",
            "hognose_python_environment_creation_seconds",
            time,
        ),
        (
            "dependency installation",
            "hognose_python_dependency_installation_seconds",
            time,
        ),
    ];
    let row = |(title, name, show): (&str, &str, Show)| {
        let reading = told.distribution(name);
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), show);
        let mut cells = vec![format!("  {title}"), reading.count().to_string()];
        cells.extend([0.5, 0.9, 0.99].map(|part| figure(reading.quantile(part))));
        cells.push(figure(reading.mean()));
        Line::Cells(cells)
    };
    let head = ["  spread", "count", "p50", "p90", "p99", "mean"];
    table::render(&head, &rows.map(row))
}

/// Unit of the argument: seconds.
fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{} ms", table::figure(seconds * 1e3))
    } else {
        format!("{} s", table::figure(seconds))
    }
}

fn bytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use stepflow_python::{MetricSeries, MetricType};

    use super::*;

    fn family(name: &str, series: &[(&str, MetricReading)]) -> MetricFamily {
        let one = |(label, reading): &(&str, MetricReading)| MetricSeries {
            labels: vec![("outcome".into(), (*label).to_owned())],
            changed: SystemTime::UNIX_EPOCH,
            reading: reading.clone(),
        };
        MetricFamily {
            name: name.into(),
            description: String::new(),
            unit: String::new(),
            metric_type: MetricType::Counter,
            series: series.iter().map(one).collect(),
        }
    }

    #[test]
    fn outcomes_and_percentiles_have_a_row_each() {
        let reading = HistogramReading {
            buckets: vec![(0.001, 0), (0.002, 10), (f64::INFINITY, 10)],
            sum: 0.015,
        };
        let value = MetricReading::Value;
        let families = [
            family(
                "hognose_python_executions_total",
                &[
                    ("completed", value(9.0)),
                    ("raised", value(1.0)),
                    ("unspecified", value(0.0)),
                ],
            ),
            family(
                "hognose_python_execution_seconds",
                &[("", MetricReading::Distribution(reading))],
            ),
        ];
        let text = as_text(&Told(&families), &[]);
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        for expected in [
            &["executions", "10,", "running", "0,", "unfinished", "0"][..],
            &["completed", "9"],
            &["raised", "1"],
            &[
                "wall", "time", "10", "1.500", "ms", "1.900", "ms", "1.990", "ms", "1.500", "ms",
            ],
            &["memory", "peak", "0", "-", "-", "-", "-"],
        ] {
            assert!(
                words.iter().any(|line| line == expected),
                "{expected:?}: {text}"
            );
        }
        assert!(!text.contains("unspecified"), "{text}");
    }
}
