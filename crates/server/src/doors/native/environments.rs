//! `/v1/environments`: made, changed, listed and removed.
//!
//! A build goes on when its caller hangs up: what it makes is listed all the same.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use stepflow_python::environment::Progress;
use stepflow_python::{
    Dependency, EnvironmentDescription, EnvironmentError, EnvironmentId, EnvironmentOrder,
    EnvironmentService, Fault, ProgressSink,
};
use tokio::sync::mpsc;

use super::convert::{MOST_PACKAGES, read};
use super::routes::wants_events;
use super::stream::frame;
use super::wire::or_default;
use crate::app::App;
use crate::error::Failure;

/// `POST /v1/environments`, and its packages.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) python: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) packages: Vec<String>,
}

/// An environment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EnvironmentBody {
    pub(crate) id: EnvironmentId,
    pub(crate) digest: String,
    pub(crate) python: String,
    pub(crate) requirements: Vec<String>,
    pub(crate) packages: Vec<PackageBody>,
    pub(crate) size_bytes: u64,
    pub(crate) created_ms: u64,
    pub(crate) used_ms: u64,
    pub(crate) active: bool,
}

/// One package of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackageBody {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// Data of the event `progress`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProgressBody {
    pub(crate) step: String,
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) text: String,
}

/// What a clean-up gave back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PrunedBody {
    pub(crate) freed_bytes: u64,
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/environments", get(list).post(create))
        .route("/v1/environments/prune", post(prune))
        .route("/v1/environments/{id}", delete(remove))
        .route("/v1/environments/{id}/packages", post(install))
        .route("/v1/environments/{id}/activate", post(activate))
        .route("/v1/environments/{id}/lock", get(lock))
}

type Service = Arc<dyn EnvironmentService>;

fn service(app: &App) -> Result<Service, Failure> {
    let found = app.executor.environments();
    found.ok_or_else(|| {
        let told =
            "this server has only its default environment; what it said at its start says why";
        Failure::coded(Fault::Caller, "no_environments", told.into())
    })
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let all = service(&app)?.list().await.map_err(failure)?;
    Ok(Json(all.into_iter().map(body).collect::<Vec<_>>()).into_response())
}

async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Failure> {
    let service = service(&app)?;
    let (python, packages) = order(&bytes)?;
    let order = EnvironmentOrder { python, packages };
    let work = move |progress| async move { service.create(order, progress).await };
    answer(&headers, StatusCode::CREATED, work).await
}

async fn install(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Failure> {
    let (service, id) = (service(&app)?, identity(&id)?);
    let (python, packages) = order(&bytes)?;
    if !python.is_empty() {
        return Err(Failure::bad_request(
            "`python`: an environment keeps its Python",
        ));
    }
    let work = move |progress| async move { service.install(id, packages, progress).await };
    answer(&headers, StatusCode::OK, work).await
}

async fn activate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    service(&app)?
        .activate(identity(&id)?)
        .await
        .map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    service(&app)?
        .remove(identity(&id)?)
        .await
        .map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn prune(State(app): State<Arc<App>>) -> Result<Json<PrunedBody>, Failure> {
    let freed_bytes = service(&app)?.prune().await.map_err(failure)?;
    Ok(Json(PrunedBody { freed_bytes }))
}

async fn lock(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Failure> {
    let text = service(&app)?.lock(identity(&id)?).await.map_err(failure)?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn identity(text: &str) -> Result<EnvironmentId, Failure> {
    text.parse().map_err(|_| Failure::not_found())
}

fn order(bytes: &[u8]) -> Result<(String, Vec<Dependency>), Failure> {
    // The parser takes a list for an object, too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Failure::bad_request("`body`: it must be a JSON object"));
    }
    let parsed: OrderBody = read(bytes).map_err(|wrong| Failure::bad_request(wrong.to_string()))?;
    if parsed.packages.len() > MOST_PACKAGES {
        let told = format!("`packages`: the most is {MOST_PACKAGES}");
        return Err(Failure::bad_request(told));
    }
    let packages = parsed.packages.iter().map(|text| Dependency::parse(text));
    let packages: Result<_, _> = packages.collect();
    let packages =
        packages.map_err(|error| Failure::bad_request(format!("`packages`: {error}")))?;
    let python = parsed.python.unwrap_or_default();
    if !python.chars().all(|c| c.is_ascii_digit() || c == '.') {
        let told = "`python`: write a version, such as `3.11` or `3.11.7`";
        return Err(Failure::bad_request(told));
    }
    Ok((python, packages))
}

/// Runs a build as a task of its own and answers with its end, or with its events.
async fn answer<F>(
    headers: &HeaderMap,
    made: StatusCode,
    work: impl FnOnce(ProgressSink) -> F + Send + 'static,
) -> Result<Response, Failure>
where
    F: Future<Output = Result<EnvironmentDescription, EnvironmentError>> + Send + 'static,
{
    let (sender, events) = mpsc::unbounded_channel();
    let remarks = sender.clone();
    let progress: ProgressSink = Arc::new(move |told| drop(remarks.send(progress_frame(told))));
    let task = tokio::spawn(async move {
        let ended = work(progress).await;
        let last = match &ended {
            Ok(made) => frame("finished", &body(made.clone())),
            Err(error) => frame("error", &failure_of(error).body().error),
        };
        let _ = sender.send(last);
        ended
    });
    if wants_events(headers) {
        let frames = stream::unfold(events, async |mut events| {
            let next = events.recv().await?;
            Some((Ok::<_, Infallible>(next), events))
        });
        let headers = [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
        ];
        return Ok((headers, Body::from_stream(frames)).into_response());
    }
    drop(events);
    match task.await {
        Ok(ended) => Ok((made, Json(body(ended.map_err(failure)?))).into_response()),
        // The log has its panic.
        Err(_) => Err(Failure::host()),
    }
}

fn progress_frame(told: Progress) -> Bytes {
    let body = ProgressBody {
        step: told.step.to_owned(),
        done: told.done,
        total: told.total,
        text: without_paths(&told.text),
    };
    frame("progress", &body)
}

fn failure(error: EnvironmentError) -> Failure {
    failure_of(&error)
}

fn failure_of(error: &EnvironmentError) -> Failure {
    if error.fault() == Fault::Host {
        tracing::error!(%error, "an environment could not be served");
    }
    let code = match error {
        EnvironmentError::Unknown { .. } => "unknown_environment",
        EnvironmentError::Packages { .. } => "packages_failed",
        EnvironmentError::InUse(_) => "environment_in_use",
        EnvironmentError::Busy => "builds_full",
        EnvironmentError::Refused { .. } => "environment_refused",
        EnvironmentError::Interpreter { .. }
        | EnvironmentError::NoVenv { .. }
        | EnvironmentError::Tool { .. }
        | EnvironmentError::Held
        | EnvironmentError::Host { .. } => return Failure::host(),
    };
    Failure::coded(error.fault(), code, without_paths(&error.to_string()))
}

/// The text with every host path cut to its last part.
fn without_paths(text: &str) -> String {
    // A word comes with the white space behind it.
    let cut = |word: &str| match word.find('/') {
        Some(at) if word[..at].chars().all(|c| !c.is_alphanumeric()) => {
            let name = word.rsplit('/').next().unwrap_or_default();
            format!("{}{name}", &word[..at])
        }
        _ => word.to_owned(),
    };
    text.split_inclusive(char::is_whitespace).map(cut).collect()
}

fn body(made: EnvironmentDescription) -> EnvironmentBody {
    let package = |(name, version)| PackageBody { name, version };
    EnvironmentBody {
        id: made.id,
        digest: made.digest,
        python: made.python,
        requirements: made.requirements,
        packages: made.packages.into_iter().map(package).collect(),
        size_bytes: made.bytes,
        created_ms: made.created_ms,
        used_ms: made.used_ms,
        active: made.is_active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_field_is_named() {
        for (body, told) in [
            (r#"{"packages":"numpy"}"#, "`packages`: "),
            (r#"{"packages":[1]}"#, "`packages[0]`: "),
            (r#"{"foo":1}"#, "`foo`: "),
            (r#"{"packages":["a b"]}"#, "`packages`: "),
        ] {
            let message = order(body.as_bytes()).unwrap_err().body().error.message;
            assert!(message.starts_with(told), "{body}: {message}");
        }
        assert!(order(br#"{"python":null,"packages":null}"#).is_ok());
    }

    #[test]
    fn an_order_is_an_object_with_a_version_that_is_one() {
        assert!(order(b" {\"python\": \"3.11\", \"packages\": [\"a\"]}").is_ok());
        for (body, said) in [
            ("[]", "must be a JSON object"),
            ("", "must be a JSON object"),
            ("{\"python\": \"../x\"}", "`python`: write a version"),
        ] {
            let told = order(body.as_bytes()).unwrap_err().body().error.message;
            assert!(told.contains(said), "{body}: {told}");
        }
    }

    #[test]
    fn host_paths_are_cut_to_their_last_part() {
        let text = "cannot read `/proc/self/fd/9/x.whl` of numpy>=1/2:\n/srv/y\n(/srv/z)";
        assert_eq!(
            without_paths(text),
            "cannot read `x.whl` of numpy>=1/2:\ny\n(z)"
        );
    }
}
