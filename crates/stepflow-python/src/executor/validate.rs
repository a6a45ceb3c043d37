//! Whether an executor's one environment is what a configuration asks for.

use super::{Capabilities, PythonConfig, ValidationResult};

/// Compares `config` with what there is; each error says what is missing.
#[must_use]
pub fn environment(capabilities: &Capabilities, config: &PythonConfig) -> ValidationResult {
    let mut errors = Vec::new();
    let have = &capabilities.python_version;
    if let Some(wanted) = config
        .python_version
        .as_ref()
        .filter(|wanted| !is_version(have, wanted))
    {
        errors.push(format!("the environment has Python {have}, not {wanted}"));
    }
    for wanted in &config.dependencies {
        let name = name_of(wanted);
        if !capabilities
            .packages
            .iter()
            .any(|package| normal(&package.name) == name)
        {
            errors.push(format!("the environment has no package `{name}`"));
        }
    }
    let mut warnings = Vec::new();
    if config
        .dependencies
        .iter()
        .any(|wanted| wanted.contains(['=', '<', '>', '~', '!', ';', '@']))
    {
        warnings
            .push("versions and markers of dependencies were not compared, only names".to_owned());
    }
    for (field, value) in [
        ("virtual_env", &config.virtual_env),
        ("working_dir", &config.working_dir),
    ] {
        if value.is_some() {
            warnings.push(format!(
                "`{field}` has no effect: a guest sees only its own /environment and /code"
            ));
        }
    }
    ValidationResult {
        is_valid: errors.is_empty(),
        errors,
        warnings,
        ..Default::default()
    }
}

/// `3.11.7` is a `3.11` and a `3.11.7`, but no `3.1`.
fn is_version(have: &str, wanted: &str) -> bool {
    have.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The normalised name at the start of a requirement. Source: PEP 508.
fn name_of(requirement: &str) -> String {
    let requirement = requirement.trim_start();
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    normal(&requirement[..end.unwrap_or(requirement.len())])
}

/// Source: PEP 503.
fn normal(name: &str) -> String {
    let words: Vec<&str> = name
        .split(['-', '_', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use engine::{Isolation, LimitPolicy};

    use super::super::Package;
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let capabilities = Capabilities {
            python_version: "3.11.7".into(),
            packages: vec![Package {
                name: "Scikit_Learn".into(),
                version: "1.5".into(),
            }],
            max_concurrency: 1,
            limits: LimitPolicy::default(),
            isolation: Isolation {
                tier: "full",
                layers: vec![],
            },
        };
        for (version, dependency, expected) in [
            ("3.11", "scikit-learn>=1", ""),
            ("3.11.7", "scikit.learn[all]", ""),
            (
                "3.1",
                "scikit-learn",
                "the environment has Python 3.11.7, not 3.1",
            ),
            ("3", "Torch==2", "the environment has no package `torch`"),
        ] {
            let config = PythonConfig {
                python_version: Some(version.into()),
                dependencies: vec![dependency.into()],
                ..Default::default()
            };
            let result = environment(&capabilities, &config);
            assert_eq!(result.errors.join("; "), expected);
            assert_eq!(result.is_valid, expected.is_empty());
            assert_eq!(result.warnings.is_empty(), !dependency.contains('='));
        }
    }
}
