//! `/metrics`: everything that was counted, for Prometheus or as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use stepflow_python::{HistogramReading, MetricFamily, MetricReading, MetricSeries, MetricType};

use super::routes::accepts;
use crate::app::App;
use crate::metrics::prometheus;

/// One family of `GET /metrics`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MetricFamilyBody {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) unit: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) series: Vec<SeriesBody>,
}

/// One series: `value`, or `histogram`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SeriesBody {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) changed_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) histogram: Option<HistogramBody>,
}

/// How values are spread.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HistogramBody {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) p50: Option<f64>,
    pub(crate) p90: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) buckets: Vec<BucketBody>,
}

/// Values up to a bound; `null` is the infinite one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BucketBody {
    pub(crate) le: Option<f64>,
    pub(crate) count: u64,
}

pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let mut families = app.metrics.families(&app.executor.pools().await);
    families.extend(app.executor.metrics().await);
    if accepts(&headers, "application/json") {
        return Json(families.into_iter().map(body).collect::<Vec<_>>()).into_response();
    }
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    (text, prometheus(&families)).into_response()
}

/// Families as they travel.
///
/// Errors: none that families can bring about.
pub fn metrics_json(families: Vec<MetricFamily>) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(families.into_iter().map(body).collect::<Vec<_>>())
}

fn body(family: MetricFamily) -> MetricFamilyBody {
    MetricFamilyBody {
        name: family.name,
        description: family.description,
        unit: family.unit,
        kind: family.metric_type.name().to_owned(),
        series: family.series.into_iter().map(series).collect(),
    }
}

fn series(series: MetricSeries) -> SeriesBody {
    let (value, histogram) = match series.reading {
        MetricReading::Value(value) => (Some(value), None),
        MetricReading::Distribution(reading) => (None, Some(histogram(&reading))),
    };
    let since = series.changed.duration_since(UNIX_EPOCH);
    let changed_ms = u64::try_from(since.unwrap_or_default().as_millis());
    SeriesBody {
        labels: series.labels.into_iter().collect(),
        changed_ms: changed_ms.unwrap_or(u64::MAX),
        value,
        histogram,
    }
}

fn histogram(reading: &HistogramReading) -> HistogramBody {
    let bucket = |(bound, count): &(f64, u64)| BucketBody {
        le: bound.is_finite().then_some(*bound),
        count: *count,
    };
    HistogramBody {
        count: reading.count(),
        sum: reading.sum,
        p50: reading.quantile(0.5),
        p90: reading.quantile(0.9),
        p99: reading.quantile(0.99),
        buckets: reading.buckets.iter().map(bucket).collect(),
    }
}

/// A family as it was; `None` for a type that no server of this version has.
pub(crate) fn family(body: MetricFamilyBody) -> Option<MetricFamily> {
    let mut kinds = MetricType::ALL.into_iter();
    let series = body.series.into_iter().map(|one| MetricSeries {
        labels: one.labels.into_iter().collect(),
        changed: SystemTime::UNIX_EPOCH + Duration::from_millis(one.changed_ms),
        reading: match one.histogram {
            Some(histogram) => MetricReading::Distribution(HistogramReading {
                buckets: histogram
                    .buckets
                    .iter()
                    .map(|bucket| (bucket.le.unwrap_or(f64::INFINITY), bucket.count))
                    .collect(),
                sum: histogram.sum,
            }),
            None => MetricReading::Value(one.value.unwrap_or_default()),
        },
    });
    Some(MetricFamily {
        metric_type: kinds.find(|kind| kind.name() == body.kind)?,
        name: body.name,
        description: body.description,
        unit: body.unit,
        series: series.collect(),
    })
}
