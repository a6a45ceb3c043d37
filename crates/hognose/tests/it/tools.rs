//! `hognose tool` on a state folder, by itself and beside a running server.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::served::{Server, history, hognose, ids, state};
use crate::support::Home;

#[test]
fn tools_are_registered_listed_shown_and_removed() {
    let home = Home::new();
    let source = "\"\"\"Sums.\"\"\"\ndef add(a: int, b: int = 2) -> int:\n    'Adds.'\n";
    fs::write(home.path().join("sums.py"), source).unwrap();
    let told = |arguments: &[&str]| {
        let output = home.call(arguments, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let added = told(&["tool", "add", "sums", "sums.py", "--limit", "wall_ms=5s"]);
    assert_eq!(added, "sums 1.0.0  add\n");
    assert_eq!(told(&["tool", "list"]), added);
    let shown: Value = serde_json::from_str(&told(&["tool", "show", "sums", "--json"])).unwrap();
    assert_eq!(shown["limits"]["wall_ms"], 5000);
    assert_eq!(shown["functions"][0]["parameters"]["required"][0], "a");
    let text = told(&["tool", "show", "sums"]);
    for part in [
        "sums 1.0.0\nSums.\n",
        "\nadd\n  Adds.\n",
        "required [\"a\"]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    fs::write(home.path().join("sums.py"), "def sub(): pass").unwrap();
    let refused = home.refused(&["tool", "add", "sums", "sums.py"], &[]);
    assert!(refused.contains("is there in version 1.0.0"), "{refused}");
    let newer = ["tool", "add", "sums", "sums.py", "--version", "1.1"];
    assert_eq!(told(&newer), "sums 1.1.0  sub\n");
    let older = [
        "tool",
        "add",
        "sums",
        "sums.py",
        "--version",
        "1.0",
        "--replace",
    ];
    assert_eq!(told(&older), "sums 1.0.0  sub\n");
    for (arguments, part) in [
        (
            &["tool", "call", "sums", "nope"][..],
            "no public function `nope`; it has `sub`",
        ),
        (
            &["tool", "call", "sums", "sub", "{\"x\": 1}"],
            "`sub` takes no argument `x`",
        ),
        (&["tool", "call", "sums", "sub", "[1]"], "one JSON object"),
        (&["tool", "show", "none"], "there is no tool `none`"),
        (&["tool", "add", "a/b", "sums.py"], "is no name of a tool"),
        (
            &["tool", "add", "x", "sums.py", "--version", "v1"],
            "is no version",
        ),
    ] {
        let said = home.refused(arguments, &[]);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    let off = home.refused(&["tool", "list"], &[("HOGNOSE_RECORDS", "off")]);
    assert!(off.contains("`off`"), "{off}");
    assert_eq!(told(&["tool", "remove", "sums"]), "");
    assert_eq!(told(&["tool", "list", "--json"]), "[]\n");
}

/// What only an engine of our own can promise is not asked of the server.
#[test]
fn a_call_is_the_servers_unless_its_interpreter_or_tier_is_chosen() {
    let home = Home::with_environments();
    let server = home.serve();
    fs::write(home.path().join("one.py"), "def one(): return 1").unwrap();
    let added = home.call(&["tool", "add", "one", "one.py"], &[]);
    assert!(added.status.success());
    let recorded = || {
        let listed = home.call(&["history", "--json"], &[]);
        let page: Value = serde_json::from_slice(&listed.stdout).unwrap();
        page["executions"].as_array().unwrap().len()
    };
    let call = |flags: &[&str]| {
        let arguments = [&["tool", "call", "one", "one", "--json"], flags].concat();
        let output = home.call(&arguments, &[]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), report)
    };
    let (code, report) = call(&[]);
    assert_eq!((code, &report["value"]["json"]), (Some(0), &1.into()));
    assert_eq!(recorded(), 1);
    let python = home.python();
    let (code, report) = call(&["--python", &python]);
    assert_eq!((code, &report["value"]["json"]), (Some(0), &1.into()));
    assert_eq!(recorded(), 1, "the server was not asked");
    let (code, full) = call(&["--min-tier", "full"]);
    if report["isolation"]["tier"] == "full" {
        assert_eq!((code, recorded()), (Some(0), 2), "{full}");
    } else {
        assert_eq!((code, recorded()), (Some(125), 1), "{full}");
    }
    server.stop();
}

const SUMS: &str = "
def add(a: int, b: int = 2):
    print('adding')
    return {'sum': a + b}


def fails():
    raise ValueError('no')
";

/// `hognose tool` on a state folder.
fn tool(state: &Path, arguments: &[&str]) -> Output {
    let mut command = hognose();
    command.arg("tool").args(arguments).arg("--state-dir");
    command.arg(state).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Registers `sums`, and calls it well, with a wrong argument, and where it raises.
fn calls_are_told_by_exit_code_and_streams(state: &Path) {
    let file = state.join("sums.py");
    fs::write(&file, SUMS).unwrap();
    let added = tool(state, &["add", "sums", file.to_str().unwrap()]);
    assert_eq!(text(&added.stdout), "sums 1.0.0  add, fails\n", "{added:?}");

    let called = tool(state, &["call", "sums", "add", r#"{"a": 1}"#, "--json"]);
    assert_eq!(called.status.code(), Some(0), "{called:?}");
    let answer: Value = serde_json::from_slice(&called.stdout).unwrap();
    assert_eq!(answer["value"]["json"], json!({"sum": 3}));
    assert_eq!(answer["stdout"], "adding\n");
    let shown = tool(state, &["call", "sums", "add", r#"{"a": 1, "b": 40}"#]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert_eq!(text(&shown.stdout), "adding\n");
    assert!(text(&shown.stderr).contains("=> {'sum': 41}"), "{shown:?}");

    for (arguments, told) in [
        (
            &["add", r#"{"a": "x"}"#][..],
            "the argument `a` must be a whole number, not the string \"x\"",
        ),
        (&["add"], "`add` needs the argument `a`"),
        (
            &["print", "{}"],
            "the tool `sums` has no public function `print`; it has `add`, `fails`",
        ),
    ] {
        let refused = tool(state, &[&["call", "sums"], arguments].concat());
        assert_eq!(refused.status.code(), Some(125), "{refused:?}");
        assert_eq!(refused.stdout, b"");
        assert_eq!(text(&refused.stderr), format!("error: {told}\n"));
    }

    let raised = tool(state, &["call", "sums", "fails", "--json"]);
    assert_eq!(raised.status.code(), Some(1), "{raised:?}");
    let answer: Value = serde_json::from_slice(&raised.stdout).unwrap();
    assert_eq!(answer["outcome"]["kind"], "raised");
    assert_eq!(answer["exception"]["message"], "no");
    assert_eq!(answer["value"], Value::Null);
}

#[test]
fn a_call_has_an_engine_of_its_own_where_no_server_runs() {
    let state = state();
    calls_are_told_by_exit_code_and_streams(state.path());
    let recorded = history(state.path(), &[]);
    assert!(ids(&recorded).is_empty(), "nobody records them: {recorded}");
}

#[test]
fn a_running_server_answers_calls_and_records_whose_they_are() {
    let state = state();
    let server = Server::start(state.path());
    calls_are_told_by_exit_code_and_streams(state.path());
    let other = server.execute("1");
    crate::served::answer(other);
    let calls = history(state.path(), &["--tool", "sums"]);
    assert_eq!(ids(&calls).len(), 3, "{calls}");
    let shown = server.get("/v1/tools/sums");
    for call in calls["executions"].as_array().unwrap() {
        assert_eq!(
            (&call["tool"], &call["tool_id"]),
            (&"sums".into(), &shown["id"])
        );
    }
    let by_id = history(state.path(), &["--tool", shown["id"].as_str().unwrap()]);
    assert_eq!(by_id, calls);
    assert_eq!(server.ids("").len(), 4);

    let removed = tool(state.path(), &["remove", "sums"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert!(server.ids("tool=sums").is_empty());
    assert_eq!(server.ids("").len(), 4, "its calls stay");
}

#[test]
fn a_tool_wants_no_environment_that_is_not_there() {
    let home = Home::with_environments();
    fs::write(home.path().join("f.py"), "def f(): pass").unwrap();
    let server = home.serve();
    let said = home.refused(
        &["tool", "add", "f", "f.py", "--environment", "0123456789ab"],
        &[],
    );
    assert!(said.contains("0123456789ab"), "{said}");
    assert!(
        home.call(&["tool", "add", "f", "f.py"], &[])
            .status
            .success()
    );
    server.stop();
}
