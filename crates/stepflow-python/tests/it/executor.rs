//! What the seed's calls give on a real engine.

use serde_json::{Map, Value, json};
use stepflow_python::{
    EnvironmentId, ExecutionRequest, FunctionRequest, NotSerialisable, Outcome, PythonConfig,
    PythonExecutor, PythonRequest,
};

use crate::support::{bench, bench_with};

fn code(code: &str, function: Option<&str>, parameters: Value) -> PythonRequest {
    let parameters: Map<String, Value> = parameters.as_object().unwrap().clone();
    PythonRequest {
        code: code.into(),
        function_name: function.map(Into::into),
        parameters: parameters.into_iter().collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn parameters_are_globals_or_the_functions_keywords() {
    let bench = bench().await;
    let tricky = json!({"x": "a'\"\n\u{2028}中", "y": [1, 2.5, null, true]});
    for (source, function) in [
        ("[x, y]", None),
        (
            "'''doc'''\nfrom __future__ import annotations\nif x:\n  pass\n[x, y]",
            None,
        ),
        ("class A:\n  z = x\n[A.z, y]", None),
        ("def f(y, x): return [x, y]", Some("f")),
        (
            "open = json = globals\ndef f(**all): return [all['x'], all['y']]",
            Some("f"),
        ),
    ] {
        let response = bench
            .executor
            .execute_code(code(source, function, tricky.clone()))
            .await
            .unwrap();
        assert_eq!(
            response.result,
            Some(json!([tricky["x"], tricky["y"]])),
            "{source}: {response:?}"
        );
        assert_eq!(response.return_code, 0);
    }
    let listing = "import os; os.listdir('input')";
    let response = bench
        .executor
        .execute_code(code(listing, None, json!({})))
        .await
        .unwrap();
    assert_eq!(response.result, Some(json!([])));
}

#[tokio::test]
async fn user_lines_keep_their_numbers() {
    let bench = bench().await;
    for (source, function, line) in [
        ("if x:\n  1/0", None, 2),
        ("1/x.real if False else 1/0", None, 1),
        ("def f(x):\n  return 1/0", Some("f"), 2),
        ("\n\ny = x\n1/0", None, 4),
    ] {
        let response = bench
            .executor
            .execute_code(code(source, function, json!({"x": 1})))
            .await
            .unwrap();
        let Outcome::Raised(raised) = &response.outcome else {
            panic!("{response:?}")
        };
        assert_eq!(raised.frames.last().unwrap().line, line, "{source}");
        assert_eq!(response.exceptions[0].exception_type, "ZeroDivisionError");
        assert!(
            response.exceptions[0]
                .traceback
                .contains(&format!("line {line}, ")),
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_function_gets_arguments_and_keywords() {
    let bench = bench().await;
    let request = |name: &str| FunctionRequest {
        code: "def f(a, b, *, c): return a + b * c\nasync def later(a, b, c): return [a, b, c]"
            .into(),
        function_name: name.into(),
        args: vec![json!(1), json!(2)],
        kwargs: [("c".to_owned(), json!(3))].into(),
        ..Default::default()
    };
    let response = bench.executor.execute_function(request("f")).await.unwrap();
    assert_eq!(response.result, Some(json!(7)));
    let response = bench
        .executor
        .execute_function(request("later"))
        .await
        .unwrap();
    assert_eq!(response.result, Some(json!([1, 2, 3])));
    let missing = bench.executor.execute_function(request("g")).await.unwrap();
    let error = missing.clone().into_result().unwrap_err().to_string();
    assert_eq!(
        error,
        "Execution error: NameError: the program has no function `g`; it has `f`, `later`"
    );
    let told = &missing.exceptions[0].traceback;
    assert!(!told.contains("File"), "no line of ours is shown: {told}");
    for code in ["f(", "f()", "__import__", "f.__globals__", "class"] {
        let refused = bench.executor.execute_function(request(code)).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("names no function"), "{told}");
    }
}

#[tokio::test]
async fn a_named_function_of_code_is_awaited() {
    let bench = bench().await;
    let source = "import asyncio\nasync def f(x):\n  await asyncio.sleep(0.01)\n  return {'x': x}";
    let request = code(source, Some("f"), json!({"x": [1]}));
    let response = bench.executor.execute_code(request).await.unwrap();
    assert_eq!(response.result, Some(json!({"x": [1]})), "{response:?}");
}

#[tokio::test]
async fn a_result_is_json_or_says_why_it_is_not() {
    let bench = bench().await;
    let call = async |body: &str| {
        let request = FunctionRequest {
            code: format!("def f(): return {body}"),
            function_name: "f".into(),
            ..Default::default()
        };
        bench.executor.execute_function(request).await.unwrap()
    };
    let response = call("'{1, 2}'").await;
    assert_eq!(response.result, Some(json!("{1, 2}")));
    assert_eq!(response.not_serialisable, None);
    let response = call("{1, 2}").await;
    assert_eq!(response.result, None);
    assert_eq!(
        response.not_serialisable,
        Some(NotSerialisable {
            repr: Some("{1, 2}".into()),
            reason: "it has a value of the type `set`".into()
        })
    );
    assert!(response.into_result().is_ok(), "the program completed");
    let response = call("None").await;
    assert_eq!((response.result, response.not_serialisable), (None, None));
    let response = call("type('R', (), {'__repr__': lambda self: 1 / 0})()").await;
    let told = response.not_serialisable.unwrap();
    assert_eq!(told.repr, None);
    assert!(told.reason.contains("ZeroDivisionError"), "{told:?}");
}

#[tokio::test]
async fn every_end_of_a_program_has_its_error() {
    let bench = bench().await;
    let timeout = Some(std::time::Duration::from_millis(400));
    for (source, expected) in [
        ("1", "ok"),
        (
            "1/0",
            "Execution error: ZeroDivisionError: division by zero",
        ),
        (
            "import no_such_module",
            "Import error: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("while True: pass", "Timeout exceeded"),
        (
            "import sys; sys.exit(3)",
            "Execution error: the program exited with status 3",
        ),
        (
            "import os; os._exit(0)",
            "Execution error: the program's process ended without a report, with return code 0",
        ),
    ] {
        let request = PythonRequest {
            timeout,
            ..code(source, None, json!({}))
        };
        let result = bench
            .executor
            .execute_code(request)
            .await
            .unwrap()
            .into_result();
        assert_eq!(
            result.map_or_else(|error| error.to_string(), |_| "ok".into()),
            expected,
            "{source}"
        );
    }
    let response = bench
        .executor
        .execute_code(code("x = (", None, json!({"p": 1})))
        .await
        .unwrap();
    let error = response.into_result().unwrap_err().to_string();
    assert!(
        error.starts_with("Syntax error: SyntaxError: '(' was never closed"),
        "{error}"
    );
}

#[tokio::test]
async fn only_imports_choose_the_preload() {
    let bench = bench_with(&["numpy", "numpy/linalg", "numpy/random", "numpy/fft"]).await;
    let preload = async |source: &str| {
        let request = ExecutionRequest {
            source: source.into(),
            ..Default::default()
        };
        let execution = bench.executor.start(request).await.unwrap();
        execution.finish().await.unwrap().preload
    };
    assert_eq!(preload("'import numpy'  # import numpy").await, "bare");
    assert_eq!(preload("import json").await, "bare");
    let deep = format!("import numpy\nx = 1{}", "+1".repeat(20_000));
    assert_eq!(preload(&deep).await, "bare");
    assert_eq!(preload("if 0:\n  import numpy").await, "numpy");
    assert_eq!(preload("import numpy; numpy.__name__").await, "numpy");
    assert_eq!(
        preload("import pandas").await,
        "bare",
        "a module that is not there needs no preload"
    );
}

#[tokio::test]
async fn what_the_executor_cannot_give_is_refused() {
    let bench = bench().await;
    let other = PythonRequest {
        environment_id: Some(EnvironmentId::new()),
        ..Default::default()
    };
    let error = bench
        .executor
        .execute_code(other)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("Environment error: this executor has only its default environment"),
        "{error}"
    );
    let wanted = PythonConfig {
        dependencies: vec!["numpy".into()],
        ..Default::default()
    };
    assert!(
        !bench
            .executor
            .validate_environment(&wanted)
            .await
            .unwrap()
            .is_valid
    );
    let capabilities = bench.executor.capabilities();
    assert!(capabilities.python_version.starts_with("3.") && capabilities.max_concurrency == 4);
    assert_eq!(bench.executor.health().await, Ok(()));
}
