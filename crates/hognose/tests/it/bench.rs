//! `hognose bench`: what it refuses, and the shape of what it tells. Never a time.

use std::process::Command;

use serde_json::Value;

use crate::support::Home;

/// Measured in every run; what a machine lacks has a row that says so.
const ROWS: [&str; 20] = [
    "tcp, bare",
    "tcp, full by imports",
    "tcp, print(1) in full",
    "events, bare: first output",
    "events, bare: end",
    "events, print(1) in full: first output",
    "events, print(1) in full: end",
    "tcp, print(1) in full, with pauses",
    "events, print(1) in full, with pauses: first output",
    "events, print(1) in full, with pauses: end",
    "unix, bare",
    "unix, full by imports",
    "unix, print(1) in full",
    "in-process, bare",
    "in-process, full by imports",
    "python -c print(1), no sandbox",
    "bwrap + python -c print(1)",
    "fresh python, imports the stack",
    "floor: an empty process in namespaces writes",
    "floor: and is reaped",
];

#[test]
fn figures_of_two_runs_are_not_compared() {
    let home = Home::new();
    let said = home.refused(&["bench", "--compare", "a.json", "b.json"], &[]);
    assert!(said.contains("--against BINARY"), "{said}");
    for (arguments, part) in [
        (&["bench", "--rounds", "0"][..], "--rounds"),
        (&["bench", "--seconds", "0"], "from 0.1 to 3600"),
        (&["bench", "--set", "speed"], "latency, throughput, density"),
        (&["bench", "--json", "absent/a.json"], "absent/a.json"),
    ] {
        let said = home.refused(arguments, &[]);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert!(!home.path().join("state").exists(), "nothing was made");
}

/// With the state folder of whoever runs the tests: an environment takes long to build.
#[test]
fn a_tiny_run_has_every_row_and_no_fault() {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let output = Command::new(env!("CARGO_BIN_EXE_hognose"))
        .args(["bench", "--quick", "--rounds", "3", "--seconds", "0.2"])
        .args(["--json", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["run"].as_str().unwrap().len(), 32);
    let rows = document["rows"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ROWS);
    for row in rows {
        let n = row["n"].as_u64().unwrap();
        assert!(row["unavailable"].is_string() == (n == 0), "{row}");
        for time in ["p50_us", "p90_us", "p99_us", "max_us"] {
            assert!(row[time].is_number() == (n > 0), "{row}");
        }
    }
    check_throughput(document["throughput"].as_array().unwrap());
    assert_eq!(document["density"].as_array().unwrap().len(), 2);
    for ratio in document["ratios"].as_array().unwrap() {
        assert!(ratio["times"].as_f64().unwrap() > 0.0, "{ratio}");
    }
    assert!(
        said.contains("figures of two runs are not compared"),
        "{said}"
    );
}

fn check_throughput(rows: &[Value]) {
    for in_flight in [1, 8, 64] {
        let found = rows
            .iter()
            .any(|row| row["name"] == "tcp, bare" && row["in_flight"] == in_flight);
        assert!(found, "{in_flight}");
    }
    for row in rows {
        assert_eq!(
            (&row["errors"], &row["mixed_up"]),
            (&0.into(), &0.into()),
            "{row}"
        );
        assert!(row["per_second"].is_number() && row["server_cpu_ms_each"].is_number());
    }
}

/// The index has a numpy of that name and version; what is in it is no matter here.
#[test]
fn a_requested_environment_is_measured_beside_the_default_one() {
    let home = Home::with_environments();
    let told = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = home.call(arguments, variables);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let built = told(&["env", "build"], &[]);
    let shown = told(&["env", "show", &built[..12]], &[]);
    let numpy = shown.lines().find(|line| line.starts_with("numpy=="));
    let index = home.index(&[numpy.unwrap()]);
    let bench = ["bench", "--set", "environments", "--quick", "--rounds", "2"];
    let arguments = [&bench[..], &["--json", "-"]].concat();
    let document = told(&arguments, &[("UV_DEFAULT_INDEX", &index)]);
    let document: Value = serde_json::from_str(&document).unwrap();
    let rows = document["rows"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    let expected = ["rested", "in a loop"].map(|pace| {
        let of = |program: &str| {
            ["default", "environment", "packages"].map(|way| format!("{way}, {program}, {pace}"))
        };
        [of("print(1)"), of("import numpy")].concat()
    });
    assert_eq!(names, expected.concat());
    assert!(rows.iter().all(|row| row["n"] == 2), "{rows:?}");
    let ratios = document["ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 8);
    assert!(
        ratios
            .iter()
            .all(|ratio| ratio["times"].as_f64() > Some(0.0))
    );
}

#[test]
fn environments_are_not_measured_without_an_index() {
    let home = Home::with_environments();
    // A server that does not answer would be asked again and again.
    let nowhere = [("UV_DEFAULT_INDEX", "file:///nowhere/simple")];
    let output = home.call(&["bench", "--set", "environments", "--quick"], &nowhere);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{said}");
    let last = said.lines().next_back().unwrap();
    let part = "error: cannot make the environment that is measured, with numpy==";
    assert!(
        last.starts_with(part) && last.contains("was not found in the package registry"),
        "{said}"
    );
}
