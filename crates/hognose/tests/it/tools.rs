//! `hognose tool` on the records of a state folder, and who runs a call. What a call does is tested in the
//! library.

use std::fs;

use serde_json::Value;

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
