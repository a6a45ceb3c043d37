//! What was counted, as data: families of series, each with its labels and what was read.

use std::time::SystemTime;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricType {
    /// It only grows, from the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How values are spread.
    Histogram,
}

impl MetricType {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Counter, Self::Gauge, Self::Histogram];

    /// Its stable word, as Prometheus writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Series of one name that differ in their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricFamily {
    /// As Prometheus writes it, such as `hognose_python_executions_total`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// `seconds`, `bytes`, or what is counted.
    pub unit: String,
    /// What all its series are.
    pub metric_type: MetricType,
    /// At least one.
    pub series: Vec<MetricSeries>,
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSeries {
    /// Names and values; the values come from a fixed set, never from a caller.
    pub labels: Vec<(String, String)>,
    /// When it last changed; the start, if never.
    pub changed: SystemTime,
    /// What was read.
    pub reading: MetricReading,
}

/// What was read from a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricReading {
    /// Of a counter or gauge.
    Value(f64),
    /// Of a histogram.
    Distribution(HistogramReading),
}

/// How values are spread over buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistogramReading {
    /// (upper bound, values up to it), rising; the last bound is infinite and has all values.
    pub buckets: Vec<(f64, u64)>,
    /// Of all values.
    pub sum: f64,
}

impl HistogramReading {
    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// Their mean; `None` without a value.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 values")]
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum / self.count() as f64)
    }

    /// The value below which the part `quantile` (0 to 1) of all lies; `None` without a value.
    ///
    /// Shape: linear within its bucket, so it is as exact as the buckets are narrow. Above the
    /// last finite bound it is that bound: "at least".
    /// Source: `histogram_quantile` of Prometheus.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 values")]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        let rank = quantile.clamp(0.0, 1.0) * count as f64;
        let at = self
            .buckets
            .iter()
            .position(|(_, below)| *below > 0 && *below as f64 >= rank)?;
        let (lower, before) = match at.checked_sub(1) {
            Some(previous) => self.buckets[previous],
            None => (0.0, 0),
        };
        let (upper, below) = self.buckets[at];
        if upper.is_infinite() {
            return Some(lower);
        }
        let inside = (rank - before as f64) / (below - before) as f64;
        Some(lower + (upper - lower) * inside.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_within_a_bucket() {
        let reading = HistogramReading {
            buckets: vec![(1.0, 0), (2.0, 10), (4.0, 20), (f64::INFINITY, 20)],
            sum: 45.0,
        };
        for (quantile, expected) in [(0.0, 1.0), (0.25, 1.5), (0.5, 2.0), (0.75, 3.0), (1.0, 4.0)] {
            assert_eq!(reading.quantile(quantile), Some(expected), "{quantile}");
        }
        assert_eq!((reading.count(), reading.mean()), (20, Some(2.25)));
    }

    #[test]
    fn without_values_there_is_no_quantile_and_above_all_bounds_there_is_the_last() {
        let empty = HistogramReading {
            buckets: vec![(1.0, 0), (f64::INFINITY, 0)],
            sum: 0.0,
        };
        assert_eq!((empty.quantile(0.5), empty.mean()), (None, None));
        assert_eq!(HistogramReading::default().quantile(0.5), None);
        let above = HistogramReading {
            buckets: vec![(1.0, 0), (f64::INFINITY, 3)],
            sum: 30.0,
        };
        assert_eq!(above.quantile(0.99), Some(1.0));
    }
}
