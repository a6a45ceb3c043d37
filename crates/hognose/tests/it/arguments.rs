//! What is wrong with a call is told in one sentence, before anything is built or started.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::support::Home;

#[test]
fn wrong_arguments_are_one_sentence_that_names_them() {
    let home = Home::new();
    fs::write(home.path().join("s.py"), "print(1)").unwrap();
    fs::write(home.path().join("latin.py"), b"# \xe9").unwrap();
    for (arguments, part) in [
        (&[][..], "subcommand"),
        (&["fly"], "fly"),
        (&["run"], "<FILE|FOLDER>"),
        (&["run", "s.py", "--limt", "x"], "--limit"),
        (&["run", "s.py", "--limt", "x"], "see `hognose run --help`"),
        (&["tool"], "requires a subcommand"),
        (&["env"], "requires a subcommand"),
        (
            &["history", "--limit", "0"],
            "--limit: use a whole number from 1 to 1000",
        ),
        (
            &["history", "--records", "absent.sqlite"],
            "no records at `absent.sqlite`",
        ),
        (&["run", "absent.py"], "cannot read the script `absent.py`"),
        (&["run", "latin.py"], "not UTF-8"),
        (&["run", "-", "--stdin"], "both the script and its input"),
        (
            &["run", "s.py", "--limit", "wall=5s"],
            "use one of wall_ms, cpu_ms",
        ),
        (&["run", "s.py", "--limit", "wall_ms=1h"], "milliseconds"),
        (&["run", "s.py", "--file", "a.csv"], "NAME=PATH"),
        (&["run", "s.py", "--file", "a//b=s.py"], "plain name"),
        (
            &["run", "s.py", "--min-tier", "rotless"],
            "`full`, `rootless` or `nested`",
        ),
        (&["serve", "--listen", "nowhere"], "HOST:PORT"),
        (&["serve", "--slots", "0"], "from 1 to 200"),
        (&["serve", "--api-key", "two words"], "visible ASCII"),
        (&["serve", "--listen", "0.0.0.0:0"], "--api-key"),
        (
            &["serve", "--listen", "0.0.0.0:0", "--keyless"],
            "--api-key",
        ),
        (
            &["serve", "--keyless", "--api-key", "k"],
            "cannot be used with",
        ),
        (&["env", "show"], "no environment yet"),
        (&["stats"], "no server runs on this state folder"),
        (&["env", "show", "abc"], "`abc`"),
    ] {
        let said = home.refused(arguments, &[]);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert!(!home.path().join("state").exists(), "nothing was made");
}

#[test]
fn wrong_settings_are_refused_naming_where_they_stood() {
    let home = Home::new();
    let said = home.refused(&["serve"], &[("HOGNOSE_SLOTS", "many")]);
    assert!(said.contains("HOGNOSE_SLOTS is `many`"), "{said}");
    let said = home.refused(&["env", "list"], &[("HOGNOSE_SLOT", "4")]);
    assert!(said.contains("the nearest is HOGNOSE_SLOTS"), "{said}");
    let said = home.refused(&["serve", "--keyless"], &[("HOGNOSE_API_KEY", "k")]);
    assert!(said.contains("HOGNOSE_API_KEY is one"), "{said}");
    fs::write(home.path().join(".env"), "# ours\nHOGNOSE_LISTEN here\n").unwrap();
    let said = home.refused(&["serve"], &[]);
    assert!(said.contains("line 2 of .env"), "{said}");
    fs::write(home.path().join(".env"), "HOGNOSE_LISTEN=here\n").unwrap();
    let said = home.refused(&["serve"], &[]);
    assert!(said.contains("HOGNOSE_LISTEN in .env is `here`"), "{said}");
    let said = home.refused(&["serve", "--listen", "there"], &[]);
    assert!(said.contains("--listen is `there`"), "{said}");
}

#[test]
fn the_dotenv_of_a_folder_does_not_choose_what_runs_outside_of_the_sandbox() {
    let home = Home::new();
    let evil = home.path().join("evil");
    fs::write(&evil, "#!/bin/sh\ntouch ran\n").unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(home.path().join("s.py"), "print(1)").unwrap();
    for name in [
        "HOGNOSE_PYTHON",
        "STEPFLOW_PYTHON_INTERPRETER_PATH",
        "HOGNOSE_CONDA",
    ] {
        fs::write(home.path().join(".env"), format!("{name}=./evil\n")).unwrap();
        for arguments in [&["run", "s.py"][..], &["doctor"], &["env", "build"]] {
            let said = home.refused(arguments, &[]);
            assert!(said.contains(&format!("{name} in .env decides")), "{said}");
        }
    }
    assert!(!home.path().join("ran").exists());
    fs::write(home.path().join(".env"), "HOGNOSE_STATE_DIR=own\n").unwrap();
    let told = home.call(&["history", "--state-dir", "own"], &[]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
}

#[test]
fn no_command_that_runs_programs_does_without_a_sandbox() {
    let home = Home::new();
    fs::write(home.path().join("s.py"), "def f(): pass").unwrap();
    let added = home.call(&["tool", "add", "kept", "s.py"], &[]);
    assert!(added.status.success());
    for (variable, value) in [
        ("STEPFLOW_PYTHON_ENABLE_SANDBOXING", "false"),
        ("HOGNOSE_SANDBOXING", "0"),
    ] {
        for arguments in [
            &["run", "s.py"][..],
            &["run", "-m", "this"],
            &["serve"],
            &["tool", "call", "kept", "f"],
        ] {
            let said = home.refused(arguments, &[(variable, value)]);
            assert!(said.contains("nothing runs outside a sandbox"), "{said}");
        }
    }
}

#[test]
fn settings_are_text_and_other_variables_are_nobodys_business() {
    let home = Home::new();
    let call = |name: &str| {
        let mut command = home.command(&["env", "list"], &[]);
        let latin = OsStr::from_bytes(b"caf\xe9");
        command.env(name, latin).output().unwrap()
    };
    for name in [
        "HOGNOSE_PYTHON",
        "STEPFLOW_PYTHON_INTERPRETER_PATH",
        "STEPFLOW_PYTHON_VERSION",
        "STEPFLOW_PYTHON_NO_SUCH_SETTING",
    ] {
        let output = call(name);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{name}: {said}");
        assert_eq!(said, format!("error: {name} must be UTF-8 text\n"));
    }
    assert!(call("SOMETHING_ELSE").status.success());
}

#[test]
fn a_script_cannot_name_files_outside_its_folder() {
    let home = Home::new();
    fs::create_dir(home.path().join("inner")).unwrap();
    fs::write(home.path().join("secret"), "s").unwrap();
    let script = "# /// script\n# [tool.hognose]\n# files = ['../secret']\n# ///\n";
    fs::write(home.path().join("inner/s.py"), script).unwrap();
    let said = home.refused(&["run", "inner/s.py"], &[]);
    assert!(said.contains("outside its folder"), "{said}");
}

#[test]
fn help_and_version_are_no_errors_and_an_empty_list_is_empty() {
    let home = Home::new();
    let help = home.call(&["run", "--help"], &[]);
    assert!(help.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("--limit <NAME=VALUE>")
    );
    assert!(home.call(&["--version"], &[]).status.success());
    let list = home.call(&["env", "list"], &[]);
    assert!(list.status.success() && list.stdout.is_empty());
}

#[test]
fn a_wrong_address_of_records_is_refused_without_its_password() {
    let home = Home::new();
    for (records, part) in [
        ("mysql://me:secret@localhost/x", "mysql"),
        ("sqlite:", "path"),
        ("sqlite::memory:", "off"),
    ] {
        let said = home.refused(&["serve"], &[("HOGNOSE_RECORDS", records)]);
        assert!(
            said.contains("HOGNOSE_RECORDS") && said.contains(part),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
    for (variable, value) in [
        ("HOGNOSE_RECORDS_AGE", "30"),
        ("HOGNOSE_RECORDS_BYTES", "0"),
    ] {
        let said = home.refused(&["serve"], &[(variable, value)]);
        assert!(said.contains(variable), "{said}");
    }
}

#[test]
fn records_that_cannot_be_kept_are_named() {
    let home = Home::new();
    let said = home.refused(&["serve", "--records", "absent/x.sqlite"], &[]);
    let told = "cannot keep records in `absent/x.sqlite`";
    assert!(said.contains(told), "{said}");
}

#[test]
fn doctor_says_no_where_serve_would() {
    let home = Home::with_environments();
    fs::write(home.path().join("file"), "").unwrap();
    for (arguments, part) in [
        (["--python", "/absent/python"], "/absent/python"),
        (["--state-dir", "file/state"], "cannot use the state folder"),
    ] {
        let all = [&["doctor", "--json"], &arguments[..]].concat();
        let output = home.call(&all, &[]);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(told["may_serve"], false, "{told}");
        assert!(told["refusal"].to_string().contains(part), "{told}");
    }
}
