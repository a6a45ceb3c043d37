//! Counting what passed, and reading the counts that test runners print.

use std::fmt;
use std::ops::AddAssign;

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

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
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

/// The counts in one line of a runner's output, if it is a line that sums up.
///
/// Knows nextest (`Summary [..] 5 tests run: 4 passed, 1 failed, 1 skipped`), `cargo test`
/// (`test result: ok. 3 passed; 0 failed; 1 ignored; ..`) and unittest (`Ran 7 tests in 1s`, then
/// `OK (skipped=1)` or `FAILED (failures=1, errors=1)`).
pub(crate) fn read_line(line: &str) -> Option<Tally> {
    let line = line.trim();
    if line.starts_with("Summary [") || line.starts_with("test result:") {
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
        return Some(Tally {
            passed: before(&["passed"]),
            failed: before(&["failed"]),
            skipped: before(&["skipped", "ignored"]),
        });
    }
    if let Some(rest) = line.strip_prefix("Ran ") {
        let passed = rest.split(' ').next()?.parse().ok()?;
        return Some(Tally {
            passed,
            ..Tally::default()
        });
    }
    None
}

/// The correction in unittest's last line: what `Ran N tests` counted, but did not pass.
pub(crate) fn read_unittest_end(line: &str) -> Option<(u64, u64)> {
    if !line.starts_with("OK") && !line.starts_with("FAILED") {
        return None;
    }
    let number = |name: &str| {
        let start = line.find(&format!("{name}="))? + name.len() + 1;
        line[start..]
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse::<u64>()
            .ok()
    };
    let failed = number("failures").unwrap_or(0) + number("errors").unwrap_or(0);
    Some((failed, number("skipped").unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Option<Tally> {
        Some(Tally {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn sums_of_every_runner_are_read() {
        for (line, expected) in [
            (
                "     Summary [   0.4s] 5 tests run: 4 passed, 1 failed, 2 skipped",
                tally(4, 1, 2),
            ),
            (
                "Summary [0.1s] 1 test run: 1 passed (1 slow), 0 skipped",
                tally(1, 0, 0),
            ),
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured",
                tally(3, 0, 1),
            ),
            ("Ran 7 tests in 1.2s", tally(7, 0, 0)),
            ("test a_test_passed ... ok", None),
        ] {
            assert_eq!(read_line(line), expected, "{line}");
        }
        assert_eq!(
            read_unittest_end("FAILED (failures=1, errors=2, skipped=3)"),
            Some((3, 3))
        );
        assert_eq!(read_unittest_end("OK"), Some((0, 0)));
    }
}
