//! `GET /v1/executions` and `GET /v1/executions/{id}`: what was recorded.
//!
//! Whoever may execute may read. An execution without an outcome carries an error instead, and that
//! can be retried: nothing here makes a failure of ours look like a program's.

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepflow_python::{
    DatabaseError, ExecutionId, ExecutionRecord, ExecutionSummary, HistoryFilter, HistoryPage,
    HistoryService, RecordState,
};

use crate::app::App;
use crate::error::{ErrorDetailBody, Failure};

/// Executions of a page for who does not say how many.
const USUAL: u32 = 100;
/// The query of `GET /v1/executions`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterBody {
    outcome: Option<String>,
    state: Option<String>,
    environment: Option<String>,
    tool: Option<String>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    before: Option<String>,
    limit: Option<u32>,
}

/// A page of executions, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PageBody {
    pub(crate) executions: Vec<SummaryBody>,
    /// For `before`; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// An execution in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SummaryBody {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) outcome: Option<String>,
    pub(crate) detail: Option<String>,
    /// Why there is no outcome, in the states `failed` and `lost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorDetailBody>,
    pub(crate) return_code: Option<i64>,
    pub(crate) environment: Option<String>,
    pub(crate) environment_id: Option<String>,
    pub(crate) tool: Option<String>,
    pub(crate) tool_id: Option<String>,
    pub(crate) policy: String,
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    pub(crate) execution_time_ms: Option<i64>,
    pub(crate) memory_usage_kb: Option<i64>,
}

/// All that was recorded of an execution.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecordBody {
    #[serde(flatten)]
    pub(crate) summary: SummaryBody,
    pub(crate) source_sha256: String,
    pub(crate) source_bytes: i64,
    pub(crate) source: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) preload: Option<String>,
    pub(crate) limits: Option<Value>,
    pub(crate) usage: Option<Value>,
    pub(crate) artifacts: Option<Value>,
    pub(crate) function_name: Option<String>,
    pub(crate) parameters: Option<Value>,
    pub(crate) result: Option<Value>,
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: Option<String>,
    pub(crate) exceptions: Option<Value>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<FilterBody>, QueryRejection>,
) -> Result<Json<PageBody>, Failure> {
    let Query(query) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    let page = service(&app)?.list(filter(query)?).await.map_err(failure)?;
    Ok(Json(page_body(page)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<RecordBody>, Failure> {
    let id = ExecutionId::parse(&id).ok_or_else(Failure::not_found)?;
    let found = service(&app)?.show(id).await.map_err(failure)?;
    Ok(Json(record_body(found.ok_or_else(Failure::not_found)?)))
}

fn service(app: &App) -> Result<Arc<dyn HistoryService>, Failure> {
    app.executor.history().ok_or_else(Failure::unrecorded)
}

fn failure(error: DatabaseError) -> Failure {
    tracing::error!(%error, "the history could not be read");
    Failure::history_unreadable()
}

fn filter(query: FilterBody) -> Result<HistoryFilter, Failure> {
    let filter = HistoryFilter {
        outcome: query.outcome,
        state: parsed("state", query.state)?,
        environment: query.environment,
        tool: query.tool,
        since_ms: query.since_ms,
        until_ms: query.until_ms,
        before: parsed("before", query.before)?,
        limit: query.limit.unwrap_or(USUAL),
    };
    let checked = filter.check();
    checked.map_err(|(name, told)| Failure::bad_request(format!("`{name}`: {told}")))?;
    Ok(filter)
}

fn parsed<T: FromStr<Err = String>>(
    name: &str,
    text: Option<String>,
) -> Result<Option<T>, Failure> {
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|told| Failure::bad_request(format!("`{name}`: {told}")))
}

/// A page as `GET /v1/executions` answers it, wherever it came from.
///
/// Errors: none that a page can bring about.
pub fn page_json(page: HistoryPage) -> serde_json::Result<Value> {
    serde_json::to_value(page_body(page))
}

/// A record as `GET /v1/executions/{id}` answers it, wherever it came from.
///
/// Errors: none that a record can bring about.
pub fn record_json(record: ExecutionRecord) -> serde_json::Result<Value> {
    serde_json::to_value(record_body(record))
}

fn page_body(page: HistoryPage) -> PageBody {
    PageBody {
        executions: page.executions.into_iter().map(summary_body).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }
}

fn summary_body(summary: ExecutionSummary) -> SummaryBody {
    SummaryBody {
        error: error(&summary),
        id: summary.id.to_string(),
        state: summary.state.name().to_owned(),
        outcome: summary.outcome,
        detail: summary.detail,
        return_code: summary.return_code,
        environment: summary.environment,
        environment_id: summary.environment_id,
        tool: summary.tool,
        tool_id: summary.tool_id,
        policy: summary.policy,
        started_ms: summary.started_ms,
        ended_ms: summary.ended_ms,
        execution_time_ms: summary.execution_time_ms,
        memory_usage_kb: summary.memory_usage_kb,
    }
}

/// Once it has started, whatever keeps an execution from an outcome is ours, and can be retried.
fn error(summary: &ExecutionSummary) -> Option<ErrorDetailBody> {
    let (code, message) = match summary.state {
        RecordState::Running | RecordState::Finished => return None,
        RecordState::Failed => (
            summary.detail.as_deref().unwrap_or("host_error"),
            "the server failed while this ran; run it again",
        ),
        RecordState::Lost => (
            "execution_lost",
            "the server went away while this ran; run it again",
        ),
    };
    Some(ErrorDetailBody {
        code: code.to_owned(),
        message: message.to_owned(),
        retryable: true,
        execution_id: Some(summary.id.to_string()),
    })
}

fn record_body(record: ExecutionRecord) -> RecordBody {
    RecordBody {
        summary: summary_body(record.summary),
        source_sha256: record.source_sha256,
        source_bytes: record.source_bytes,
        source: record.source,
        tier: record.tier,
        preload: record.preload,
        limits: record.limits,
        usage: record.usage,
        artifacts: record.artifacts,
        function_name: record.function_name,
        parameters: record.parameters,
        result: record.result,
        stdout: record.stdout,
        stderr: record.stderr,
        exceptions: record.exceptions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(state: RecordState) -> ExecutionSummary {
        ExecutionSummary {
            id: ExecutionId::random(),
            state,
            outcome: None,
            detail: (state == RecordState::Failed).then(|| "host_memory".to_owned()),
            return_code: None,
            environment: None,
            environment_id: None,
            tool: None,
            tool_id: None,
            policy: "permissive".into(),
            started_ms: 1,
            ended_ms: None,
            execution_time_ms: None,
            memory_usage_kb: None,
        }
    }

    #[test]
    fn what_has_no_outcome_is_an_error_to_retry() {
        for (state, code) in [
            (RecordState::Lost, Some("execution_lost")),
            (RecordState::Failed, Some("host_memory")),
            (RecordState::Running, None),
            (RecordState::Finished, None),
        ] {
            let body = summary_body(summary(state));
            let told = body.error.map(|error| (error.code, error.retryable));
            assert_eq!(told, code.map(|code| (code.to_owned(), true)), "{state:?}");
        }
    }

    #[test]
    fn a_wrong_filter_is_refused_by_its_name() {
        let query = |outcome: Option<&str>, state: Option<&str>, before: Option<&str>| {
            filter(FilterBody {
                outcome: outcome.map(str::to_owned),
                state: state.map(str::to_owned),
                before: before.map(str::to_owned),
                ..FilterBody::default()
            })
        };
        assert!(query(Some("crashed"), Some("lost"), None).is_ok());
        for (wrong, name) in [
            (query(Some("lost"), None, None), "`outcome`"),
            (query(None, Some("crashed"), None), "`state`"),
            (query(None, None, Some("1")), "`before`"),
            (
                filter(FilterBody {
                    environment: Some("\0".into()),
                    ..FilterBody::default()
                }),
                "`environment`",
            ),
            (
                filter(FilterBody {
                    limit: Some(0),
                    ..FilterBody::default()
                }),
                "`limit`: use a whole number from 1 to 1000",
            ),
            (
                filter(FilterBody {
                    limit: Some(1001),
                    ..FilterBody::default()
                }),
                "`limit`",
            ),
            (
                filter(FilterBody {
                    tool: Some("a\nb".into()),
                    ..FilterBody::default()
                }),
                "`tool`",
            ),
        ] {
            let told = wrong.unwrap_err().body().error.message;
            assert!(told.starts_with(name), "{told}");
        }
    }
}
