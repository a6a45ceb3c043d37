//! What is told about a row of times: nearest-rank percentiles, nothing interpolated or left out.

use std::time::Duration;

/// A row of times in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest time that at least `percent` of all are not above; `None` without times.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied()
    }

    /// The same in microseconds, for reports.
    pub(crate) fn percentile_us(&self, percent: usize) -> Option<f64> {
        self.percentile(percent).map(microseconds)
    }
}

/// Units: microseconds, to a tenth.
pub(crate) fn microseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e6, 1)
}

/// `value` with at most `decimals` decimals.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// The middle one; of an even number the lower middle one.
pub(crate) fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(times: impl IntoIterator<Item = u64>) -> Sorted {
        Sorted::of(times.into_iter().map(Duration::from_millis).collect())
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let check = |times: &Sorted, expected: [u64; 4]| {
            let told = [50, 90, 99, 100].map(|percent| times.percentile(percent).unwrap());
            assert_eq!(told, expected.map(Duration::from_millis));
        };
        check(&milliseconds((1..=100).rev()), [50, 90, 99, 100]);
        check(&milliseconds(1..=1000), [500, 900, 990, 1000]);
        check(&milliseconds([7]), [7, 7, 7, 7]);
        check(&milliseconds([3, 1, 2]), [2, 3, 3, 3]);
        assert_eq!(milliseconds([]).percentile(50), None);
    }

    #[test]
    fn units_and_medians_are_as_told() {
        assert_eq!(microseconds(Duration::from_nanos(1_234_567)), 1234.6);
        assert_eq!(rounded(2.0 / 3.0, 2), 0.67);
        assert_eq!(median(vec![5, 1, 9]), Some(5));
        assert_eq!(median(vec![4, 1]), Some(1));
        assert_eq!(median(vec![]), None);
    }
}
