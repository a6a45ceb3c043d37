//! Counting what passed, and reading the counts that test runners print.

use std::fmt;
use std::ops::{Add, AddAssign};

/// What became of a set of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) const PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    pub(crate) const FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    pub(crate) const SKIPPED: Self = Self {
        passed: 0,
        failed: 0,
        skipped: 1,
    };

    /// One check that passed or failed.
    pub(crate) fn of(passed: bool) -> Self {
        if passed { Self::PASSED } else { Self::FAILED }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// A test runner, by how it sums up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `Summary [..] 5 tests run: 4 passed, 1 failed, 1 skipped`.
    Nextest,
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; ..`, once per test binary.
    CargoTest,
    /// `Ran 7 tests in 1s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=1)`.
    Unittest,
}

impl Runner {
    /// The sum of a runner's whole output.
    ///
    /// Only the lines of this runner count. nextest shows what a failed test has printed, and
    /// that ends with the line by which the test binary itself sums up.
    pub(crate) fn add_up(self, lines: impl IntoIterator<Item = String>) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            let line = line.trim();
            match self {
                // The last one is nextest's own: a test may print the same.
                Self::Nextest if line.starts_with("Summary [") => tally = counts(line),
                Self::CargoTest if line.starts_with("test result:") => tally += counts(line),
                Self::Unittest => unittest(line, &mut tally),
                Self::Nextest | Self::CargoTest => {}
            }
        }
        tally
    }
}

/// The numbers before `passed`, `failed` and `skipped`.
fn counts(line: &str) -> Tally {
    let words = || {
        line.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
    };
    let before = |names: &[&str]| {
        let pairs = words().zip(words().skip(1));
        pairs
            .filter(|(_, name)| names.contains(name))
            .find_map(|(count, _)| count.parse().ok())
            .unwrap_or(0)
    };
    Tally {
        passed: before(&["passed"]),
        failed: before(&["failed"]),
        skipped: before(&["skipped", "ignored"]),
    }
}

/// `Ran N tests` counts all; the last line says how many of them did not pass.
fn unittest(line: &str, tally: &mut Tally) {
    if let Some(rest) = line.strip_prefix("Ran ") {
        let all = rest.split(' ').next().and_then(|count| count.parse().ok());
        tally.passed += all.unwrap_or(0);
    } else if line.starts_with("OK") || line.starts_with("FAILED") {
        let number = |name: &str| {
            let start = line.find(&format!("{name}="))? + name.len() + 1;
            line[start..]
                .split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse::<u64>()
                .ok()
        };
        let failed = number("failures").unwrap_or(0) + number("errors").unwrap_or(0);
        let skipped = number("skipped").unwrap_or(0);
        tally.passed = tally.passed.saturating_sub(failed + skipped);
        tally.failed += failed;
        tally.skipped += skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, output: &str, expected: (u64, u64, u64)) {
        let (passed, failed, skipped) = expected;
        let expected = Tally {
            passed,
            failed,
            skipped,
        };
        let lines = output.lines().map(str::to_owned);
        assert_eq!(runner.add_up(lines), expected, "{output}");
    }

    #[test]
    fn sums_of_every_runner_are_read() {
        check(
            Runner::Nextest,
            "     Summary [   0.4s] 5 tests run: 4 passed, 1 failed, 2 skipped",
            (4, 1, 2),
        );
        check(
            Runner::Nextest,
            "Summary [0.1s] 1 test run: 1 passed (1 slow), 0 skipped",
            (1, 0, 0),
        );
        check(
            Runner::CargoTest,
            "test a_test_passed ... ok\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured",
            (5, 0, 1),
        );
        check(Runner::Unittest, "Ran 7 tests in 1.2s\n\nOK", (7, 0, 0));
        check(
            Runner::Unittest,
            "Ran 7 tests in 1.2s\n\nFAILED (failures=1, errors=2, skipped=3)",
            (1, 3, 3),
        );
    }

    #[test]
    fn a_failed_test_of_nextest_counts_once() {
        let output = "        FAIL [   0.005s] (1/2) a tests::one\n  stdout ---\n\n    running 1 test\n\
                      test tests::one ... FAILED\n\n    \
                      test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out\n\n    \
                      Summary [   9.9s] 7 tests run: 7 passed, 0 skipped\n\
                      ────────────\n     Summary [   0.006s] 2 tests run: 1 passed, 1 failed, 0 skipped";
        check(Runner::Nextest, output, (1, 1, 0));
    }
}
