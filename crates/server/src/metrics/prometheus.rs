//! Families of metrics in the text format of Prometheus.

use std::fmt::Write;

use stepflow_python::{HistogramReading, MetricFamily, MetricReading};

/// Shape: version 0.0.4 of the format: per family `# HELP`, `# TYPE`, then a line per value; a
/// histogram has its cumulative buckets up to `+Inf`, `_sum` and `_count`.
pub(crate) fn prometheus(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        let (name, kind) = (&family.name, family.metric_type.name());
        let help = escape(&family.description, false);
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for series in &family.series {
            match &series.reading {
                MetricReading::Value(value) => {
                    let _ = writeln!(text, "{name}{} {value}", labels(&series.labels, None));
                }
                MetricReading::Distribution(reading) => {
                    distribution(&mut text, name, &series.labels, reading);
                }
            }
        }
    }
    text
}

fn distribution(
    text: &mut String,
    name: &str,
    own: &[(String, String)],
    reading: &HistogramReading,
) {
    for (bound, below) in reading.bounds() {
        let _ = writeln!(text, "{name}_bucket{} {below}", labels(own, Some(&bound)));
    }
    let own = labels(own, None);
    let (sum, count) = (reading.sum, reading.count());
    let _ = write!(text, "{name}_sum{own} {sum}\n{name}_count{own} {count}\n");
}

/// `{a="b",le="1"}`; nothing without labels.
fn labels(own: &[(String, String)], bound: Option<&str>) -> String {
    let own = own
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let all = own.chain(bound.map(|bound| ("le", bound)));
    let one = |(name, value): (&str, &str)| format!("{name}=\"{}\"", escape(value, true));
    let all: Vec<String> = all.map(one).collect();
    if all.is_empty() {
        return String::new();
    }
    format!("{{{}}}", all.join(","))
}

fn escape(text: &str, is_label: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if is_label {
        text.replace('"', "\\\"")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use stepflow_python::{MetricSeries, MetricType};

    use super::*;

    fn family(
        metric_type: MetricType,
        labels: &[(&str, &str)],
        reading: MetricReading,
    ) -> MetricFamily {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        MetricFamily {
            name: "n".into(),
            description: "Back\\slash \"and\"\nline.".into(),
            unit: String::new(),
            metric_type,
            series: vec![MetricSeries {
                labels: labels.iter().map(own).collect(),
                changed: SystemTime::UNIX_EPOCH,
                reading,
            }],
        }
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_at_infinity() {
        let reading = HistogramReading {
            buckets: vec![(0.0005, 1), (30.0, 3), (f64::INFINITY, 4)],
            sum: 31.25,
        };
        let family = family(
            MetricType::Histogram,
            &[("a", "b")],
            MetricReading::Distribution(reading),
        );
        let expected = "# HELP n Back\\\\slash \"and\"\\nline.\n# TYPE n histogram\n\
            n_bucket{a=\"b\",le=\"0.0005\"} 1\nn_bucket{a=\"b\",le=\"30\"} 3\n\
            n_bucket{a=\"b\",le=\"+Inf\"} 4\nn_sum{a=\"b\"} 31.25\nn_count{a=\"b\"} 4\n";
        assert_eq!(prometheus(&[family]), expected);
    }

    #[test]
    fn no_label_value_can_end_its_line() {
        let labels = [("a", "\"} 1\nevil{b=\"\\")];
        let text = prometheus(&[family(
            MetricType::Gauge,
            &labels,
            MetricReading::Value(7.0),
        )]);
        let last = text.lines().last().unwrap_or_default();
        assert_eq!(last, r#"n{a="\"} 1\nevil{b=\"\\"} 7"#);
    }
}
