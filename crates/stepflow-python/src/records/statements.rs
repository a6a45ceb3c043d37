//! The statements that write executions, as texts made once, and what they are given.

use std::sync::Arc;

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use super::entry::{Ended, Started, signed};

/// Rows of the largest statement: few sizes, so that each is prepared once.
pub(super) const SIZES: [usize; 6] = [32, 16, 8, 4, 2, 1];

/// What a start says, and an end first.
const OF_START: &str = "id tool_id instance source_sha256 source_bytes source environment policy \
    started_ms kept_bytes";
/// What an end says besides.
const OF_END: &str = "environment_id module_name function_name parameters state outcome detail \
    tier preload limits usage artifacts ended_ms result stdout stderr execution_time_ms \
    memory_usage_kb return_code exceptions";

/// A statement and what it is given so far.
pub(super) type Insert<'q> = Query<'q, Any, AnyArguments>;

/// In the order of `OF_START`.
pub(super) fn bind_started<'q>(
    query: Insert<'q>,
    started: &Started,
    instance: &str,
    kept_bytes: usize,
) -> Insert<'q> {
    query
        .bind(started.id.to_string())
        .bind(started.tool_id.clone())
        .bind(instance.to_owned())
        .bind(started.source_sha256.clone())
        .bind(started.source_bytes)
        .bind(started.source.clone())
        .bind(started.environment.clone())
        .bind(started.policy.to_owned())
        .bind(started.started_ms)
        .bind(signed(kept_bytes))
}

/// In the order of `OF_END`.
pub(super) fn bind_ended<'q>(query: Insert<'q>, started: &Started, ended: &Ended) -> Insert<'q> {
    query
        .bind(started.environment_id.clone())
        .bind("main".to_owned())
        .bind(started.function_name.clone())
        .bind(started.parameters.clone())
        .bind(ended.state.to_owned())
        .bind(ended.outcome.map(str::to_owned))
        .bind(ended.detail.clone())
        .bind(ended.tier.map(str::to_owned))
        .bind(ended.preload.clone())
        .bind(ended.limits.clone())
        .bind(ended.usage.clone())
        .bind(ended.artifacts.clone())
        .bind(ended.ended_ms)
        .bind(ended.result.clone())
        .bind(ended.stdout.clone())
        .bind(ended.stderr.clone())
        .bind(ended.execution_time_ms)
        .bind(ended.memory_usage_kb)
        .bind(ended.return_code)
        .bind(ended.exceptions.clone())
}

/// Every statement there is.
pub(super) struct Texts {
    pub(super) starts: Sizes,
    pub(super) ends: Sizes,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            // An end may have come first, or the last try had succeeded.
            starts: Sizes::new("executions", &[OF_START], "ON CONFLICT (id) DO NOTHING"),
            ends: Sizes::new("recorded_executions", &[OF_START, OF_END], ""),
        }
    }
}

/// What is written into a column. A tool that is not there any more is none.
fn value(column: &str, number: usize) -> String {
    match column {
        "tool_id" => format!("(SELECT id FROM tools WHERE id = ${number})"),
        _ => format!("${number}"),
    }
}

/// One statement per number of rows.
pub(super) struct Sizes(Vec<(usize, Arc<str>)>);

impl Sizes {
    fn new(table: &str, columns: &[&str], end: &str) -> Self {
        let columns = columns.iter().flat_map(|some| some.split_whitespace());
        let columns: Vec<&str> = columns.collect();
        let of = |rows: usize| {
            let row = |index: usize| {
                let numbered = columns.iter().zip(index * columns.len() + 1..);
                let values: Vec<_> = numbered.map(|(column, n)| value(column, n)).collect();
                format!("({})", values.join(", "))
            };
            let rows: Vec<_> = (0..rows).map(row).collect();
            let (columns, rows) = (columns.join(", "), rows.join(", "));
            format!("INSERT INTO {table} ({columns}) VALUES {rows} {end}").into()
        };
        Self(SIZES.map(|size| (size, of(size))).into())
    }

    /// The largest statement for at most `rows`, which are one at least.
    pub(super) fn largest(&self, rows: usize) -> (usize, Arc<str>) {
        let fits = self.0.iter().find(|(size, _)| *size <= rows);
        let (size, text) = fits.unwrap_or(&self.0[self.0.len() - 1]);
        (*size, Arc::clone(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_never_takes_more_rows_than_there_are() {
        let sizes = Sizes::new("t", &["a", "b c"], "x");
        for (rows, size) in [(1, 1), (3, 2), (7, 4), (31, 16), (32, 32), (100, 32)] {
            assert_eq!(sizes.largest(rows).0, size, "{rows}");
        }
        assert_eq!(
            sizes.largest(2).1.as_ref(),
            "INSERT INTO t (a, b, c) VALUES ($1, $2, $3), ($4, $5, $6) x"
        );
    }
}
