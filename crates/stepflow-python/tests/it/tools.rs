//! Tools from registration to calls that really run, kept in SQLite, and in PostgreSQL where it is.

use engine::{ExecutionReport, LimitOverrides, LimitPolicy, Outcome};
use stepflow_python::tools::Arguments;
use stepflow_python::{
    Database, ParserConfig, PythonExecutor, SecurityLevel, ToolError, ToolOrder, ToolService,
    ToolSettings, Tools,
};

use crate::records::{postgres, sqlite};
use crate::support::bench;

const SOURCE: &str = r#"
"""Sums and more."""
import asyncio


def add(a: int, b: int = 2, *rest: int) -> int:
    """Adds.

    Args:
        a: the first
    """
    print("adding")
    return a + b + sum(rest)


async def later(text: str) -> dict:
    await asyncio.sleep(0)
    return {"text": text}


def fails(): raise ValueError("no")
def odd(): return object()
def spends(): return list(range(10**9))
def _hidden(): return 1
"#;

fn tools(database: &Database, floor: SecurityLevel) -> Tools {
    Tools::new(database.clone(), floor, None, LimitPolicy::default())
}

fn order(name: &str, version: Option<&str>, source: &str) -> ToolOrder {
    ToolOrder {
        name: name.parse().unwrap(),
        version: version.map(|text| text.parse().unwrap()),
        description: None,
        source: source.into(),
        settings: ToolSettings::default(),
        replace: false,
    }
}

async fn kept_listed_and_removed(database: &Database) {
    let tools = tools(database, SecurityLevel::Permissive);
    let settings = ToolSettings {
        policy: SecurityLevel::Standard,
        environment: Some("0b7c1f3e".into()),
        packages: vec!["numpy<2".into()],
        limits: LimitOverrides {
            wall_ms: Some(5_000),
            ..LimitOverrides::default()
        },
    };
    let wish = ToolOrder {
        settings: settings.clone(),
        ..order("sums", Some("1.2"), SOURCE)
    };
    let added = tools.add(wish.clone()).await.unwrap();
    assert_eq!(added.description, "Sums and more.");
    let found = tools.find("sums").await.unwrap();
    assert_eq!((&found, found.source.as_str()), (&added, SOURCE));
    assert_eq!(found.settings, settings);
    let all = tools.list().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].functions, ["add", "later", "fails", "odd", "spends"]);
    // The same again changes nothing; another text needs a newer version, or a wish.
    assert_eq!(tools.add(wish.clone()).await.unwrap(), added);
    for version in [None, Some("1.2"), Some("1.1.9")] {
        let told = tools
            .add(order("sums", version, "def f(): pass"))
            .await
            .unwrap_err();
        assert!(
            matches!(&told, ToolError::Exists { version, .. } if version == "1.2.0"),
            "{told}"
        );
    }
    let newer = tools
        .add(order("sums", Some("1.10"), "def f(): pass"))
        .await
        .unwrap();
    assert_eq!(tools.find("sums").await.unwrap(), newer);
    let replacing = ToolOrder {
        replace: true,
        ..order("sums", None, "def g(): pass")
    };
    let replaced = tools.add(replacing).await.unwrap();
    assert_eq!(
        (replaced.version, replaced.functions[0].name.as_str()),
        (newer.version, "g")
    );
    assert_eq!(tools.list().await.unwrap().len(), 1);
    tools.remove("sums").await.unwrap();
    for name in ["sums", "", "no/such", "\u{0}", "é"] {
        assert!(
            matches!(tools.find(name).await, Err(ToolError::Unknown { .. })),
            "{name:?}"
        );
        assert!(
            matches!(tools.remove(name).await, Err(ToolError::Unknown { .. })),
            "{name:?}"
        );
    }
    assert_eq!(tools.list().await.unwrap(), []);
}

#[tokio::test]
async fn tools_are_kept_listed_and_removed_in_sqlite() {
    kept_listed_and_removed(&sqlite().await.database).await;
}

#[tokio::test]
async fn tools_are_kept_listed_and_removed_in_postgres() {
    if let Some(fresh) = postgres().await {
        kept_listed_and_removed(&fresh.database).await;
    }
}

#[tokio::test]
async fn two_that_register_one_name_at_once_do_not_both_win() {
    let fresh = sqlite().await;
    let tools = tools(&fresh.database, SecurityLevel::Permissive);
    let add = |source: &'static str| {
        let tools = tools.clone();
        tokio::spawn(async move { tools.add(order("one", None, source)).await })
    };
    let (first, second) = (add("def a(): pass"), add("def b(): pass"));
    let ended = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(
        ended.iter().filter(|one| one.is_ok()).count(),
        1,
        "{ended:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_a_tool_is_told_in_a_sentence() {
    let fresh = sqlite().await;
    let tools = tools(&fresh.database, SecurityLevel::Standard);
    let settings = |settings: ToolSettings| ToolOrder {
        settings,
        ..order("t", None, "def f(): pass")
    };
    let limits = LimitOverrides {
        wall_ms: Some(0),
        ..LimitOverrides::default()
    };
    for (wish, expected) in [
        (order("t", None, "def f(:"), "line 1: "),
        (order("t", None, "x = 1"), "no public function"),
        (order("t", None, "def _f(): pass"), "no public function"),
        (
            order("t", None, "import subprocess\ndef f(): pass"),
            "`subprocess`",
        ),
        (
            settings(ToolSettings {
                packages: vec!["a b".into()],
                ..ToolSettings::default()
            }),
            "`a b` is no requirement",
        ),
        (
            settings(ToolSettings {
                limits,
                ..ToolSettings::default()
            }),
            "limit `wall_ms` is 0",
        ),
        (
            ToolOrder {
                description: Some("x".repeat(20_000)),
                ..order("t", None, "def f(): pass")
            },
            "the description has more than",
        ),
        (
            order("t", None, &amplifying()),
            "but at most 4194304 are kept",
        ),
    ] {
        let told = tools.add(wish).await.unwrap_err().to_string();
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(tools.list().await.unwrap(), []);
}

/// Functions that need more than 4 MiB to be said: each `A` is one of 100 long texts.
fn amplifying() -> String {
    let choices: String = (0..100).map(|n| format!("'{n:0>380}', ")).collect();
    let parameters: String = (0..200).map(|n| format!("a{n}: A, ")).collect();
    let long = "y".repeat(600_000);
    format!(
        "from typing import Literal\nA = Literal[{choices}]\ndef f({parameters}): pass\ndef g():\n    '{long}'\n"
    )
}

#[tokio::test]
async fn all_tools_together_have_a_size() {
    let fresh = sqlite().await;
    let tools = tools(&fresh.database, SecurityLevel::Permissive);
    let source = |n: usize| format!("def f{n}(): pass\nx = '{}'\n", "x".repeat(1_000_000));
    let mut told = None;
    for n in 0..70 {
        match tools.add(order(&format!("t{n}"), None, &source(n))).await {
            Ok(_) => {}
            Err(error) => {
                told = Some((n, error.to_string()));
                break;
            }
        }
    }
    let (count, told) = told.expect("70 MB are too many");
    assert!(count > 60, "{count}");
    assert!(told.contains("all tools together"), "{told}");
    assert_eq!(tools.list().await.unwrap().len(), count);
    // One that is there is changed all the same: it is not counted twice.
    let newer = order("t1", Some("2"), &source(2));
    assert_eq!(tools.add(newer).await.unwrap().functions[0].name, "f2");
}

#[tokio::test]
async fn imports_that_do_not_pass_are_refused_when_a_tool_is_registered() {
    let fresh = sqlite().await;
    let parser = ParserConfig {
        blocked_imports: vec!["ctypes".into()],
        ..ParserConfig::default()
    };
    let tools = tools(&fresh.database, SecurityLevel::Permissive).with_parser(&parser);
    let told = tools.add(order("t", None, "import ctypes\ndef f(): pass"));
    let told = told.await.unwrap_err();
    assert!(matches!(told, ToolError::Rejected(_)), "{told}");
    let description = Some("a\0b".to_owned());
    let wish = ToolOrder {
        description,
        ..order("t", None, "import os\ndef f(): pass")
    };
    assert_eq!(tools.add(wish).await.unwrap().description, "a\u{fffd}b");
}

#[tokio::test]
async fn calls_run_like_any_execution() {
    let bench = bench().await;
    let fresh = sqlite().await;
    let tools = tools(&fresh.database, SecurityLevel::Permissive);
    let wish = ToolOrder {
        settings: ToolSettings {
            policy: SecurityLevel::Strict,
            limits: LimitOverrides {
                memory_bytes: Some(64 << 20),
                ..LimitOverrides::default()
            },
            ..ToolSettings::default()
        },
        ..order("sums", None, SOURCE)
    };
    tools.add(wish).await.unwrap();
    let tool = tools.find("sums").await.unwrap();
    let call = async |function: &str, arguments: &str| -> ExecutionReport {
        let arguments: Arguments = serde_json::from_str(arguments).unwrap();
        let request = tool.call(function, arguments).unwrap();
        let execution = bench.executor.start(request).await.unwrap();
        execution.finish().await.unwrap()
    };
    let json = |report: ExecutionReport| match report.outcome {
        Outcome::Completed(value) => value.json.unwrap(),
        other => unreachable!("{other:?}"),
    };
    let added = call("add", r#"{"a": 1}"#).await;
    assert_eq!(added.stdout.text().0, "adding\n");
    assert_eq!(json(added), 3);
    assert_eq!(
        json(call("add", r#"{"a": 1, "b": 5, "rest": [10, 100]}"#).await),
        116
    );
    assert_eq!(json(call("later", r#"{"text": "é"}"#).await)["text"], "é");
    // Past what a float or 64 bits can hold, no digit is lost.
    let huge = call("add", r#"{"a": 123456789012345678901234567890, "b": 1}"#).await;
    let Outcome::Completed(value) = huge.outcome else {
        unreachable!("{:?}", huge.outcome)
    };
    assert_eq!(
        value.repr.as_deref(),
        Some("123456789012345678901234567891")
    );
    let raised = call("fails", "{}").await.outcome;
    assert!(
        matches!(&raised, Outcome::Raised(told) if told.message == "no"),
        "{raised:?}"
    );
    let odd = call("odd", "{}").await.outcome;
    assert!(
        matches!(&odd, Outcome::Completed(value) if value.json.is_none()),
        "{odd:?}"
    );
    // The limit that was registered, not the default of 512 MiB.
    let spent = call("spends", "{}").await;
    assert_eq!(spent.limits.memory_bytes, 64 << 20);
    assert!(
        !matches!(spent.outcome, Outcome::Completed(_)),
        "{:?}",
        spent.outcome
    );
    for (function, arguments, expected) in [
        (
            "add",
            r#"{"a": "x"}"#,
            "the argument `a` must be a whole number, not the string \"x\"",
        ),
        (
            "_hidden",
            "{}",
            "the tool `sums` has no public function `_hidden`; it has `add`, `later`, `fails`, `odd`, `spends`",
        ),
        ("print", "{}", "has no public function `print`"),
    ] {
        let arguments: Arguments = serde_json::from_str(arguments).unwrap();
        let told = tool.call(function, arguments).unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
    }
}
