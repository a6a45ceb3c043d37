//! `/v1/tools`: registered, listed, shown, removed, and their functions called.
//!
//! A call is an execution: it is admitted, runs and is answered as one.

mod convert;
pub(crate) mod wire;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use stepflow_python::{ToolError, ToolService};

use super::convert::BadField;
use super::routes::{aside, read_body, run};
use crate::admission::Caller;
use crate::app::App;
use crate::auth::Peer;
use crate::error::Failure;

pub(crate) use self::convert::{limits_body, order_body};
pub use self::convert::{tool_json, tools_json};

const TOOLS: &str = "/v1/tools";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(TOOLS, get(list).post(add))
        .route("/v1/tools/{name}", get(show).delete(remove))
        .route("/v1/tools/{name}/functions/{function}", post(call))
}

/// Whether bodies sent to `path` may be as large as an execution request.
pub(super) fn takes_much(path: &str) -> bool {
    path == TOOLS || (path.starts_with("/v1/tools/") && path.contains("/functions/"))
}

fn service(app: &App) -> Result<Arc<dyn ToolService>, Failure> {
    // They are kept with the records.
    app.executor.tools().ok_or_else(Failure::unrecorded)
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let all = service(&app)?.list().await.map_err(failure)?;
    let all: Vec<_> = all.into_iter().map(convert::summary).collect();
    Ok(Json(all).into_response())
}

async fn add(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let service = service(&app)?;
    let (bytes, budget) = read_body(&app, &headers, body).await?;
    let order = aside(bytes.len(), move || convert::order(&bytes)).await;
    let order = order.map_err(bad)?;
    let added = service.add(order).await;
    drop(budget);
    let body = convert::tool(added.map_err(failure)?);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn show(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let Path(name) = path.map_err(|_| Failure::not_found())?;
    let found = service(&app)?.find(&name).await.map_err(failure)?;
    Ok(Json(convert::tool(found)).into_response())
}

async fn remove(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Failure> {
    let Path(name) = path.map_err(|_| Failure::not_found())?;
    service(&app)?.remove(&name).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn call(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Arc<Caller>>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let Path((name, function)) = path.map_err(|_| Failure::not_found())?;
    let service = service(&app)?;
    let (bytes, budget) = read_body(&app, &headers, body).await?;
    let size = bytes.len();
    let arguments = aside(size, move || convert::arguments(&bytes)).await;
    let arguments = arguments.map_err(bad)?;
    let tool = service.find(&name).await.map_err(failure)?;
    let request = aside(size, move || tool.call(&function, arguments)).await;
    let request = request.map_err(failure)?;
    run(&app, peer, &caller, &headers, (request, budget)).await
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn bad(field: BadField) -> Failure {
    Failure::bad_request(field.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failure(error: ToolError) -> Failure {
    let code = match &error {
        ToolError::Unknown { .. } => "unknown_tool",
        ToolError::NoFunction { .. } => "unknown_function",
        ToolError::Exists { .. } => "tool_exists",
        ToolError::Rejected(_) => "tool_rejected",
        ToolError::Refused(_) => "tool_refused",
        ToolError::Arguments(_) => "bad_arguments",
        ToolError::Busy => "unchecked",
        ToolError::Store(_) | ToolError::Remote(_) => {
            tracing::error!(%error, "a tool could not be served");
            return Failure::host();
        }
    };
    Failure::coded(error.fault(), code, error.to_string())
}
