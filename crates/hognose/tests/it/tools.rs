//! `hognose tool` on the records of a state folder, without a server. Calls are tested in the library.

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
