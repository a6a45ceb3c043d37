//! The seed's variables, `STEPFLOW_PYTHON_*`: each is another name, in another unit, of a setting of ours.
//!
//! Source: seed 003, "环境变量". Its examples are its defaults but where the table says otherwise.

use std::collections::HashMap;

use anyhow::bail;

use super::Found;

/// What all of them begin with.
pub(super) const PREFIX: &str = "STEPFLOW_PYTHON_";

/// What a value is, and how it is written for our own setting.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// `true` or `false`; ours is `1` or `0`.
    Switch,
    /// A whole number above 0, written with a unit behind it.
    Whole(&'static str),
    /// Names with commas between them.
    Names,
    /// A text that our own setting judges.
    Text,
}

/// One variable.
struct Row {
    /// Behind `STEPFLOW_PYTHON_`.
    name: &'static str,
    own: &'static str,
    kind: Kind,
}

const fn row(name: &'static str, own: &'static str, kind: Kind) -> Row {
    Row { name, own, kind }
}

/// All of them, in the seed's order.
const TABLE: [Row; 15] = [
    row("ENABLE_AST_PARSING", "HOGNOSE_AST_PARSING", Kind::Switch),
    row(
        "ENABLE_DEPENDENCY_ANALYSIS",
        "HOGNOSE_DEPENDENCY_ANALYSIS",
        Kind::Switch,
    ),
    row("MAX_CODE_SIZE", "HOGNOSE_SOURCE_BYTES", Kind::Whole("")),
    // Empty, as everywhere: the seed's lists are examples.
    row("ALLOWED_IMPORTS", "HOGNOSE_ALLOWED_IMPORTS", Kind::Names),
    row("BLOCKED_IMPORTS", "HOGNOSE_BLOCKED_IMPORTS", Kind::Names),
    row("DEFAULT_TIMEOUT", "HOGNOSE_WALL_MS", Kind::Whole("s")),
    row(
        "DEFAULT_MEMORY_LIMIT",
        "HOGNOSE_MEMORY_BYTES",
        Kind::Whole("M"),
    ),
    row("ENABLE_SANDBOXING", "HOGNOSE_SANDBOXING", Kind::Switch),
    row(
        "ENABLE_RESOURCE_MONITORING",
        "HOGNOSE_RESOURCE_MONITORING",
        Kind::Switch,
    ),
    // The first usable one of the host, and its version: the seed's are those of its host.
    row("INTERPRETER_PATH", "HOGNOSE_PYTHON", Kind::Text),
    row("VERSION", "HOGNOSE_PYTHON_VERSION", Kind::Text),
    row("BASE_PACKAGES", "HOGNOSE_BASE_PACKAGES", Kind::Names),
    row("VIRTUAL_ENV_PATH", "HOGNOSE_ENVIRONMENTS_DIR", Kind::Text),
    row("AUTO_CLEANUP", "HOGNOSE_AUTO_CLEANUP", Kind::Switch),
    row(
        "MAX_ENVIRONMENTS",
        "HOGNOSE_MAX_ENVIRONMENTS",
        Kind::Whole(""),
    ),
];

/// The seed's variable for a setting of ours, as our own would be written. `place` says where
/// `values` stand.
///
/// Values are those that [`check`] let pass.
pub(super) fn find(values: &HashMap<String, String>, own: &str, place: &str) -> Option<Found> {
    let row = TABLE.iter().find(|row| row.own == own)?;
    let name = format!("{PREFIX}{}", row.name);
    let value = values.get(&name).filter(|value| !value.is_empty())?;
    Some(Found {
        text: written(row.kind, value)?,
        origin: format!("{name}{place}"),
    })
}

/// Errors: a variable with the prefix that is none of the seed's, naming the nearest; a value of
/// another kind, naming what would be right.
pub(super) fn check(values: &HashMap<String, String>, place: &str) -> anyhow::Result<()> {
    let set = values.iter().filter(|(_, value)| !value.is_empty());
    for (variable, value) in set {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let Some(row) = TABLE.iter().find(|row| row.name == name) else {
            let nearest = nearest(name, TABLE.iter().map(|row| row.name));
            bail!("{variable}{place} is no setting; the nearest is {PREFIX}{nearest}");
        };
        if written(row.kind, value).is_none() {
            bail!("{variable}{place} is `{value}`; use {}", expected(row.kind));
        }
    }
    Ok(())
}

fn written(kind: Kind, value: &str) -> Option<String> {
    match kind {
        Kind::Switch if value.eq_ignore_ascii_case("true") => Some("1".to_owned()),
        Kind::Switch if value.eq_ignore_ascii_case("false") => Some("0".to_owned()),
        Kind::Switch => None,
        Kind::Whole(unit) => {
            let number: u64 = value.parse().ok().filter(|number| *number > 0)?;
            Some(format!("{number}{unit}"))
        }
        Kind::Names | Kind::Text => Some(value.to_owned()),
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Switch => "true or false",
        Kind::Whole("s") => "a whole number of seconds above 0, such as 30",
        Kind::Whole("M") => "a whole number of MiB above 0, such as 512",
        Kind::Whole(_) => "a whole number above 0",
        Kind::Names => "names with commas between them",
        Kind::Text => "a text",
    }
}

/// The name that shares the most letters in order, counted from either end.
pub(super) fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> &'a str {
    let same = |(a, b): &(char, char)| a == b;
    let common = |one: &&str| {
        let head = one.chars().zip(name.chars());
        let tail = one.chars().rev().zip(name.chars().rev());
        head.take_while(same).count() + tail.take_while(same).count()
    };
    all.max_by_key(common).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn each_variable_of_the_seed_is_a_setting_of_ours() {
        for (name, value, own, text) in [
            ("ENABLE_AST_PARSING", "true", "HOGNOSE_AST_PARSING", "1"),
            (
                "ENABLE_DEPENDENCY_ANALYSIS",
                "true",
                "HOGNOSE_DEPENDENCY_ANALYSIS",
                "1",
            ),
            (
                "MAX_CODE_SIZE",
                "1048576",
                "HOGNOSE_SOURCE_BYTES",
                "1048576",
            ),
            (
                "ALLOWED_IMPORTS",
                "os,sys,json,requests",
                "HOGNOSE_ALLOWED_IMPORTS",
                "os,sys,json,requests",
            ),
            (
                "BLOCKED_IMPORTS",
                "subprocess,ctypes",
                "HOGNOSE_BLOCKED_IMPORTS",
                "subprocess,ctypes",
            ),
            ("DEFAULT_TIMEOUT", "30", "HOGNOSE_WALL_MS", "30s"),
            (
                "DEFAULT_MEMORY_LIMIT",
                "512",
                "HOGNOSE_MEMORY_BYTES",
                "512M",
            ),
            ("ENABLE_SANDBOXING", "true", "HOGNOSE_SANDBOXING", "1"),
            (
                "ENABLE_RESOURCE_MONITORING",
                "False",
                "HOGNOSE_RESOURCE_MONITORING",
                "0",
            ),
            (
                "INTERPRETER_PATH",
                "/usr/bin/python3",
                "HOGNOSE_PYTHON",
                "/usr/bin/python3",
            ),
            ("VERSION", "3.9", "HOGNOSE_PYTHON_VERSION", "3.9"),
            (
                "BASE_PACKAGES",
                "requests,json",
                "HOGNOSE_BASE_PACKAGES",
                "requests,json",
            ),
            (
                "VIRTUAL_ENV_PATH",
                "/tmp/e",
                "HOGNOSE_ENVIRONMENTS_DIR",
                "/tmp/e",
            ),
            ("AUTO_CLEANUP", "true", "HOGNOSE_AUTO_CLEANUP", "1"),
            ("MAX_ENVIRONMENTS", "100", "HOGNOSE_MAX_ENVIRONMENTS", "100"),
        ] {
            let all = values(&[(name, value)]);
            check(&all, "").unwrap();
            let found = find(&all, own, " in .env").unwrap();
            assert_eq!(found.text, text);
            assert_eq!(found.origin, format!("{PREFIX}{name} in .env"));
            assert!(
                find(&values(&[(name, "")]), own, "").is_none(),
                "empty is absent"
            );
        }
    }

    #[test]
    fn a_wrong_value_or_name_is_refused_with_the_right_one() {
        for (name, value, told) in [
            ("ENABLE_SANDBOXING", "yes", "is `yes`; use true or false"),
            (
                "DEFAULT_TIMEOUT",
                "0",
                "is `0`; use a whole number of seconds above 0, such as 30",
            ),
            (
                "DEFAULT_TIMEOUT",
                "30s",
                "is `30s`; use a whole number of seconds",
            ),
            (
                "DEFAULT_MEMORY_LIMIT",
                "512M",
                "is `512M`; use a whole number of MiB",
            ),
            ("MAX_CODE_SIZE", "-1", "is `-1`; use a whole number above 0"),
            (
                "TIMEOUT",
                "3",
                "is no setting; the nearest is STEPFLOW_PYTHON_DEFAULT_TIMEOUT",
            ),
            (
                "ENABLE_SANDBOX",
                "true",
                "the nearest is STEPFLOW_PYTHON_ENABLE_SANDBOXING",
            ),
        ] {
            let error = check(&values(&[(name, value)]), "")
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(&format!("{PREFIX}{name} ")), "{error}");
            assert!(error.contains(told), "{error}");
        }
    }
}
