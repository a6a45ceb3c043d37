//! The parser and the validator for long: every standard library found, ten minutes per property.

use std::path::Path;

use anyhow::Result;

use crate::tally::{Runner, Tally};
use crate::{escapes, recipes, say};

/// Time for each property to find a counterexample.
const FUZZ_SECONDS: &str = "600";

/// Runs the tests that a commit runs, for longer and on more.
pub(super) fn run(root: &Path) -> Result<Tally> {
    let mut pythons = Vec::new();
    for minor in escapes::SUPPORTED {
        match escapes::interpreter(*minor) {
            Ok(path) => pythons.push(path.display().to_string()),
            Err(reason) => say(&format!("no Python 3.{minor}: {reason}")),
        }
    }
    let mut command = recipes::cargo(root);
    command
        .env("HOGNOSE_TEST_PYTHONS", pythons.join(":"))
        .env("HOGNOSE_FUZZ_SECONDS", FUZZ_SECONDS)
        .args([
            "test",
            "--release",
            "--locked",
            "--workspace",
            "--test",
            "stepflow_python",
        ])
        .args(["--", "--nocapture", "stdlib::", "fuzz::"]);
    recipes::counted("parser", Runner::CargoTest, &mut command)
}
