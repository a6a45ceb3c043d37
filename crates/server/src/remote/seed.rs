//! The seed's requests as execution requests, for a server that takes only those.
//!
//! The user's code stays the source, so its line numbers stay its own: a function call is appended
//! to it. Only parameters without a function have to come before the code; they take one line.

use std::time::Duration;

use stepflow_python::executor::{
    Capabilities, FunctionRequest, PythonConfig, PythonException, PythonExecutor, PythonRequest,
    PythonResponse, ScriptRequest, SecurityLevel, ValidationResult,
};
use stepflow_python::{
    Exception, ExecutionReport, ExecutionRequest, LimitOverrides, Outcome, PythonError,
};

use super::RemoteExecutor;

pub(crate) async fn run(
    executor: &RemoteExecutor,
    request: ExecutionRequest,
) -> Result<PythonResponse, PythonError> {
    let failed =
        |error: stepflow_python::ExecutionError| PythonError::ExecutionError(error.to_string());
    let execution = executor.start(request).await.map_err(failed)?;
    execution.finish().await.map(response).map_err(failed)
}

/// Errors: what a caller of a server cannot choose.
pub(crate) fn code(request: PythonRequest) -> Result<ExecutionRequest, PythonError> {
    if request.environment_id.is_some() {
        let reason =
            "a running server has one environment: leave `environment_id` out, or stop the server";
        return Err(PythonError::EnvironmentError(reason.to_owned()));
    }
    if request.security_level != SecurityLevel::Permissive {
        let reason = "a running server sets the policy level itself: ask for `Permissive`, or stop the server";
        return Err(PythonError::ExecutionError(reason.to_owned()));
    }
    let parameters = serde_json::Value::Object(request.parameters.into_iter().collect());
    let named = parameters.as_object().is_some_and(|map| !map.is_empty());
    let source = match request.function_name {
        Some(function) => with_call(
            &request.code,
            &function,
            &serde_json::Value::Array(vec![]),
            &parameters,
        ),
        None if named => with_globals(&request.code, &parameters),
        None => request.code,
    };
    Ok(assemble(
        source,
        Vec::new(),
        request.timeout,
        request.memory_limit,
    ))
}

pub(crate) fn function(request: FunctionRequest) -> ExecutionRequest {
    let kwargs = serde_json::Value::Object(request.kwargs.into_iter().collect());
    let args = serde_json::Value::Array(request.args);
    let source = with_call(&request.code, &request.function_name, &args, &kwargs);
    assemble(source, Vec::new(), request.timeout, request.memory_limit)
}

/// Errors: a script that cannot be read.
pub(crate) async fn script(request: ScriptRequest) -> Result<ExecutionRequest, PythonError> {
    let source = tokio::fs::read_to_string(&request.script_path)
        .await
        .map_err(|error| {
            PythonError::ExecutionError(format!(
                "cannot read the script `{}`: {error}",
                request.script_path
            ))
        })?;
    Ok(assemble(
        source,
        request.args,
        request.timeout,
        request.memory_limit,
    ))
}

fn assemble(
    source: String,
    args: Vec<String>,
    timeout: Option<Duration>,
    memory_limit: Option<usize>,
) -> ExecutionRequest {
    let limits = LimitOverrides {
        wall_ms: timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        memory_bytes: memory_limit.and_then(|bytes| u64::try_from(bytes).ok()),
        ..Default::default()
    };
    ExecutionRequest {
        source,
        args,
        limits,
        ..Default::default()
    }
}

fn with_call(
    code: &str,
    function: &str,
    args: &serde_json::Value,
    kwargs: &serde_json::Value,
) -> String {
    // Looked up by name, so that a name that is no identifier is a KeyError and never code.
    let function = literal(&serde_json::Value::String(function.to_owned()));
    format!(
        "{code}\n\nglobals()[{function}](*{}, **{})\n",
        literal(args),
        literal(kwargs)
    )
}

/// After the `__future__` imports, which must come first.
fn with_globals(code: &str, parameters: &serde_json::Value) -> String {
    let prelude = format!("globals().update({})\n", literal(parameters));
    let mut end = 0;
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        at += line.len();
        if line.starts_with("from __future__ import ") && line.ends_with('\n') {
            end = at;
        }
    }
    format!("{}{prelude}{}", &code[..end], &code[end..])
}

/// An expression that is the JSON value, on one line.
fn literal(value: &serde_json::Value) -> String {
    let text = value.to_string();
    // A JSON string is a Python string literal with the same meaning: both escape alike.
    format!(
        "__import__('json').loads({})",
        serde_json::Value::String(text)
    )
}

fn response(report: ExecutionReport) -> PythonResponse {
    let result = match &report.outcome {
        Outcome::Completed(value) => value
            .json
            .clone()
            .or_else(|| value.repr.clone().map(serde_json::Value::String)),
        _ => None,
    };
    let exceptions = match &report.outcome {
        Outcome::Raised(raised) => std::iter::once(raised)
            .chain(&raised.causes)
            .map(exception)
            .collect(),
        _ => Vec::new(),
    };
    PythonResponse {
        result,
        stdout: report.stdout.text().0,
        stderr: report.stderr.text().0,
        execution_time: report.usage.wall,
        memory_usage: usize::try_from(report.usage.memory_peak_bytes).unwrap_or(usize::MAX),
        return_code: report.outcome.return_code(),
        exceptions,
        outcome: report.outcome,
    }
}

fn exception(raised: &Exception) -> PythonException {
    PythonException {
        exception_type: raised.kind.clone(),
        message: raised.message.clone(),
        traceback: raised.traceback.clone(),
    }
}

/// Whether the server's environment is what `config` asks for.
pub(crate) fn validate(capabilities: &Capabilities, config: &PythonConfig) -> ValidationResult {
    let mut errors = Vec::new();
    let have = &capabilities.python_version;
    if let Some(wanted) = &config.python_version {
        let same = have == wanted
            || have
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.starts_with('.'));
        if !same {
            errors.push(format!("the server runs Python {have}, not {wanted}"));
        }
    }
    for wanted in &config.dependencies {
        let end = wanted
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .unwrap_or(wanted.len());
        let name = normal(&wanted[..end]);
        if !capabilities
            .packages
            .iter()
            .any(|package| normal(&package.name) == name)
        {
            errors.push(format!("the server's environment has no `{name}`"));
        }
    }
    ValidationResult {
        is_valid: errors.is_empty(),
        errors,
        ..Default::default()
    }
}

/// Source: PEP 503.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_comes_after_the_code_and_parameters_after_future_imports() {
        let source = with_call("def f(x): pass", "f", &json!([]), &json!({"x": "a'\"\n"}));
        assert!(
            source.starts_with(
                "def f(x): pass\n\nglobals()[__import__('json').loads(\"\\\"f\\\"\")]("
            ),
            "{source}"
        );
        assert_eq!(
            source.lines().count(),
            3,
            "no value may break a line: {source}"
        );
        let source = with_globals(
            "'''doc'''\nfrom __future__ import annotations\nx",
            &json!({"y": 1}),
        );
        let lines: Vec<_> = source.lines().collect();
        assert_eq!(
            (lines[1], lines[3]),
            ("from __future__ import annotations", "x")
        );
        assert!(lines[2].starts_with("globals().update("));
    }

    #[test]
    fn what_a_server_decides_itself_is_refused_not_ignored() {
        let strict = PythonRequest {
            security_level: SecurityLevel::Strict,
            ..Default::default()
        };
        assert!(code(strict).is_err());
        let other = PythonRequest {
            environment_id: Some("e".into()),
            ..Default::default()
        };
        assert!(code(other).is_err());
    }
}
