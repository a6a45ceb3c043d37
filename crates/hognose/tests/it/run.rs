//! `hognose run` of folders and modules, with an engine of its own and through a server.

use std::fs;

use serde_json::Value;

use crate::support::Home;

/// A folder with a program in two files, and a package with a module.
fn home_with_a_folder() -> Home {
    let home = Home::with_environments();
    for (name, content) in [
        (
            "job/__main__.py",
            "from helper import name\nprint('main', name, open('data.txt').read())",
        ),
        ("job/helper.py", "name = 'helped'"),
        ("job/data.txt", "data"),
        (
            "job/tools/other.py",
            "import sys\nprint('other', *sys.argv[1:])",
        ),
        ("job/pkg/__init__.py", ""),
        ("job/pkg/mod.py", "print('module', __name__, __package__)"),
        ("bare/a.py", ""),
    ] {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::write(home.path().join("data.txt"), "given").unwrap();
    home
}

const FEBRUARY: &str = "   February 2024
Mo Tu We Th Fr Sa Su
          1  2  3  4
 5  6  7  8  9 10 11
12 13 14 15 16 17 18
19 20 21 22 23 24 25
26 27 28 29
";

/// What is run, and what it prints.
const RUNS: [(&[&str], &str); 6] = [
    (&["job"], "main helped data\n"),
    (
        &["job", "--file", "data.txt=data.txt"],
        "main helped given\n",
    ),
    (
        &["job", "--entry", "tools/other.py", "--", "a b"],
        "other a b\n",
    ),
    (&["job", "-m", "pkg.mod"], "module __main__ pkg\n"),
    (&["job", "-m", "helper"], ""),
    (&["-m", "calendar", "--", "2024", "2"], FEBRUARY),
];

fn check(home: &Home, more: &[&str]) {
    for (arguments, printed) in RUNS {
        let (flags, rest) = match arguments.iter().position(|one| *one == "--") {
            Some(at) => arguments.split_at(at),
            None => (arguments, &[][..]),
        };
        let all = [&["run", "--json"], more, flags, rest].concat();
        let output = home.call(&all, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{all:?}: {said}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["stdout"], printed, "{all:?}: {report}");
    }
}

#[test]
fn folders_and_modules_run_as_python_runs_them() {
    check(&home_with_a_folder(), &["--no-server"]);
}

#[test]
fn a_server_runs_folders_and_modules_as_well() {
    let home = home_with_a_folder();
    let server = home.serve();
    check(&home, &[]);
    let listed = home.call(&["history", "--json"], &[]);
    let history: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let recorded = history["executions"].as_array().map(Vec::len);
    assert_eq!(recorded, Some(RUNS.len()), "{history}");
    server.stop();
}

#[test]
fn what_of_a_folder_cannot_be_run_is_told_in_one_sentence() {
    let home = home_with_a_folder();
    for (arguments, part) in [
        (
            &["bare"][..],
            "`bare` has no `__main__.py`: name one of its files with --entry",
        ),
        (
            &["bare", "--entry", "no.py"],
            "the folder has no file `no.py`",
        ),
        (
            &["bare", "--entry", "../job/helper.py"],
            "has no file `../job/helper.py`",
        ),
        (
            &["bare/a.py", "--entry", "a.py"],
            "is a file: an entry point needs a folder",
        ),
        (
            &["bare/a.py", "-m", "a"],
            "is a file: an entry point needs a folder",
        ),
        (&["absent", "-m", "a"], "cannot read the script `absent`"),
        (
            &["job", "--function", "f"],
            "name its file instead of the folder `job`",
        ),
        (&["job", "-m", "a/b"], "`a/b` names no module"),
        (&["-m", "a", "--entry", "b"], "cannot be used with"),
        (&["-m", "a", "--function", "f"], "cannot be used with"),
        (&["--entry", "b"], "<FILE|FOLDER>"),
    ] {
        let all = [&["run", "--no-server"], arguments].concat();
        let said = home.refused(&all, &[]);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
