//! What a caller is told when there is no outcome: one body shape at every route.
//!
//! A guest's end is never one of these. No text here has a host path unless the caller is the
//! server's own user on the unix socket.

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use stepflow_python::{ExecutionError, ExecutionId, Fault};

/// `{"error": {…}}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorDetailBody,
}

/// The inside of every error: a stable code, a sentence, and whether to try again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorDetailBody {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_id: Option<String>,
}

/// A request that gets an error instead of an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    retryable: bool,
    execution_id: Option<ExecutionId>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retryable: false,
            execution_id: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// The same text whatever was wrong with the key.
    pub(crate) fn unauthorized() -> Self {
        let message = "this route needs the server's API key: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn forbidden(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this address",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not take this method",
        )
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "send the body with `Content-Type: application/json`";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("the body is longer than the {limit} bytes this route takes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(crate) fn body_too_slow() -> Self {
        let message = "the body did not arrive in time; send it again";
        Self {
            retryable: true,
            ..Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
        }
    }

    pub(crate) fn busy(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            retryable: true,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        }
    }

    /// A failure of the engine. `detail` is for the server's own user: others get no host facts.
    pub(crate) fn execution(error: &ExecutionError, id: Option<ExecutionId>, detail: bool) -> Self {
        let fault = error.fault();
        if fault == Fault::Host {
            tracing::error!(execution = id.map(tracing::field::display), %error, "an execution has no outcome");
        }
        let status = match (fault, error) {
            (
                Fault::Caller,
                ExecutionError::SourceTooLong { .. } | ExecutionError::FilesTooLarge { .. },
            ) => StatusCode::PAYLOAD_TOO_LARGE,
            (Fault::Capacity, ExecutionError::ShuttingDown) => StatusCode::SERVICE_UNAVAILABLE,
            (Fault::Caller | Fault::Capacity | Fault::Host, _) => usual_status(fault),
        };
        let message = if detail {
            error.to_string()
        } else {
            public_sentence(error)
        };
        Self {
            status,
            code: error.code(),
            message,
            retryable: error.retryable(),
            execution_id: id,
        }
    }

    /// Nothing is recorded here.
    pub(crate) fn unrecorded() -> Self {
        let message = "this server records nothing; it was started with `--records off`";
        Self::new(StatusCode::NOT_FOUND, "records_off", message)
    }

    /// The records are there and cannot be read now.
    pub(crate) fn history_unreadable() -> Self {
        let message = "the records could not be read; the server's log says why";
        Self {
            retryable: true,
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "records_unreadable",
                message,
            )
        }
    }

    /// A failure around environments or tools; `code` tells callers which.
    pub(crate) fn coded(fault: Fault, code: &'static str, message: String) -> Self {
        let status = match code {
            "no_environments" | "unknown_environment" | "unknown_tool" | "unknown_function" => {
                StatusCode::NOT_FOUND
            }
            "environment_in_use" | "tool_exists" => StatusCode::CONFLICT,
            "packages_failed" | "tool_rejected" => StatusCode::UNPROCESSABLE_ENTITY,
            _ => usual_status(fault),
        };
        Self {
            retryable: fault != Fault::Caller,
            ..Self::new(status, code, message)
        }
    }

    /// A failure of the host around environments or tools, of which callers learn nothing more.
    pub(crate) fn host() -> Self {
        let message = "the host could not do this; the server's log says why";
        Self::coded(Fault::Host, "host_error", message.into())
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetailBody {
                code: self.code.to_owned(),
                message: self.message.clone(),
                retryable: self.retryable,
                execution_id: self.execution_id.map(|id| id.to_string()),
            },
        }
    }
}

fn usual_status(fault: Fault) -> StatusCode {
    match fault {
        Fault::Caller => StatusCode::BAD_REQUEST,
        Fault::Capacity => StatusCode::TOO_MANY_REQUESTS,
        Fault::Host => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn public_sentence(error: &ExecutionError) -> String {
    match error {
        ExecutionError::Confine { step, .. } => {
            format!("the sandbox could not be set up at step `{step}`; the server's log says why")
        }
        ExecutionError::Unrecorded { .. } => {
            "the execution could not be recorded; run it again later".to_owned()
        }
        ExecutionError::Host { .. }
        | ExecutionError::Remote {
            fault: Fault::Host, ..
        } => "the host could not run this; the server's log says why".to_owned(),
        other => other.to_string(),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self.status {
            // Never `Basic`: a browser would ask its user for a password and then send it everywhere.
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            // The rest of the body is not worth reading.
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"))
            }
            _ => None,
        };
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_error_has_no_host_path() {
        let error = ExecutionError::Host {
            operation: "read /srv/secret".into(),
            reason: "/srv/secret".into(),
        };
        assert!(
            !Failure::execution(&error, None, false)
                .body()
                .error
                .message
                .contains("/srv")
        );
        assert!(
            Failure::execution(&error, None, true)
                .body()
                .error
                .message
                .contains("/srv")
        );
    }

    #[test]
    fn faults_have_their_status() {
        let saturated = ExecutionError::Saturated {
            waited: std::time::Duration::from_secs(1),
        };
        for (error, status, retryable) in [
            (ExecutionError::FileName { name: "/".into() }, 400, false),
            (
                ExecutionError::SourceTooLong { bytes: 2, limit: 1 },
                413,
                false,
            ),
            (saturated, 429, true),
            (ExecutionError::ShuttingDown, 503, true),
            (ExecutionError::Lost { what: "the zygote" }, 500, true),
        ] {
            let failure = Failure::execution(&error, None, false);
            assert_eq!(
                (failure.status.as_u16(), failure.retryable),
                (status, retryable),
                "{error:?}"
            );
        }
    }
}
