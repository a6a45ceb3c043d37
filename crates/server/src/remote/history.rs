//! What was recorded, asked of the server of a socket.

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use stepflow_python::{
    DatabaseError, ExecutionId, ExecutionRecord, ExecutionSummary, HistoryFilter, HistoryPage,
    HistoryService, RecordState,
};

use super::client::Client;
use crate::doors::native::history::{PageBody, RecordBody, SummaryBody};
use crate::doors::native::report::percent_encode;
use crate::error::ErrorBody;

/// The history of the server of a socket.
#[derive(Debug)]
pub(crate) struct RemoteHistory {
    client: Client,
}

impl RemoteHistory {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// What a path holds; `None` where there is nothing.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, DatabaseError> {
        let answer = self.client.call(Method::GET, path).await;
        let answer = answer.map_err(|error| told(error.to_string()))?;
        if answer.status.is_success() {
            return parse(&answer.body).map(Some);
        }
        let error = parse::<ErrorBody>(&answer.body)?.error;
        if answer.status == StatusCode::NOT_FOUND && error.code == "not_found" {
            return Ok(None);
        }
        Err(told(error.message))
    }
}

#[async_trait]
impl HistoryService for RemoteHistory {
    async fn list(&self, filter: HistoryFilter) -> Result<HistoryPage, DatabaseError> {
        let page = self.get(&path(filter)).await?;
        let page: PageBody = page.ok_or_else(|| told("this server has no history".into()))?;
        let executions = page.executions.into_iter().map(summary);
        Ok(HistoryPage {
            executions: executions.collect::<Result<_, _>>()?,
            next: page
                .next
                .map(|next| next.parse().map_err(told))
                .transpose()?,
        })
    }

    async fn show(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, DatabaseError> {
        let found = self.get(&format!("/v1/executions/{id}")).await?;
        found.map(record).transpose()
    }
}

fn path(filter: HistoryFilter) -> String {
    let fields = [
        ("outcome", filter.outcome),
        ("state", filter.state.map(|state| state.name().to_owned())),
        ("environment", filter.environment),
        ("tool", filter.tool),
        ("since_ms", filter.since_ms.map(|number| number.to_string())),
        ("until_ms", filter.until_ms.map(|number| number.to_string())),
        ("before", filter.before.map(|cursor| cursor.to_string())),
        ("limit", Some(filter.limit.to_string())),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", percent_encode(&value?, b"-._~"))));
    format!("/v1/executions?{}", fields.collect::<Vec<_>>().join("&"))
}

fn told(reason: String) -> DatabaseError {
    DatabaseError::Remote { reason }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DatabaseError> {
    serde_json::from_slice(bytes).map_err(|error| {
        told(format!(
            "the server of this host speaks another dialect: {error}"
        ))
    })
}

fn summary(body: SummaryBody) -> Result<ExecutionSummary, DatabaseError> {
    let id = ExecutionId::parse(&body.id);
    Ok(ExecutionSummary {
        id: id.ok_or_else(|| told(format!("`{}` is no id of an execution", body.id)))?,
        state: body.state.parse::<RecordState>().map_err(told)?,
        outcome: body.outcome,
        detail: body.detail,
        return_code: body.return_code,
        environment: body.environment,
        environment_id: body.environment_id,
        tool: body.tool,
        tool_id: body.tool_id,
        policy: body.policy,
        started_ms: body.started_ms,
        ended_ms: body.ended_ms,
        execution_time_ms: body.execution_time_ms,
        memory_usage_kb: body.memory_usage_kb,
    })
}

fn record(body: RecordBody) -> Result<ExecutionRecord, DatabaseError> {
    Ok(ExecutionRecord {
        summary: summary(body.summary)?,
        source_sha256: body.source_sha256,
        source_bytes: body.source_bytes,
        source: body.source,
        tier: body.tier,
        preload: body.preload,
        limits: body.limits,
        usage: body.usage,
        artifacts: body.artifacts,
        function_name: body.function_name,
        parameters: body.parameters,
        result: body.result,
        stdout: body.stdout,
        stderr: body.stderr,
        exceptions: body.exceptions,
    })
}
