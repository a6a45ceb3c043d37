//! What was recorded, read back: one execution, or a page of them, the newest first.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use engine::{ExecutionId, Outcome};
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Database, DatabaseError};

/// Most executions of a page.
pub const MOST_PER_PAGE: u32 = 1000;

/// How far an execution is, as its record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// It has not ended, or its server has gone and no other has started yet.
    Running,
    /// It has an outcome.
    Finished,
    /// We failed: it has none. It can be sent again.
    Failed,
    /// Its server went away while it ran: it has no outcome. It can be sent again.
    Lost,
}

impl RecordState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Finished, Self::Failed, Self::Lost];

    /// The stable word for this state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

impl FromStr for RecordState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no state; use `running`, `finished`, `failed` or `lost`")
        })
    }
}

/// Where a page ends: executions older than this are on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    started_ms: i64,
    id: ExecutionId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.started_ms, self.id)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('-').and_then(|(started_ms, id)| {
            Some(Self {
                started_ms: started_ms.parse().ok()?,
                id: ExecutionId::parse(id)?,
            })
        });
        parts.ok_or_else(|| "this is no cursor that a page ended with".to_owned())
    }
}

/// Which executions; `None` is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// The word of an outcome, such as `limit_exceeded`.
    pub outcome: Option<String>,
    /// Their state.
    pub state: Option<RecordState>,
    /// An environment's id, or the beginning of its digest.
    pub environment: Option<String>,
    /// The name of a tool, or its id: the calls of its functions.
    pub tool: Option<String>,
    /// Started then or later. Unit: milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Started before. Unit: milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Older than the last one of a page.
    pub before: Option<Cursor>,
    /// How many, from 1 to `MOST_PER_PAGE`.
    pub limit: u32,
}

impl HistoryFilter {
    /// Whether `outcome`, `environment` and `tool` are such as a record can have, and `limit` is one.
    ///
    /// Errors: the name of the wrong one, and what it should be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if let Some(word) = &self.outcome
            && !Outcome::KINDS.contains(&word.as_str())
        {
            return Err((
                "outcome",
                format!("use one of {}", Outcome::KINDS.join(", ")),
            ));
        }
        if !(1..=MOST_PER_PAGE).contains(&self.limit) {
            let told = format!("use a whole number from 1 to {MOST_PER_PAGE}");
            return Err(("limit", told));
        }
        // PostgreSQL refuses a NUL in a text.
        let names = [("environment", &self.environment), ("tool", &self.tool)];
        let is_odd = |text: &String| text.contains(char::is_control);
        match names
            .iter()
            .find(|(_, text)| text.as_ref().is_some_and(is_odd))
        {
            Some((name, _)) => Err((name, "no control characters can be in it".into())),
            None => Ok(()),
        }
    }
}

/// An execution in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionSummary {
    /// Its identity.
    pub id: ExecutionId,
    /// How far it is.
    pub state: RecordState,
    /// The word of its outcome, when finished.
    pub outcome: Option<String>,
    /// The limit, signal, status, exception or finding behind it; or the code of our failure.
    pub detail: Option<String>,
    /// As in seed 003.
    pub return_code: Option<i64>,
    /// The digest of its environment; `None` for one that the policy rejected.
    pub environment: Option<String>,
    /// Its row in `python_environments`.
    pub environment_id: Option<String>,
    /// The name of the tool whose function was called; `None` once the tool is removed.
    pub tool: Option<String>,
    /// Its row in `tools`.
    pub tool_id: Option<String>,
    /// The level it was judged at.
    pub policy: String,
    /// Since 1970. Unit: milliseconds.
    pub started_ms: i64,
    /// Since 1970. Unit: milliseconds.
    pub ended_ms: Option<i64>,
    /// Wall time of the program. Unit: milliseconds.
    pub execution_time_ms: Option<i64>,
    /// Peak of its tree. Unit: KiB.
    pub memory_usage_kb: Option<i64>,
}

/// All that was recorded of an execution. Long texts were cut when they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRecord {
    /// What stands in a list.
    pub summary: ExecutionSummary,
    /// Of the whole source. Lower-case hexadecimal.
    pub source_sha256: String,
    /// Of the whole source.
    pub source_bytes: i64,
    /// The source.
    pub source: Option<String>,
    /// The tier that confined it.
    pub tier: Option<String>,
    /// The preload its zygote had.
    pub preload: Option<String>,
    /// The limits in force, by the names of `Limits`.
    pub limits: Option<Value>,
    /// `wall_ms`, `cpu_ms`, `memory_peak_bytes`.
    pub usage: Option<Value>,
    /// Objects with `name`, `media_type`, `size_bytes`, `sha256`.
    pub artifacts: Option<Value>,
    /// The function that was called.
    pub function_name: Option<String>,
    /// What it was called with, or the globals that were set.
    pub parameters: Option<Value>,
    /// The value as JSON, else its `repr`.
    pub result: Option<Value>,
    /// Standard output.
    pub stdout: Option<String>,
    /// Standard error.
    pub stderr: Option<String>,
    /// Objects with `exception_type`, `message`, `traceback`.
    pub exceptions: Option<Value>,
}

/// Some executions, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// At most as many as were asked for.
    pub executions: Vec<ExecutionSummary>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Cursor>,
}

/// Reads what was recorded: the same whether it is here or behind a socket.
#[async_trait]
pub trait HistoryService: Send + Sync {
    /// A page of executions.
    async fn list(&self, filter: HistoryFilter) -> Result<HistoryPage, DatabaseError>;

    /// One execution; `None` when it was not recorded, or long ago.
    async fn show(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, DatabaseError>;
}

const LIST: &str = "
    SELECT id, state, outcome, detail, return_code, environment, environment_id, tool_id,
        (SELECT name FROM tools WHERE tools.id = tool_id) AS tool,
        policy, started_ms, ended_ms, execution_time_ms, memory_usage_kb
    FROM recorded_executions
    WHERE started_ms >= $1 AND started_ms < $2
        AND started_ms <= $3 AND (started_ms < $3 OR id < $4)
        AND ($5 = '' OR outcome = $5) AND ($6 = '' OR state = $6)
        AND ($7 = '' OR environment_id = $7 OR SUBSTR(environment, 1, LENGTH($7)) = $7)
        AND ($8 = '' OR tool_id = $8 OR tool_id = (SELECT id FROM tools WHERE name = $8))
    ORDER BY started_ms DESC, id DESC LIMIT $9";
const SHOW: &str = "
    SELECT id, state, outcome, detail, return_code, environment, environment_id, tool_id,
        (SELECT name FROM tools WHERE tools.id = tool_id) AS tool,
        policy, started_ms, ended_ms, execution_time_ms, memory_usage_kb, source_sha256, source_bytes,
        source, tier, preload, limits, usage, artifacts, function_name, parameters, result, stdout,
        stderr, exceptions
    FROM recorded_executions WHERE id = $1";

#[async_trait]
impl HistoryService for Database {
    async fn list(&self, filter: HistoryFilter) -> Result<HistoryPage, DatabaseError> {
        let failed = || DatabaseError::at("read the history");
        let limit = filter.limit.clamp(1, MOST_PER_PAGE);
        let before = filter.before.map_or((i64::MAX, String::new()), |cursor| {
            (cursor.started_ms, cursor.id.to_string())
        });
        let rows = sqlx::query(LIST)
            .bind(filter.since_ms.unwrap_or(i64::MIN))
            .bind(filter.until_ms.unwrap_or(i64::MAX))
            .bind(before.0)
            .bind(before.1)
            .bind(filter.outcome.unwrap_or_default())
            .bind(filter.state.map_or("", RecordState::name))
            .bind(filter.environment.unwrap_or_default())
            .bind(filter.tool.unwrap_or_default())
            // One more tells whether there is a next page.
            .bind(i64::from(limit) + 1)
            .fetch_all(self.pool())
            .await
            .map_err(failed())?;
        let executions: Result<Vec<_>, _> = rows.iter().map(summary).collect();
        let mut executions = executions.map_err(failed())?;
        let is_last = executions.len() <= limit as usize;
        executions.truncate(limit as usize);
        let last = executions.last().filter(|_| !is_last);
        let next = last.map(|last| Cursor {
            started_ms: last.started_ms,
            id: last.id,
        });
        Ok(HistoryPage { executions, next })
    }

    async fn show(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, DatabaseError> {
        let failed = || DatabaseError::at("read the history");
        let row = sqlx::query(SHOW)
            .bind(id.to_string())
            .fetch_optional(self.pool());
        let row = row.await.map_err(failed())?;
        row.as_ref().map(record).transpose().map_err(failed())
    }
}

fn summary(row: &AnyRow) -> Result<ExecutionSummary, sqlx::Error> {
    let id: String = row.try_get("id")?;
    let state: String = row.try_get("state")?;
    let odd = |index: &str| sqlx::Error::ColumnNotFound(index.to_owned());
    Ok(ExecutionSummary {
        id: ExecutionId::parse(&id).ok_or_else(|| odd("id"))?,
        state: state.parse().map_err(|_| odd("state"))?,
        outcome: row.try_get("outcome")?,
        detail: row.try_get("detail")?,
        return_code: row.try_get("return_code")?,
        environment: row.try_get("environment")?,
        environment_id: row.try_get("environment_id")?,
        tool: row.try_get("tool")?,
        tool_id: row.try_get("tool_id")?,
        policy: row.try_get("policy")?,
        started_ms: row.try_get("started_ms")?,
        ended_ms: row.try_get("ended_ms")?,
        execution_time_ms: row.try_get("execution_time_ms")?,
        memory_usage_kb: row.try_get("memory_usage_kb")?,
    })
}

fn record(row: &AnyRow) -> Result<ExecutionRecord, sqlx::Error> {
    let json = |name: &str| {
        let text: Option<String> = row.try_get(name)?;
        // What was written is JSON; another program's text is shown as it is.
        Ok::<_, sqlx::Error>(
            text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
        )
    };
    Ok(ExecutionRecord {
        summary: summary(row)?,
        source_sha256: row.try_get("source_sha256")?,
        source_bytes: row.try_get("source_bytes")?,
        source: row.try_get("source")?,
        tier: row.try_get("tier")?,
        preload: row.try_get("preload")?,
        limits: json("limits")?,
        usage: json("usage")?,
        artifacts: json("artifacts")?,
        function_name: row.try_get("function_name")?,
        parameters: json("parameters")?,
        result: json("result")?,
        stdout: row.try_get("stdout")?,
        stderr: row.try_get("stderr")?,
        exceptions: json("exceptions")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_shows() {
        let cursor = Cursor {
            started_ms: 17,
            id: ExecutionId::random(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for odd in ["", "17", "x-y", "17-"] {
            assert!(odd.parse::<Cursor>().is_err(), "{odd:?}");
        }
    }
}
