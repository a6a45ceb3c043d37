//! The seed's requests as execution requests.
//!
//! The user's code stays the source and keeps its line numbers: a call comes after it, and what
//! sets parameters as globals shares a line with it. The parameters travel as an input file, so
//! that our part of the source stays short and no value is ever code.

use std::time::Duration;

use engine::{EnvironmentChoice, ExecutionRequest, InputFile, LimitOverrides};
use serde_json::{Map, Value, json};

use super::{FunctionRequest, PythonRequest, ScriptRequest};
use crate::errors::PythonError;
use crate::parser;

/// Hidden, so that a program that lists its inputs finds its own.
const PARAMETERS_FILE: &str = ".parameters.json";

/// Reads the parameters; through modules, since a program may have an `open` of its own.
macro_rules! parameters {
    () => {
        "__import__('json').load(__import__('io').open('/code/input/.parameters.json', 'rb'))"
    };
}

/// The execution of `execute_code`: parameters are globals, or the keywords of the named function.
///
/// Without a function and with a source too deep to be analysed, one line of ours comes first.
pub async fn of_code(request: PythonRequest) -> ExecutionRequest {
    let keywords: Map<String, Value> = request.parameters.into_iter().collect();
    let (source, files) = match request.function_name {
        Some(function) => with_call(&request.code, &function, Vec::new(), keywords),
        None if keywords.is_empty() => (request.code, Vec::new()),
        None => (
            with_globals(&request.code).await,
            vec![file(Vec::new(), keywords)],
        ),
    };
    let assembled = assemble(
        source,
        files,
        Vec::new(),
        request.timeout,
        request.memory_limit,
    );
    ExecutionRequest {
        environment: request.environment_id.map_or_else(Default::default, |id| {
            EnvironmentChoice::Asked {
                name: Some(id.to_string()),
                packages: Vec::new(),
            }
        }),
        ..assembled
    }
}

/// The execution of `execute_function`: the code, then the call.
#[must_use]
pub fn of_function(request: FunctionRequest) -> ExecutionRequest {
    let keywords = request.kwargs.into_iter().collect();
    let (source, files) = with_call(
        &request.code,
        &request.function_name,
        request.args,
        keywords,
    );
    assemble(
        source,
        files,
        Vec::new(),
        request.timeout,
        request.memory_limit,
    )
}

/// The execution of `execute_script`. The file is read here: a guest sees no file of the host.
///
/// Errors: a script that cannot be read as UTF-8.
pub async fn of_script(request: ScriptRequest) -> Result<ExecutionRequest, PythonError> {
    let path = request.script_path;
    let source = tokio::fs::read_to_string(&path).await.map_err(|error| {
        PythonError::ExecutionError(format!("cannot read the script `{path}`: {error}"))
    })?;
    Ok(assemble(
        source,
        Vec::new(),
        request.args,
        request.timeout,
        request.memory_limit,
    ))
}

fn assemble(
    source: String,
    files: Vec<InputFile>,
    args: Vec<String>,
    timeout: Option<Duration>,
    memory_limit: Option<usize>,
) -> ExecutionRequest {
    let limits = LimitOverrides {
        wall_ms: timeout.map(engine::limits::millis),
        memory_bytes: memory_limit.and_then(|bytes| u64::try_from(bytes).ok()),
        ..Default::default()
    };
    ExecutionRequest {
        source,
        files,
        args,
        limits,
        ..Default::default()
    }
}

fn file(args: Vec<Value>, keywords: Map<String, Value>) -> InputFile {
    let content = json!({"args": args, "kwargs": keywords}).to_string();
    InputFile {
        name: PARAMETERS_FILE.into(),
        content: content.into(),
    }
}

fn with_call(
    code: &str,
    function: &str,
    args: Vec<Value>,
    keywords: Map<String, Value>,
) -> (String, Vec<InputFile>) {
    // Looked up by name, so that a name that is no identifier is a KeyError and never code.
    // A JSON string is a Python string literal with the same meaning: both escape alike.
    let name = Value::String(function.to_owned());
    let has_args = !args.is_empty();
    let has_keywords = !keywords.is_empty();
    let values = match (has_args, has_keywords) {
        (false, false) => return (format!("{code}\n\nglobals()[{name}]()\n"), Vec::new()),
        (true, false) => concat!("*", parameters!(), "['args']"),
        (false, true) => concat!("**", parameters!(), "['kwargs']"),
        (true, true) => concat!(
            "*",
            parameters!(),
            "['args'], **",
            parameters!(),
            "['kwargs']"
        ),
    };
    (
        format!("{code}\n\nglobals()[{name}]({values})\n"),
        vec![file(args, keywords)],
    )
}

async fn with_globals(code: &str) -> String {
    let prelude = concat!("globals().update(", parameters!(), "['kwargs'])");
    match parser::with_prelude(code, prelude).await {
        Some(source) => source,
        None => after_future_imports(code, prelude),
    }
}

fn after_future_imports(code: &str, prelude: &str) -> String {
    let mut end = 0;
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        at += line.len();
        if line.starts_with("from __future__ import ") && line.ends_with('\n') {
            end = at;
        }
    }
    format!("{}{prelude}\n{}", &code[..end], &code[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: &str, function: Option<&str>, parameters: Value) -> PythonRequest {
        let parameters = parameters
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .collect();
        PythonRequest {
            code: code.into(),
            function_name: function.map(Into::into),
            parameters,
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_call_comes_after_the_code_and_no_value_is_code() {
        let request = of_code(code("def f(x): pass", Some("f\"]"), json!({"x": "a'\"\n"}))).await;
        let lines: Vec<_> = request.source.lines().collect();
        assert_eq!(lines[0], "def f(x): pass");
        assert!(
            lines[2].starts_with(r#"globals()["f\"]"](**__import__('json')"#),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 3);
        assert!(lines[2].contains(&format!("'/code/input/{PARAMETERS_FILE}'")));
        assert_eq!(
            request.files[0].content,
            r#"{"args":[],"kwargs":{"x":"a'\"\n"}}"#
        );
    }

    #[tokio::test]
    async fn globals_cost_no_line_and_no_parameters_cost_nothing() {
        let request = of_code(code("'''doc'''\n1/x", None, json!({"x": 0}))).await;
        let lines: Vec<_> = request.source.lines().collect();
        assert!(
            lines.len() == 2
                && lines[1].starts_with("globals().update(")
                && lines[1].ends_with("; 1/x")
        );
        let request = of_code(code("print(1)", None, json!({}))).await;
        assert!(request.source == "print(1)" && request.files.is_empty());
    }

    #[tokio::test]
    async fn a_source_too_deep_to_analyse_gets_its_globals_on_a_line_of_their_own() {
        let deep = format!(
            "from __future__ import annotations\n1{}",
            "+1".repeat(50_000)
        );
        let request = of_code(code(&deep, None, json!({"x": 0}))).await;
        let lines: Vec<_> = request.source.lines().collect();
        assert!(lines.len() == 3 && lines[1].starts_with("globals().update("));
    }

    #[tokio::test]
    async fn a_missing_script_is_named() {
        let request = ScriptRequest {
            script_path: "no/such.py".into(),
            ..Default::default()
        };
        let error = of_script(request).await.unwrap_err().to_string();
        assert!(
            error.starts_with("Execution error: cannot read the script `no/such.py`"),
            "{error}"
        );
    }
}
