//! Counters, gauges and histograms that remember when they last changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::HistogramReading;

/// When something last changed, since 1970. Unit: milliseconds.
#[derive(Debug)]
struct Stamp(AtomicU64);

impl Default for Stamp {
    fn default() -> Self {
        Self(AtomicU64::new(now_ms()))
    }
}

impl Stamp {
    fn touch(&self) {
        self.0.store(now_ms(), Ordering::Relaxed);
    }

    fn read(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter {
    value: AtomicU64,
    changed: Stamp,
}

impl Counter {
    pub(super) fn add(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        self.changed.touch();
    }

    pub(super) fn read(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    pub(super) fn changed(&self) -> SystemTime {
        self.changed.read()
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    value: AtomicU64,
    changed: Stamp,
}

impl Gauge {
    pub(super) fn up(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        self.changed.touch();
    }

    pub(super) fn down(&self) {
        self.value.fetch_sub(1, Ordering::Relaxed);
        self.changed.touch();
    }

    pub(super) fn set(&self, value: usize) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        if self.value.swap(value, Ordering::Relaxed) != value {
            self.changed.touch();
        }
    }

    pub(super) fn read(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    pub(super) fn changed(&self) -> SystemTime {
        self.changed.read()
    }
}

/// How values are spread over buckets.
#[derive(Debug)]
pub(super) struct Histogram {
    /// Upper bounds, included, rising. Unit: the raw one.
    bounds: &'static [u64],
    /// Raw units in one unit of a reading.
    scale: f64,
    /// One for each bound, and one for what is above all.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
    changed: Stamp,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [u64], scale: f64) -> Self {
        Self {
            bounds,
            scale,
            counts: std::iter::repeat_with(AtomicU64::default)
                .take(bounds.len() + 1)
                .collect(),
            sum: AtomicU64::default(),
            changed: Stamp::default(),
        }
    }

    /// Unit: microseconds.
    pub(super) fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Unit: the raw one.
    pub(super) fn observe(&self, raw: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < raw);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        // A sum that wrapped would be worse than one that stands still.
        let grown = |sum: u64| Some(sum.saturating_add(raw));
        let _ = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
        self.changed.touch();
    }

    /// The count is that of the buckets read; only the sum may be a moment ahead or behind.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 2^53 µs, 285 years, or 8 PiB"
    )]
    pub(super) fn read(&self) -> HistogramReading {
        let mut count = 0;
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / self.scale);
        let buckets = bounds.chain([f64::INFINITY]).zip(&self.counts);
        let cumulative = buckets.map(|(bound, here)| {
            count += here.load(Ordering::Relaxed);
            (bound, count)
        });
        HistogramReading {
            buckets: cumulative.collect(),
            sum: self.sum.load(Ordering::Relaxed) as f64 / self.scale,
        }
    }

    pub(super) fn changed(&self) -> SystemTime {
        self.changed.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let histogram = Histogram::new(&[10, 20], 10.0);
        for raw in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.observe(raw);
        }
        let reading = histogram.read();
        assert_eq!(
            reading.buckets,
            [(1.0, 2), (2.0, 4), (f64::INFINITY, 6)],
            "cumulative, and the last has all"
        );
        assert!(reading.sum >= 1e18, "saturated, not wrapped: {reading:?}");
    }

    #[test]
    fn a_gauge_that_is_set_to_what_it_was_has_not_changed() {
        let gauge = Gauge::default();
        gauge.changed.0.store(5, Ordering::Relaxed);
        gauge.set(0);
        assert_eq!(gauge.changed(), UNIX_EPOCH + Duration::from_millis(5));
        gauge.set(3);
        assert!(gauge.changed() > UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(gauge.read(), 3);
    }
}
