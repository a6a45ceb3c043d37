//! Whether an environment is what a configuration asks for.

use super::{PythonConfig, PythonExecutor, ValidationResult};
use crate::dependencies::{Lack, is_python, lack, normal_name};
use crate::environment::EnvironmentDescription;
use crate::errors::PythonError;

/// Digits of a digest that name it well enough.
const LEAST_DIGITS: usize = 8;

/// Compares `config` with the environment it names, or with the default one; each error says what is
/// missing.
///
/// Errors: the environments cannot be listed.
pub async fn environment<E: PythonExecutor + ?Sized>(
    executor: &E,
    config: &PythonConfig,
) -> Result<ValidationResult, PythonError> {
    let default = executor.capabilities();
    let Some(name) = &config.virtual_env else {
        let packages = default.packages.into_iter();
        let packages = packages.map(|one| (normal_name(&one.name), one.version));
        return Ok(compare(
            &default.python_version,
            &packages.collect::<Vec<_>>(),
            config,
        ));
    };
    let all = match executor.environments() {
        Some(service) => service.list().await,
        None => Ok(Vec::new()),
    };
    let all = all.map_err(|error| PythonError::EnvironmentError(error.to_string()))?;
    Ok(match find(&all, name) {
        Some(found) => compare(&found.python, &found.packages, config),
        None => result(vec![format!("there is no environment `{name}`")], config),
    })
}

/// Compares the Python that `config` asks for with those that an executor runs.
#[must_use]
pub(super) fn version(versions: &[String], config: &PythonConfig) -> ValidationResult {
    let mut errors = Vec::new();
    if let Some(wanted) = &config.python_version {
        let mut fits = versions.iter().map(|have| is_python(have, wanted));
        match fits.find(|fits| *fits != Ok(false)) {
            Some(Ok(_)) => {}
            Some(Err(error)) => errors.push(error.to_string()),
            None => errors.push(format!("the executor has no Python {wanted}")),
        }
    }
    if !config.dependencies.is_empty() {
        errors.push("nobody can say which packages the executor has".to_owned());
    }
    result(errors, config)
}

fn find<'a>(all: &'a [EnvironmentDescription], name: &str) -> Option<&'a EnvironmentDescription> {
    let by_id = all.iter().find(|one| one.id.to_string() == name);
    let is_digest =
        |one: &&EnvironmentDescription| name.len() >= LEAST_DIGITS && one.digest.starts_with(name);
    by_id.or_else(|| all.iter().find(is_digest))
}

fn compare(python: &str, packages: &[(String, String)], config: &PythonConfig) -> ValidationResult {
    let mut errors = Vec::new();
    match config
        .python_version
        .as_deref()
        .map(|wanted| (wanted, is_python(python, wanted)))
    {
        None | Some((_, Ok(true))) => {}
        Some((wanted, Ok(false))) => {
            errors.push(format!("the environment has Python {python}, not {wanted}"));
        }
        Some((_, Err(error))) => errors.push(error.to_string()),
    }
    let mut numbers = python.split('.').map(|part| part.parse().unwrap_or(0));
    let mut number = || numbers.next().unwrap_or(0);
    let version = (number(), number(), number());
    for wanted in &config.dependencies {
        match lack(wanted, version, packages) {
            Ok(None) => {}
            Ok(Some(Lack::Package(name))) => {
                errors.push(format!("the environment has no package `{name}`"));
            }
            Ok(Some(Lack::Version(have))) => {
                errors.push(format!(
                    "the environment has version {have}, not `{}`",
                    wanted.trim()
                ));
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    result(errors, config)
}

fn result(errors: Vec<String>, config: &PythonConfig) -> ValidationResult {
    let mut warnings = Vec::new();
    if config.working_dir.is_some() {
        let told = "`working_dir` has no effect: a guest starts in its own /code";
        warnings.push(told.to_owned());
    }
    ValidationResult {
        is_valid: errors.is_empty(),
        errors,
        warnings,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let packages = [
            ("scikit-learn".to_owned(), "1.5.2".to_owned()),
            ("numpy".to_owned(), "1.26.4".to_owned()),
        ];
        for (python, dependency, expected) in [
            ("3.11", "Scikit_Learn>=1", ""),
            ("3.11.7", "scikit.learn[all]", ""),
            (">=3.10,<3.12", "numpy", ""),
            ("3.1", "numpy", "the environment has Python 3.11.7, not 3.1"),
            (
                ">=3.12",
                "numpy",
                "the environment has Python 3.11.7, not >=3.12",
            ),
            ("3", "Torch==2", "the environment has no package `torch`"),
            ("3", "torch; sys_platform == 'win32'", ""),
            (
                "3",
                "torch; python_version >= '3.11'",
                "the environment has no package `torch`",
            ),
            (
                "3",
                "numpy>=2",
                "the environment has version 1.26.4, not `numpy>=2`",
            ),
            ("3", "numpy~=1.26.0", ""),
        ] {
            let config = PythonConfig {
                python_version: Some(python.into()),
                dependencies: vec![dependency.into()],
                ..Default::default()
            };
            let result = compare("3.11.7", &packages, &config);
            assert_eq!(result.errors.join("; "), expected);
            assert_eq!(result.is_valid, expected.is_empty());
        }
        for (python, dependency) in [("three", "numpy"), ("3", "not a requirement")] {
            let config = PythonConfig {
                python_version: Some(python.into()),
                dependencies: vec![dependency.into()],
                ..Default::default()
            };
            let result = compare("3.11.7", &packages, &config);
            assert_eq!(result.errors.len(), 1, "{result:?}");
        }
    }

    #[test]
    fn an_executor_of_an_embedder_has_versions_and_no_packages() {
        let config = |python: &str| PythonConfig {
            python_version: Some(python.into()),
            ..Default::default()
        };
        let versions = ["3.10".to_owned(), "3.12.1".to_owned()];
        assert!(version(&versions, &config("3.12")).is_valid);
        assert!(version(&versions, &config(">=3.11")).is_valid);
        assert!(!version(&versions, &config("3.11")).is_valid);
        assert!(!version(&versions, &config("?")).is_valid);
    }
}
