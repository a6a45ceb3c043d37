//! The native dialect's routes. Each takes its request apart, runs it and answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use stepflow_python::{Event, ExecutionId, ExecutionRequest};
use tokio::sync::OwnedSemaphorePermit;

use super::running::Running;
use super::wire::HealthBody;
use super::{
    artifact, capabilities, convert, environments, history, metrics, report, stream, tools,
};
use crate::admission::Caller;
use crate::app::App;
use crate::auth::Peer;
use crate::error::Failure;

const EXECUTIONS: &str = "/v1/executions";
const VALIDATE: &str = "/v1/validate";
/// From here on JSON is read and written aside: some hundred microseconds.
const MANY_BYTES: usize = 64 * 1024;
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The routes of this dialect.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(EXECUTIONS, get(history::list).post(execute))
        .route(VALIDATE, post(validate))
        .route("/v1/executions/{id}", get(history::show).delete(cancel))
        .route("/v1/executions/{id}/artifacts/{*name}", get(download))
        .merge(environments::routes())
        .merge(tools::routes())
        .route("/v1/pools", get(pools))
        .route("/capabilities", get(show_capabilities))
        .route("/health", get(health))
        .route("/metrics", get(metrics::show))
}

/// Whether bodies sent to `path` may be as large as an execution request.
pub(crate) fn takes_executions(path: &str) -> bool {
    matches!(path, EXECUTIONS | VALIDATE) || tools::takes_much(path)
}

async fn execute(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let (bytes, budget) = read_body(&app, &headers, body).await?;
    let request = aside(bytes.len(), move || convert::request(&bytes)).await;
    let request = request.map_err(|bad| Failure::bad_request(bad.to_string()))?;
    run(&app, peer, &caller, &headers, (request, budget)).await
}

/// Admits an execution, runs it and answers with its end, or with its events. What it needs is made
/// first, in no slot: the executor bounds how much is made at once.
pub(super) async fn run(
    app: &App,
    peer: Peer,
    caller: &Arc<Caller>,
    headers: &HeaderMap,
    (mut request, budget): (ExecutionRequest, OwnedSemaphorePermit),
) -> Result<Response, Failure> {
    let detail = peer == Peer::Owner;
    let failed = |error| {
        app.metrics.failed(&error);
        Failure::execution(&error, None, detail)
    };
    let prepared = app.executor.prepare(&request).await.map_err(failed)?;
    let permit = app.admission.admit(caller).await?;
    request.gives_way = permit.gives_way();
    let started = Running::start(app, request, permit, budget).await;
    drop(prepared);
    let mut running = started.map_err(failed)?;
    if wants_events(headers) {
        return Ok(stream::events(running, app.keep_alive, detail));
    }
    loop {
        match running.next().await {
            Event::Started | Event::Output(..) => {}
            Event::Finished(ended) => {
                let texts = [&ended.stdout, &ended.stderr];
                let size = texts
                    .iter()
                    .map(|text| text.head.len() + text.tail.len())
                    .sum();
                let answer = move || Json(report::body(*ended)).into_response();
                return Ok(aside(size, answer).await);
            }
            Event::Failed(error) => {
                return Err(Failure::execution(&error, Some(running.id()), detail));
            }
        }
    }
}

/// Says what the policy has against a source, without running it.
async fn validate(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let (bytes, budget) = read_body(&app, &headers, body).await?;
    let asked = aside(bytes.len(), move || convert::validation(&bytes)).await;
    let (source, level) = asked.map_err(|bad| Failure::bad_request(bad.to_string()))?;
    let judged = app.executor.validate(&source, level).await;
    drop(budget);
    let judged = judged.map_err(|error| Failure::execution(&error, None, peer == Peer::Owner))?;
    Ok(Json(report::validated(judged)).into_response())
}

/// Does what takes as long as `bytes` are many; with many on a thread of its own, since this one has
/// other callers and their limits to look after.
pub(super) async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes < MANY_BYTES {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// The whole body, and its share of the memory that all waiting bodies may take.
pub(super) async fn read_body(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, OwnedSemaphorePermit), Failure> {
    let bodies = &app.bodies;
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let cost = bodies.cost_kib(length.unwrap_or(bodies.execution_bytes));
    let budget = Arc::clone(&bodies.budget_kib).acquire_many_owned(cost);
    let Ok(Ok(budget)) = tokio::time::timeout(bodies.budget_wait, budget).await else {
        return Err(Failure::busy(
            "bodies_full",
            "too many large requests are waiting; try again later",
        ));
    };
    let body = Limited::new(body, bodies.execution_bytes);
    match tokio::time::timeout(bodies.timeout, body.collect()).await {
        Err(_) => Err(Failure::body_too_slow()),
        Ok(Ok(whole)) => Ok((whole.to_bytes(), budget)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Failure::body_too_large(bodies.execution_bytes))
        }
        Ok(Err(_)) => Err(Failure::bad_request(
            "the body ended early or was not framed correctly",
        )),
    }
}

pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    accepts(headers, "text/event-stream")
}

/// Whether a caller names `kind` among what it accepts.
pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            range
                .split(';')
                .next()
                .is_some_and(|named| named.trim().eq_ignore_ascii_case(kind))
        })
}

/// Asks a running execution to end; its own answer says how it did.
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let id = ExecutionId::parse(&id).ok_or_else(Failure::not_found)?;
    if app.running.cancel(id) {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Failure::not_found())
    }
}

async fn download(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Ok(Path((id, name))) = path else {
        return Err(Failure::not_found());
    };
    let id = ExecutionId::parse(&id).ok_or_else(Failure::not_found)?;
    if !is_artifact_name(&name) {
        return Err(Failure::not_found());
    }
    let found = app
        .executor
        .artifact(id, &name)
        .await
        .ok_or_else(Failure::not_found)?;
    Ok(artifact::untrusted(found, &headers))
}

/// Artifacts are looked up by name, never by path; this only keeps odd names from getting there.
fn is_artifact_name(name: &str) -> bool {
    name.len() <= 4096
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

async fn show_capabilities(State(app): State<Arc<App>>) -> Response {
    Json(capabilities::document(
        app.executor.capabilities(),
        app.bodies.execution_bytes,
    ))
    .into_response()
}

async fn pools(State(app): State<Arc<App>>) -> Response {
    let pools = app.executor.pools().await;
    Json(pools.into_iter().map(report::pool).collect::<Vec<_>>()).into_response()
}

/// Open to everyone, so only the owner is told why.
async fn health(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>) -> Response {
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, app.executor.health()).await;
    let reason = match answer {
        Ok(Ok(())) => {
            return Json(HealthBody {
                status: "ok".to_owned(),
                reason: None,
            })
            .into_response();
        }
        Ok(Err(reason)) => reason,
        Err(_) => format!("the executor did not answer within {HEALTH_TIMEOUT:?}"),
    };
    tracing::warn!(%reason, "executions cannot be served");
    let public = "executions cannot be served now; the server's log says why".to_owned();
    let reason = if peer == Peer::Owner { reason } else { public };
    let body = HealthBody {
        status: "unavailable".to_owned(),
        reason: Some(reason),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn events_are_sent_to_those_who_ask() {
        for (accept, wanted) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=0.9", true),
            ("application/json", false),
            ("*/*", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_events(&headers), wanted, "{accept}");
        }
    }

    #[test]
    fn names_that_walk_are_no_artifact_names() {
        for (name, good) in [
            ("a.png", true),
            ("dir/a b.png", true),
            ("..", false),
            ("../a", false),
            ("a/../b", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("a\\..\\b", false),
            ("a\0", false),
            ("", false),
        ] {
            assert_eq!(is_artifact_name(name), good, "{name:?}");
        }
    }
}
