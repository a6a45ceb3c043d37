//! The tools of a server on this host.

use async_trait::async_trait;
use axum::http::Method;
use serde::de::DeserializeOwned;
use stepflow_python::tools::functions_of;
use stepflow_python::{Tool, ToolError, ToolOrder, ToolService, ToolSettings, ToolSummary};

use super::client::{Answer, CallError, Client};
use crate::doors::native::convert::wish;
use crate::doors::native::report::percent_encode;
use crate::doors::native::tools::order_body;
use crate::doors::native::tools::wire::{ToolBody, ToolSummaryBody};
use crate::error::ErrorBody;

/// Asks the server; what it refuses comes back in its own words.
#[derive(Debug)]
pub(crate) struct RemoteTools {
    client: Client,
}

impl RemoteTools {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn call(&self, method: Method, path: &str) -> Result<Answer, ToolError> {
        checked(self.client.call(method, path).await)
    }
}

fn checked(answer: Result<Answer, CallError>) -> Result<Answer, ToolError> {
    let answer = answer.map_err(|error| match error {
        CallError::TooLarge { .. } => ToolError::Refused(error.to_string()),
        CallError::Connect(_) | CallError::Http(_) | CallError::Request(_) => broken(&error),
    })?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let told = parse::<ErrorBody>(&answer)?.error;
    Err(match told.code.as_str() {
        // Its parser is busy.
        "unchecked" => ToolError::Busy,
        _ if answer.status.is_server_error() || told.retryable => ToolError::Remote(told.message),
        _ => ToolError::Refused(told.message),
    })
}

fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, ToolError> {
    serde_json::from_slice(&answer.body).map_err(|error| broken(&error))
}

fn broken(reason: &impl ToString) -> ToolError {
    ToolError::Remote(reason.to_string())
}

fn place(name: &str) -> String {
    format!("/v1/tools/{}", percent_encode(name, b"-_"))
}

/// Where a function of a tool is called.
pub(super) fn function_place(tool: &str, function: &str) -> String {
    let function = percent_encode(function, b"-_");
    format!("{}/functions/{function}", place(tool))
}

/// What a source offers is found in it again: a schema says less than the functions themselves.
async fn tool(body: ToolBody) -> Result<Tool, ToolError> {
    let odd = |told: String| broken(&told);
    Ok(Tool {
        id: body.id,
        name: body.name.parse().map_err(odd)?,
        version: body.version.parse().map_err(odd)?,
        description: body.description,
        settings: ToolSettings {
            policy: body.policy.parse().map_err(odd)?,
            environment: body.environment,
            packages: body.packages,
            limits: wish(body.limits),
        },
        functions: functions_of(&body.source, None).await?,
        source: body.source,
    })
}

#[async_trait]
impl ToolService for RemoteTools {
    async fn add(&self, order: ToolOrder) -> Result<Tool, ToolError> {
        let json = serde_json::to_vec(&order_body(&order)).map_err(|error| broken(&error))?;
        let answer = checked(self.client.post("/v1/tools", json).await)?;
        tool(parse(&answer)?).await
    }

    async fn list(&self) -> Result<Vec<ToolSummary>, ToolError> {
        let answer = self.call(Method::GET, "/v1/tools").await?;
        let bodies: Vec<ToolSummaryBody> = parse(&answer)?;
        let summary = |body: ToolSummaryBody| {
            Ok(ToolSummary {
                name: body.name.parse()?,
                version: body.version.parse()?,
                description: body.description,
                functions: body.functions,
            })
        };
        let all: Result<_, String> = bodies.into_iter().map(summary).collect();
        all.map_err(|told| broken(&told))
    }

    async fn find(&self, name: &str) -> Result<Tool, ToolError> {
        tool(parse(&self.call(Method::GET, &place(name)).await?)?).await
    }

    async fn remove(&self, name: &str) -> Result<(), ToolError> {
        self.call(Method::DELETE, &place(name)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, StatusCode};
    use stepflow_python::Fault;

    use super::*;

    #[test]
    fn what_is_not_the_callers_fault_is_not_told_as_it() {
        for (status, code, retryable, fault) in [
            (
                StatusCode::BAD_REQUEST,
                "tool_refused",
                false,
                Fault::Caller,
            ),
            (StatusCode::NOT_FOUND, "unknown_tool", false, Fault::Caller),
            (
                StatusCode::TOO_MANY_REQUESTS,
                "unchecked",
                true,
                Fault::Capacity,
            ),
            (StatusCode::TOO_MANY_REQUESTS, "too_busy", true, Fault::Host),
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "host_error",
                false,
                Fault::Host,
            ),
        ] {
            let body = serde_json::json!({
                "error": {"code": code, "message": "so it is", "retryable": retryable}
            });
            let answer = Answer {
                status,
                headers: HeaderMap::new(),
                body: body.to_string().into(),
            };
            let Err(error) = checked(Ok(answer)) else {
                panic!("{status} is no success")
            };
            assert_eq!(error.fault(), fault, "{status}: {error}");
        }
    }
}
