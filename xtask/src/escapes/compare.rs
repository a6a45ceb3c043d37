//! The differential: an honest program ends the same however its interpreter was made. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::corpus::Attempt;
use crate::judge::Ending;

/// Accounts of a round's honest programs, by their names.
pub(super) type Accounts = BTreeMap<String, Account>;

/// What must not depend on how an interpreter was made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Account {
    kind: String,
    /// `None` where it differs from run to run anyway.
    stdout: Option<String>,
    value: Value,
}

impl Account {
    pub(super) fn of(attempt: &Attempt, ending: Ending<'_>) -> Self {
        let varies = attempt.stdout_varies || attempt.distinct;
        Self {
            kind: ending.kind().to_owned(),
            stdout: (!varies).then(|| ending.stdout().to_owned()),
            value: ending.0["value"].clone(),
        }
    }
}

/// What differs between the accounts of two rounds, a line per program.
///
/// A program that only one of them has was not run, or its failure was told already.
pub(super) fn differences(usual: &Accounts, other: &Accounts) -> Vec<String> {
    let both = usual
        .iter()
        .filter_map(|(name, one)| Some((name, one, other.get(name)?)));
    both.filter_map(|(name, one, two)| Some(format!("{name}: {}", difference(one, two)?)))
        .collect()
}

fn difference(one: &Account, two: &Account) -> Option<String> {
    if one.kind != two.kind {
        return Some(format!("ended {}, elsewhere {}", one.kind, two.kind));
    }
    if one.value != two.value {
        return Some(format!(
            "has the value {}, elsewhere {}",
            one.value, two.value
        ));
    }
    let (one, two) = (one.stdout.as_ref()?, two.stdout.as_ref()?);
    if one == two {
        return None;
    }
    let mut lines = one.lines().zip(two.lines());
    let (one, two) = lines
        .find(|(one, two)| one != two)
        .unwrap_or(("more or fewer lines", ""));
    Some(format!("printed {one:?}, elsewhere {two:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::corpus::parse;

    fn account(headers: &str, kind: &str, stdout: &str, value: &str) -> Accounts {
        let source = format!("# Attempts: x.\n# Expect: completed works\n{headers}\n");
        let attempt = parse("works/x", &source).unwrap();
        let answer = json!({"outcome": {"kind": kind}, "stdout": stdout, "value": {"repr": value}});
        let account = Account::of(&attempt, Ending(&answer));
        Accounts::from([(attempt.name, account)])
    }

    #[test]
    fn kind_value_and_output_must_be_the_same() {
        let usual = account("", "completed", "1\nworks\n", "5");
        assert!(differences(&usual, &usual).is_empty());
        for (other, told) in [
            (account("", "crashed", "1\nworks\n", "5"), "crashed"),
            (account("", "completed", "2\nworks\n", "5"), "\"2\""),
            (account("", "completed", "1\nworks\nx\n", "5"), "fewer"),
            (account("", "completed", "1\nworks\n", "6"), "6"),
        ] {
            let found = differences(&usual, &other);
            assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
        }
        assert!(differences(&usual, &Accounts::new()).is_empty());
    }

    #[test]
    fn output_that_varies_is_not_compared() {
        for headers in [
            "# Stdout: varies because it is the time",
            "# Repeat: 2 distinct",
        ] {
            let one = account(headers, "completed", "1\nworks\n", "5");
            let two = account(headers, "completed", "2\nworks\n", "5");
            assert!(differences(&one, &two).is_empty(), "{headers}");
            let crashed = account(headers, "crashed", "2\nworks\n", "5");
            assert_eq!(differences(&one, &crashed).len(), 1);
        }
    }
}
