//! The names of our own variables. Another one that begins as they do is a slip, and refused.

use std::collections::HashMap;

use anyhow::bail;

use super::stepflow::nearest;
use crate::limits;

/// What all of them begin with.
pub(super) const PREFIX: &str = "HOGNOSE_";

/// Behind the prefix, but for those of limits.
const NAMES: [&str; 37] = [
    "ALLOWED_IMPORTS",
    "ALLOWED_PACKAGES",
    "API_KEY",
    "AST_PARSING",
    "AUTO_CLEANUP",
    "BASE_PACKAGES",
    "BLOCKED_IMPORTS",
    "CONDA",
    "DEPENDENCY_ANALYSIS",
    "ENVIRONMENTS_DIR",
    "ENVIRONMENT_BYTES",
    "EXTRA_INDEX_URLS",
    "GIT_HOSTS",
    "INDEX_RETRIES",
    "INDEX_TIMEOUT_SECONDS",
    "INDEX_URL",
    "LISTEN",
    "LOG",
    "MAX_ENVIRONMENTS",
    "MIN_TIER",
    "OFFLINE",
    "PLAIN",
    "POLICY",
    "POLICY_FLOOR",
    "POOL_BYTES",
    "PRELOAD",
    "PYTHON",
    "PYTHON_VERSION",
    "RECORDS",
    "RECORDS_AGE",
    "RECORDS_BYTES",
    "RESOURCE_MONITORING",
    "SANDBOXING",
    "SLOTS",
    "SOURCE_BUILDS",
    "STATE_DIR",
    "TRUSTED_HOSTS",
];

/// Nobody's slip: what our tests are told, and what Kubernetes tells every pod of a service named
/// `hognose`. Source: kubernetes.io, "Environment variables" of services.
const OTHERS: [&str; 3] = ["TEST_", "SERVICE_", "PORT"];

/// Errors: a variable with the prefix that nobody reads, naming the nearest that somebody does.
/// `place` says where `values` stand.
pub(super) fn check(values: &HashMap<String, String>, place: &str) -> anyhow::Result<()> {
    for (variable, value) in values {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let is_others = OTHERS.iter().any(|other| name.starts_with(other));
        if value.is_empty() || is_others || is_known(name) {
            continue;
        }
        let limits = limits::NAMES.map(str::to_ascii_uppercase);
        let all = NAMES.into_iter().chain(limits.iter().map(String::as_str));
        let nearest = nearest(name, all);
        bail!("{variable}{place} is no setting; the nearest is {PREFIX}{nearest}");
    }
    Ok(())
}

fn is_known(name: &str) -> bool {
    let mut limits = limits::NAMES.iter();
    NAMES.contains(&name) || limits.any(|limit| limit.to_ascii_uppercase() == name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn values(name: &str, value: &str) -> HashMap<String, String> {
        HashMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_slip_is_refused_with_the_nearest_name() {
        for (name, nearest) in [
            ("HOGNOSE_SLOT", "HOGNOSE_SLOTS"),
            ("HOGNOSE_WALL", "HOGNOSE_WALL_MS"),
            ("HOGNOSE_POLICY_FLOR", "HOGNOSE_POLICY_FLOOR"),
            ("HOGNOSE_MEMORY", "HOGNOSE_MEMORY_BYTES"),
        ] {
            let told = check(&values(name, "1"), " in .env")
                .unwrap_err()
                .to_string();
            let expected = format!("{name} in .env is no setting; the nearest is {nearest}");
            assert_eq!(told, expected);
        }
        for (name, value) in [
            ("HOGNOSE_SLOTS", "4"),
            ("HOGNOSE_SOURCE_BYTES", "4"),
            ("HOGNOSE_NOPE", ""),
            ("HOGNOSE_TEST_POSTGRES", "x"),
            ("HOGNOSE_SERVICE_HOST", "10.0.0.1"),
            ("HOGNOSE_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("HOGNOSES", "x"),
        ] {
            assert!(check(&values(name, value), "").is_ok(), "{name}");
        }
    }

    /// Every name that is read is known here.
    #[test]
    fn no_setting_is_forgotten() {
        let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = 0;
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let quoted = text.split("\"HOGNOSE_").skip(1);
                let names = quoted.filter_map(|rest| rest.split('"').next());
                let is_name = |name: &&str| {
                    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
                };
                for name in names.filter(is_name) {
                    let is_tests = path.ends_with("settings/tests.rs");
                    assert!(is_tests || is_known(name), "{name} in {}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > NAMES.len());
    }
}
