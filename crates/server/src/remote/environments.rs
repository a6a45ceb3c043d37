//! The environments of a server on this host.

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use stepflow_python::environment::Progress;
use stepflow_python::{
    Dependency, EnvironmentDescription, EnvironmentError, EnvironmentId, EnvironmentOrder,
    EnvironmentService, ProgressSink,
};

use super::client::Client;
use crate::doors::native::environments::{EnvironmentBody, OrderBody, ProgressBody, PrunedBody};
use crate::error::{ErrorBody, ErrorDetailBody};

/// Asks the server; what it refuses comes back in its own words.
#[derive(Debug)]
pub(crate) struct RemoteEnvironments {
    client: Client,
}

impl RemoteEnvironments {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn call(&self, method: Method, path: &str) -> Result<Bytes, EnvironmentError> {
        let answer = self
            .client
            .call(method, path)
            .await
            .map_err(|error| broken(&error))?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let told: ErrorBody = parse(&answer.body)?;
        Err(refused(told.error))
    }

    async fn build(
        &self,
        path: &str,
        order: &OrderBody,
        progress: &ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let json = serde_json::to_vec(order).map_err(|error| broken(&error))?;
        let sent = self.client.post_for_events(path, json).await;
        let (response, _connection) = sent.map_err(|error| broken(&error))?;
        let is_stream = response.status() == StatusCode::OK;
        let mut body = response.into_body();
        let mut buffer = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            buffer.extend(frame.into_data().unwrap_or_default());
            while let Some(at) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = buffer.drain(..at + 2).collect();
                if let Some(ended) = event_of(&event, progress)? {
                    return ended;
                }
            }
        }
        if is_stream {
            return Err(broken(&"the server's answer broke off"));
        }
        let told: ErrorBody = parse(&buffer)?;
        Err(refused(told.error))
    }
}

type Ended = Result<EnvironmentDescription, EnvironmentError>;

/// The end of a build, if this event is it.
fn event_of(event: &[u8], progress: &ProgressSink) -> Result<Option<Ended>, EnvironmentError> {
    let lines = || event.split(|byte| *byte == b'\n');
    let field = |name: &str| lines().find_map(|line| line.strip_prefix(name.as_bytes()));
    let data = field("data: ").unwrap_or_default();
    Ok(match field("event: ") {
        Some(b"progress") => {
            let told: ProgressBody = parse(data)?;
            progress(Progress {
                step: if told.step == "done" {
                    "done"
                } else {
                    "packages"
                },
                done: told.done,
                total: told.total,
                text: told.text,
            });
            None
        }
        Some(b"finished") => Some(Ok(description(parse(data)?))),
        Some(b"error") => Some(Err(refused(parse::<ErrorDetailBody>(data)?))),
        _ => None,
    })
}

fn description(body: EnvironmentBody) -> EnvironmentDescription {
    let packages = body.packages.into_iter().map(|one| (one.name, one.version));
    EnvironmentDescription {
        id: body.id,
        digest: body.digest,
        python: body.python,
        requirements: body.requirements,
        packages: packages.collect(),
        bytes: body.size_bytes,
        created_ms: body.created_ms,
        used_ms: body.used_ms,
        is_active: body.active,
    }
}

fn texts(packages: &[Dependency]) -> Vec<String> {
    packages.iter().map(Dependency::to_requirement).collect()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EnvironmentError> {
    serde_json::from_slice(bytes).map_err(|error| broken(&error))
}

fn broken(reason: &impl ToString) -> EnvironmentError {
    EnvironmentError::Refused {
        reason: format!(
            "the server of this host could not be asked: {}",
            reason.to_string()
        ),
    }
}

fn refused(told: ErrorDetailBody) -> EnvironmentError {
    EnvironmentError::Refused {
        reason: told.message,
    }
}

#[async_trait]
impl EnvironmentService for RemoteEnvironments {
    async fn create(&self, order: EnvironmentOrder, progress: ProgressSink) -> Ended {
        let body = OrderBody {
            python: Some(order.python).filter(|python| !python.is_empty()),
            packages: texts(&order.packages),
        };
        self.build("/v1/environments", &body, &progress).await
    }

    async fn install(
        &self,
        id: EnvironmentId,
        packages: Vec<Dependency>,
        progress: ProgressSink,
    ) -> Ended {
        let body = OrderBody {
            python: None,
            packages: texts(&packages),
        };
        let path = format!("/v1/environments/{id}/packages");
        self.build(&path, &body, &progress).await
    }

    async fn activate(&self, id: EnvironmentId) -> Result<(), EnvironmentError> {
        let path = format!("/v1/environments/{id}/activate");
        self.call(Method::POST, &path).await.map(drop)
    }

    async fn remove(&self, id: EnvironmentId) -> Result<(), EnvironmentError> {
        let path = format!("/v1/environments/{id}");
        self.call(Method::DELETE, &path).await.map(drop)
    }

    async fn prune(&self) -> Result<u64, EnvironmentError> {
        let answer = self.call(Method::POST, "/v1/environments/prune").await?;
        parse::<PrunedBody>(&answer).map(|pruned| pruned.freed_bytes)
    }

    async fn list(&self) -> Result<Vec<EnvironmentDescription>, EnvironmentError> {
        let answer = self.call(Method::GET, "/v1/environments").await?;
        let bodies: Vec<EnvironmentBody> = parse(&answer)?;
        Ok(bodies.into_iter().map(description).collect())
    }

    async fn lock(&self, id: EnvironmentId) -> Result<String, EnvironmentError> {
        let answer = self
            .call(Method::GET, &format!("/v1/environments/{id}/lock"))
            .await?;
        String::from_utf8(answer.to_vec()).map_err(|error| broken(&error))
    }
}
