//! `hognose check`: findings where they stand, and nothing is built or started.

use std::fs;

use crate::support::Home;

#[test]
fn findings_are_shown_where_they_stand() {
    let home = Home::new();
    fs::write(
        home.path().join("s.py"),
        "import os\n\nos.system('ls')  # é\n",
    )
    .unwrap();
    let call = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = home.call(arguments, variables);
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = call(&["check", "s.py", "--policy", "standard"], &[]);
    assert_eq!(code, Some(126), "{said}");
    for part in [
        "error[blocked-function]: `os.system` is not allowed: it starts a shell",
        "s.py:3:1",
        "os.system('ls')",
        "^^^^^^^^^",
        "help: use a Python library instead of a program",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = call(&["check", "s.py"], &[]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let (code, said) = call(
        &["check", "s.py", "--json"],
        &[("HOGNOSE_POLICY", "strict")],
    );
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(126));
    assert_eq!(answer["policy"], "strict");
    assert_eq!(answer["findings"][0]["code"], "blocked-import");
    assert!(!home.path().join("state").exists(), "nothing was made");
}

#[test]
fn a_broken_script_shows_every_error() {
    let home = Home::new();
    fs::write(home.path().join("s.py"), "x = = 1\ny = [\nz = 1\n").unwrap();
    let output = home.call(&["check", "s.py"], &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(126), "{said}");
    assert!(said.matches("error[syntax-error]").count() >= 2, "{said}");
    fs::write(home.path().join("s.py"), "match x:\n  case 1: pass\n").unwrap();
    let output = home.call(&["check", "s.py", "--python-version", "3.9"], &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("error[unsupported-syntax]"), "{said}");
    fs::write(home.path().join("s.py"), b"x = '\xe9'\n").unwrap();
    let output = home.call(&["check", "s.py"], &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("error[encoding]") && said.contains("s.py:1:6"),
        "{said}"
    );
}

#[test]
fn no_script_steers_the_terminal() {
    let home = Home::new();
    let hostile = "x = = '\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}'\n";
    fs::write(home.path().join("s.py"), hostile).unwrap();
    let output = home.call(&["check", "s.py"], &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(126), "{said:?}");
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!said.contains(steers), "{said:?}");
}

#[test]
fn wrong_calls_are_refused_in_one_sentence() {
    let home = Home::new();
    fs::write(home.path().join("s.py"), "").unwrap();
    for (arguments, part) in [
        (
            &["check", "absent.py"][..],
            "cannot read the script `absent.py`",
        ),
        (
            &["check", "s.py", "--policy", "lax"],
            "`permissive`, `standard` or `strict`",
        ),
        (
            &["check", "s.py", "--python-version", "2.7"],
            "such as 3.11",
        ),
        (
            &["run", "s.py", "--policy", "lax"],
            "--policy: `lax` is no policy level",
        ),
        (&["serve", "--policy-floor", "lax"], "--policy-floor: `lax`"),
    ] {
        let said = home.refused(arguments, &[]);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
