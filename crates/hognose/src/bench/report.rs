//! What a run found: one JSON document, and the same as tables for people.

use serde::Serialize;

use super::machine::Machine;
use super::memory::Idle;
use crate::table::{self, Line, figure};

/// Everything about one run. Figures of two documents are not for comparing.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    /// Random: no other run has it.
    pub(crate) run: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) rows: Vec<Row>,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) throughput: Vec<ThroughputRow>,
    pub(crate) density: Vec<DensityRow>,
    /// Over 1, 5 and 15 minutes, after everything was measured.
    pub(crate) load_average_after: String,
}

/// How it was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) quick: bool,
    /// Executions that each server runs at once.
    pub(crate) slots: usize,
    /// The other binary, if there was one.
    pub(crate) against: Option<String>,
}

/// Times of one execution after the other. Without rounds there are no times.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) n: usize,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p90_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unavailable: Option<String>,
}

/// How many times as long one row takes as another, by their medians.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) of: String,
    pub(crate) to: String,
    /// Of the whole run.
    pub(crate) times: f64,
    /// The least of any one block.
    pub(crate) least: Option<f64>,
    /// The most of any one block.
    pub(crate) most: Option<f64>,
}

/// Executions with some in flight.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ThroughputRow {
    pub(crate) name: String,
    pub(crate) in_flight: usize,
    pub(crate) seconds: f64,
    /// Executions that ended rightly within that time.
    pub(crate) n: usize,
    pub(crate) per_second: f64,
    pub(crate) errors: u64,
    /// Executions that answered with another one's output.
    pub(crate) mixed_up: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p90_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
    /// CPU time of the server and all its processes, per execution. Units: milliseconds.
    pub(crate) server_cpu_ms_each: f64,
    /// CPU time of the guest alone, as its answer tells it: a part of the above.
    pub(crate) guest_cpu_ms_each: f64,
    /// CPU time of the load generator, which is in neither. Units: milliseconds.
    pub(crate) client_cpu_ms_each: f64,
}

/// Idle children of one server.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DensityRow {
    pub(crate) server: String,
    pub(crate) idle: Vec<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unavailable: Option<String>,
}

impl Document {
    /// Executions that failed or got another one's output: there must be none.
    pub(crate) fn faults(&self) -> u64 {
        let rows = self.throughput.iter();
        rows.map(|row| row.errors + row.mixed_up).sum()
    }

    /// For people.
    pub(crate) fn tables(&self) -> String {
        let against = self.settings.against.as_ref();
        let against = against.map(|binary| format!("against: {binary}"));
        let parts = [
            Some(self.machine.head_line()),
            against,
            (!self.rows.is_empty()).then(|| self.latency()),
            (!self.ratios.is_empty()).then(|| self.compared()),
            (!self.throughput.is_empty()).then(|| self.rates()),
            (!self.density.is_empty()).then(|| self.memory()),
            Some(format!(
                "run {} · load afterwards {} · figures of two runs are not compared",
                self.run, self.load_average_after
            )),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join("\n\n")
    }

    fn latency(&self) -> String {
        let lines = self.rows.iter().map(|row| match &row.unavailable {
            Some(reason) => Line::Remark(row.name.clone(), reason.clone()),
            None => {
                let times = [row.p50_us, row.p90_us, row.p99_us, row.max_us];
                cells(
                    [row.name.clone(), row.n.to_string()],
                    times.map(milliseconds),
                )
            }
        });
        let head = ["one at a time, ms", "n", "p50", "p90", "p99", "max"];
        table::render(&head, &lines.collect::<Vec<_>>())
    }

    fn compared(&self) -> String {
        let lines = self.ratios.iter().map(|ratio| {
            let name = format!("{} / {}", ratio.of, ratio.to);
            let figures = [Some(ratio.times), ratio.least, ratio.most];
            cells([name], figures.map(optional))
        });
        let head = [
            "how many times as long, by p50",
            "run",
            "least block",
            "most block",
        ];
        table::render(&head, &lines.collect::<Vec<_>>())
    }

    fn rates(&self) -> String {
        let lines = self.throughput.iter().map(|row| {
            cells(
                [row.name.clone(), row.in_flight.to_string()],
                [
                    figure(row.per_second),
                    row.errors.to_string(),
                    row.mixed_up.to_string(),
                    milliseconds(row.p50_us),
                    milliseconds(row.p99_us),
                    figure(row.server_cpu_ms_each),
                    figure(row.guest_cpu_ms_each),
                    figure(row.client_cpu_ms_each),
                ],
            )
        });
        let head = [
            "throughput",
            "in flight",
            "/s",
            "errors",
            "mixed up",
            "p50 ms",
            "p99 ms",
            "CPU ms each",
            "of it guest",
            "client apart",
        ];
        table::render(&head, &lines.collect::<Vec<_>>())
    }

    fn memory(&self) -> String {
        let lines = self.density.iter().flat_map(|row| {
            let name = row.server.clone();
            if let Some(reason) = &row.unavailable {
                return vec![Line::Remark(name, reason.clone())];
            }
            if row.idle.is_empty() {
                return vec![Line::Remark(
                    name,
                    "none: this server keeps no idle children".to_owned(),
                )];
            }
            row.idle.iter().map(|idle| idle_line(&name, idle)).collect()
        });
        let head = [
            "idle children, KiB (medians)",
            "children",
            "private dirty",
            "page tables",
            "init",
            "total",
        ];
        table::render(&head, &lines.collect::<Vec<_>>())
    }
}

fn idle_line(server: &str, idle: &Idle) -> Line {
    let figures = [
        idle.private_dirty_kib,
        idle.page_tables_kib,
        idle.init_kib,
        idle.total_kib,
    ];
    cells(
        [
            format!("{server}: {}", idle.preload),
            idle.children.to_string(),
        ],
        figures.map(|kib| kib.to_string()),
    )
}

fn cells<const A: usize, const B: usize>(first: [String; A], rest: [String; B]) -> Line {
    Line::Cells(first.into_iter().chain(rest).collect())
}

fn milliseconds(microseconds: Option<f64>) -> String {
    optional(microseconds.map(|us| us / 1e3))
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), figure)
}
