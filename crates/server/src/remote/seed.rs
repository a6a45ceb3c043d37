//! The seed's requests, for a server that takes only executions.

use stepflow_python::executor::{
    PythonExecutor, PythonRequest, PythonResponse, SecurityLevel, source,
};
use stepflow_python::{ExecutionRequest, PythonError};

use super::RemoteExecutor;

pub(crate) async fn run(
    executor: &RemoteExecutor,
    request: ExecutionRequest,
) -> Result<PythonResponse, PythonError> {
    let execution = executor.start(request).await?;
    Ok(execution.finish().await?.into())
}

/// Errors: what a caller of a server cannot choose.
pub(crate) async fn code(request: PythonRequest) -> Result<ExecutionRequest, PythonError> {
    let policy = request.security_level;
    // The server would judge our part of the source with the caller's.
    let has_our_part = request.function_name.is_some() || !request.parameters.is_empty();
    if policy != SecurityLevel::Permissive && has_our_part {
        let reason = "a running server cannot tell parameters from code: ask for `Permissive`, or stop the server";
        return Err(PythonError::ExecutionError(reason.to_owned()));
    }
    Ok(ExecutionRequest {
        policy,
        ..source::of_code(request).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_server_decides_itself_is_refused_not_ignored() {
        let strict = |function_name| PythonRequest {
            security_level: SecurityLevel::Strict,
            function_name,
            ..Default::default()
        };
        assert!(code(strict(Some("f".into()))).await.is_err());
        let request = code(strict(None)).await.unwrap();
        assert_eq!(request.policy, SecurityLevel::Strict);
    }
}
