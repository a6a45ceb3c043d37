//! What the policy ends before it starts, and what its settings ask of the kernel.

use std::time::Duration;

use serde_json::json;
use stepflow_python::security::{PythonSecurity, PythonSecurityImpl, SecuritySettings, Watch};
use stepflow_python::{
    ExecutionReport, ExecutionRequest, FunctionRequest, Limit, LimitError, Outcome, PythonExecutor,
    PythonRequest, SecurityLevel,
};

use crate::support::{Bench, bench};

async fn start(bench: &Bench, source: &str, policy: SecurityLevel) -> ExecutionReport {
    let request = ExecutionRequest {
        source: source.into(),
        policy,
        ..Default::default()
    };
    let execution = bench.executor.start(request).await.unwrap();
    execution.finish().await.unwrap()
}

fn codes(report: &ExecutionReport) -> String {
    match &report.outcome {
        Outcome::Rejected(findings) => {
            let codes = findings.iter().map(|finding| finding.code.as_str());
            codes.collect::<Vec<_>>().join(" ")
        }
        other => other.kind().to_owned(),
    }
}

#[tokio::test]
async fn a_refused_source_never_starts() {
    use SecurityLevel::{Permissive, Standard, Strict};
    let bench = bench().await;
    for (source, level, expected) in [
        ("import os", Permissive, "completed"),
        ("import os", Standard, "completed"),
        ("import os", Strict, "blocked-import"),
        ("import subprocess", Standard, "blocked-import"),
        ("eval('1')", Standard, "blocked-function"),
        ("import math\nmath.cos(0)", Strict, "completed"),
        ("x = = 1", Permissive, "raised"),
        ("x = = 1", Strict, "syntax-error"),
    ] {
        let report = start(&bench, source, level).await;
        assert_eq!(codes(&report), expected, "{source} at {level:?}");
        let rejected = matches!(report.outcome, Outcome::Rejected(_));
        assert_eq!(report.outcome.return_code() == 126, rejected, "{source}");
        assert_eq!(report.exit.is_none(), rejected, "{source}");
    }
}

#[tokio::test]
async fn the_version_of_the_environment_decides_what_is_syntax() {
    let bench = bench().await;
    let version = bench.executor.capabilities().python_version;
    let minor: u8 = version.split('.').nth(1).unwrap().parse().unwrap();
    let judged = bench
        .executor
        .validate("lazy import json", SecurityLevel::Permissive)
        .await
        .unwrap();
    assert_eq!(judged.findings.is_empty(), minor >= 15);
    assert!(
        judged
            .findings
            .iter()
            .all(|finding| finding.code == "unsupported-syntax")
    );
}

#[tokio::test]
async fn an_operators_floor_binds_every_request() {
    let mut bench = bench().await;
    bench.executor = bench.executor.with_floor(SecurityLevel::Strict);
    let report = start(&bench, "open('x')", SecurityLevel::Permissive).await;
    assert_eq!(codes(&report), "blocked-function");
    let judged = bench
        .executor
        .validate("open('x')", SecurityLevel::Standard)
        .await
        .unwrap();
    assert_eq!(
        (judged.level, judged.findings.len()),
        (SecurityLevel::Strict, 1)
    );
    let function = |code: &str| FunctionRequest {
        code: code.into(),
        function_name: "f".into(),
        args: vec![json!(20)],
        ..Default::default()
    };
    // What hands the arguments over is ours, and not judged.
    let response = bench
        .executor
        .execute_function(function("def f(x): return x + 1"))
        .await
        .unwrap();
    assert_eq!(response.result, Some(json!(21)));
    let response = bench
        .executor
        .execute_function(function("def f(x): return open(x)"))
        .await
        .unwrap();
    let error = response.into_result().unwrap_err().to_string();
    assert!(
        error.starts_with("Security violation: `open` is not allowed"),
        "{error}"
    );
}

#[tokio::test]
async fn parameters_pass_at_every_level() {
    let bench = bench().await;
    for security_level in SecurityLevel::ALL {
        let request = PythonRequest {
            code: "x + 1".into(),
            parameters: [("x".to_owned(), json!(1))].into(),
            security_level,
            ..Default::default()
        };
        let response = bench.executor.execute_code(request).await.unwrap();
        assert_eq!(response.result, Some(json!(2)), "{security_level:?}");
    }
}

#[tokio::test]
async fn what_became_of_an_execution_is_known_afterwards() {
    let bench = bench().await;
    let security =
        PythonSecurityImpl::new(SecuritySettings::default(), bench.executor.watch()).unwrap();
    let request = ExecutionRequest {
        source: "x = b'1' * (1 << 30)".into(),
        limits: stepflow_python::LimitOverrides {
            wall_ms: Some(5_000),
            ..Default::default()
        },
        ..Default::default()
    };
    let execution = bench.executor.start(request).await.unwrap();
    let id = execution.id();
    assert!(
        security.monitor_execution(&id).await.is_err(),
        "it has not ended"
    );
    let report = execution.finish().await.unwrap();
    let status = security.monitor_execution(&id).await.unwrap();
    assert_eq!(
        (status.execution_id, status.outcome.as_str()),
        (id, report.outcome.kind())
    );
    assert_eq!(
        (status.usage, status.limits, status.tier.as_str()),
        (report.usage, report.limits, report.tier)
    );
    if let Outcome::LimitExceeded(limit) = report.outcome {
        assert_eq!(
            (limit, status.exceeded),
            (Limit::Memory, Some(Limit::Memory))
        );
    }
}

/// A program under the limits that settings ask for.
async fn under(bench: &Bench, settings: &SecuritySettings, source: &str) -> ExecutionReport {
    let request = ExecutionRequest {
        source: source.into(),
        limits: settings.limits(),
        ..Default::default()
    };
    bench
        .executor
        .start(request)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap()
}

#[tokio::test]
async fn settings_tighten_what_the_kernel_enforces() {
    let bench = bench().await;
    let settings = SecuritySettings::default;
    let short = SecuritySettings {
        max_execution_time: Duration::from_millis(300),
        ..settings()
    };
    let report = under(&bench, &short, "while True: pass").await;
    assert_eq!(report.outcome, Outcome::LimitExceeded(Limit::Wall));
    let small = SecuritySettings {
        max_memory_usage: 64 << 20,
        ..settings()
    };
    let report = under(&bench, &small, "x = b'1' * (200 << 20)").await;
    assert_ne!(report.outcome.kind(), "completed");
    assert_eq!(report.limits.memory_bytes, 64 << 20);
    let no_files = SecuritySettings {
        enable_file_access: false,
        ..settings()
    };
    let report = under(
        &bench,
        &no_files,
        "open('/tmp/x', 'wb').write(b'1' * 1_000_000)",
    )
    .await;
    assert_ne!(report.outcome.kind(), "completed");
    let no_calls = SecuritySettings {
        enable_system_calls: false,
        ..settings()
    };
    let report = under(&bench, &no_calls, "import os; os.fork()").await;
    assert_ne!(report.outcome.kind(), "completed");
    let report = under(&bench, &no_calls, "print(1)").await;
    assert_eq!(report.outcome.kind(), "completed");
}

#[tokio::test]
async fn code_imports_and_functions_are_judged_alike() {
    let settings = SecuritySettings {
        blocked_modules: vec!["json".into()],
        blocked_functions: vec!["eval".into()],
        ..Default::default()
    };
    let security = PythonSecurityImpl::new(settings, Watch::default()).unwrap();
    let code =
        "import json\n\nclass A:\n    @staticmethod\n    def m():\n        return eval('1')\n";
    let result = security.validate_code(code).await.unwrap();
    assert_eq!(
        result.errors,
        [
            "line 1, column 8: the module `json` is not allowed: it is among the blocked modules: `json`",
            "line 6, column 16: `eval` is not allowed: it is among the blocked functions: `eval`",
        ]
    );
    use stepflow_python::parser::PythonParser;
    let module = stepflow_python::PythonParserImpl::default()
        .parse_code(code)
        .await
        .unwrap();
    let result = security.check_imports(&module.imports).await.unwrap();
    assert_eq!(
        (result.findings.len(), result.findings[0].span.line),
        (1, 1)
    );
    let result = security
        .check_functions(&module.classes[0].methods)
        .await
        .unwrap();
    assert_eq!(result.findings.len(), 1, "{result:?}");
    assert_eq!(
        (
            result.findings[0].span.line,
            result.findings[0].excerpt.as_str()
        ),
        (6, "eval")
    );
    assert!(!result.is_valid);
}

#[test]
fn a_network_is_refused_in_one_sentence() {
    let settings = SecuritySettings {
        enable_network_access: true,
        ..Default::default()
    };
    let error = PythonSecurityImpl::new(settings, Watch::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "Security violation: no program has a network: set `enable_network_access` to false"
    );
}

#[tokio::test]
async fn a_request_that_cannot_run_is_no_finding() {
    let bench = bench().await;
    let request = |source: &str, wall_ms| ExecutionRequest {
        source: source.into(),
        policy: SecurityLevel::Strict,
        limits: stepflow_python::LimitOverrides {
            wall_ms: Some(wall_ms),
            ..Default::default()
        },
        ..Default::default()
    };
    let error = bench
        .executor
        .start(request("import os", 0))
        .await
        .unwrap_err();
    let _: LimitError = match error {
        stepflow_python::ExecutionError::Limit(error) => error,
        other => panic!("{other}"),
    };
    let long = "x\n".repeat(2 << 20);
    let error = bench
        .executor
        .start(request(&long, 1000))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "source_too_long");
}
