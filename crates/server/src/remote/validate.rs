//! What the policy of a server has against a source.

use axum::http::StatusCode;
use stepflow_python::{ExecutionError, Judgement, SecurityLevel};

use super::client::Client;
use super::events::broken;
use super::{convert, request};
use crate::doors::native::wire::{ValidateBody, ValidatedBody};
use crate::error::ErrorBody;

/// Errors: the server's own, or an answer that is none.
pub(crate) async fn call(
    client: &Client,
    source: &str,
    level: SecurityLevel,
) -> Result<Judgement, ExecutionError> {
    let body = ValidateBody {
        source: source.to_owned(),
        policy: request::policy(level),
    };
    let json = serde_json::to_vec(&body).map_err(|error| broken(&error))?;
    let answer = client.post("/v1/validate", json).await;
    let answer = answer.map_err(|error| broken(&error))?;
    if answer.status != StatusCode::OK {
        let told: ErrorBody =
            serde_json::from_slice(&answer.body).map_err(|error| broken(&error))?;
        return Err(convert::error(told.error));
    }
    let body: ValidatedBody =
        serde_json::from_slice(&answer.body).map_err(|error| broken(&error))?;
    convert::judgement(body).map_err(|odd| broken(&odd))
}
