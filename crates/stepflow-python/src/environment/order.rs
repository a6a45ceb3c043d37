//! From what was asked for to a tree on disk: check, resolve, lock, install, name by digest.
//!
//! A build works in a folder of its own below `trees` and renames it when it is whole. Only wheels
//! are unpacked: no code of a package runs on the host, not even to build it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use ruff_python_stdlib::sys::is_known_standard_library;

use super::config::{InstallPolicy, PipConfig};
use super::interpreter::Resolved;
use super::requested::Requested;
use super::uv::Job;
use super::{EnvironmentError, MANIFEST, Progress, build, digest_of};
use crate::dependencies::{Dependency, DependencySource, normal_name};

/// The lock's name in an environment's folder.
pub(super) const LOCK: &str = "environment.lock";

/// What to build.
pub(super) struct Order<'a> {
    pub(super) python: &'a Resolved,
    /// As [`requirements`] returned them.
    pub(super) requirements: &'a [String],
    pub(super) pip: &'a PipConfig,
    pub(super) policy: &'a InstallPolicy,
    /// A lock whose versions are kept where they can be.
    pub(super) preferred: Option<String>,
}

/// What an installer is given: checked, one per name, the last word winning, sorted.
///
/// Errors: what is no requirement, or what the policy does not allow.
pub(super) fn requirements(
    dependencies: &[Dependency],
    python: &Resolved,
    policy: &InstallPolicy,
) -> Result<Vec<String>, EnvironmentError> {
    let mut wanted = BTreeMap::new();
    for dependency in dependencies {
        let text = dependency.to_requirement();
        if dependency.source == DependencySource::Conda {
            return Err(refused(format!(
                "`{text}` is not installed: Conda packages run scripts of their own on the host when they are linked; name a wheel of the index"
            )));
        }
        if is_known_standard_library(python.interpreter.version.1, &dependency.name) {
            continue;
        }
        let parsed = Dependency::parse(&text).map_err(|error| refused(error.to_string()))?;
        match parsed.source {
            DependencySource::PyPI => {}
            DependencySource::Local if !policy.local_files => {
                return Err(refused(format!(
                    "`{}` names a file of this host, which only its operator may install",
                    parsed.name
                )));
            }
            DependencySource::Local if is_wheel(&text) => {}
            DependencySource::Local | DependencySource::Git | DependencySource::Conda => {
                return Err(refused(format!(
                    "`{}` would have to be built from source, which is refused: only wheels are installed, for a build runs code of the package on the host",
                    parsed.name
                )));
            }
        }
        wanted.insert(parsed.name.clone(), parsed.to_requirement());
    }
    Ok(wanted.into_values().collect())
}

fn is_wheel(requirement: &str) -> bool {
    let path = requirement
        .split([';', '#', ' '])
        .filter(|part| !part.is_empty());
    path.into_iter().any(|part| part.ends_with(".whl"))
}

fn refused(reason: String) -> EnvironmentError {
    EnvironmentError::Refused { reason }
}

/// Builds what is not there yet; returns its digest.
pub(super) fn fulfil(
    requested: &Requested,
    order: &Order<'_>,
    progress: &dyn Fn(Progress),
) -> Result<String, EnvironmentError> {
    let trees = requested.folder().join("trees");
    let scratch = tempfile::Builder::new()
        .prefix(".build-")
        .tempdir_in(&trees);
    let scratch = at("make the build's folder", scratch)?;
    let job = Job {
        python: &order.python.interpreter.executable,
        cache: &requested.folder().join("cache"),
        pip: order.pip,
        offline: order.policy.offline,
        deadline: Instant::now() + order.policy.timeout,
    };
    let tree = scratch.path().join("tree");
    let site = tree.join(format!(
        "lib/{}/site-packages",
        order.python.interpreter.name()
    ));
    at("make the environment's folders", fs::create_dir_all(&site))?;
    at(
        "make the environment's folders",
        fs::create_dir_all(tree.join("share")),
    )?;
    let lock = tree.join(LOCK);
    let text = resolve(requested, order, &job, &lock, progress)?;
    let digest = digest_of(&text, &format!("requested {}", order.python.identity));
    let place = trees.join(&digest);
    if place.join(MANIFEST).exists() {
        return Ok(digest);
    }
    if text.lines().any(|line| name_of(line).is_some()) {
        requested.uv.install(&job, &lock, &site, progress)?;
    }
    build::finish(&tree, &site, &order.python.interpreter, &digest, progress)?;
    at(
        "put the environment in its place",
        fs::rename(&tree, &place),
    )?;
    Ok(digest)
}

/// Writes the lock and returns its text.
fn resolve(
    requested: &Requested,
    order: &Order<'_>,
    job: &Job<'_>,
    lock: &Path,
    progress: &dyn Fn(Progress),
) -> Result<String, EnvironmentError> {
    let input = lock.with_file_name("environment.in");
    let mut wanted = order.requirements.join("\n");
    wanted.push('\n');
    at("write the requirements", fs::write(&input, wanted))?;
    let preferred = order.preferred.as_deref().unwrap_or_default();
    at("write the lock", fs::write(lock, preferred))?;
    if !order.requirements.is_empty() {
        requested.uv.compile(job, &input, lock, progress)?;
    }
    let text = at("read the lock", fs::read_to_string(lock))?;
    let allowed = &order.policy.allowed_packages;
    let mut names = text.lines().filter_map(name_of);
    if let Some(name) = names.find(|name| !allowed.is_empty() && !allowed.contains(name)) {
        return Err(refused(format!(
            "`{name}` is not on the operator's list of packages"
        )));
    }
    Ok(text)
}

/// The package that a line of a lock pins.
fn name_of(line: &str) -> Option<String> {
    let is_pin = line.starts_with(|c: char| c.is_ascii_alphanumeric());
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    is_pin.then(|| normal_name(&line[..end.unwrap_or(line.len())]))
}

fn at<T>(doing: &str, result: io::Result<T>) -> Result<T, EnvironmentError> {
    result.map_err(|source| EnvironmentError::host(doing, source))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine::Interpreter;

    use super::*;

    fn python() -> Resolved {
        Resolved {
            interpreter: Interpreter {
                version: (3, 11, 7),
                executable: PathBuf::from("/x"),
                prefix: PathBuf::from("/x"),
                stdlib: PathBuf::from("/x"),
                libraries: vec![],
            },
            identity: "x".into(),
        }
    }

    fn of(texts: &[&str], policy: &InstallPolicy) -> Result<Vec<String>, EnvironmentError> {
        let parsed = texts.iter().map(|text| Dependency::parse(text).unwrap());
        requirements(&parsed.collect::<Vec<_>>(), &python(), policy)
    }

    #[test]
    fn the_last_word_on_a_name_wins_and_the_standard_library_is_skipped() {
        let found = of(
            &["Pandas", "json", "numpy<2", "NumPy==2.1"],
            &InstallPolicy::default(),
        );
        assert_eq!(found.unwrap(), ["numpy==2.1", "pandas"]);
    }

    #[test]
    fn what_would_run_code_on_the_host_is_refused_by_name() {
        let policy = InstallPolicy {
            local_files: true,
            ..InstallPolicy::default()
        };
        for (text, expected) in [
            ("a @ git+https://x.example/a", "built from source"),
            ("a @ file:///srv/a.tar.gz", "built from source"),
        ] {
            let error = of(&[text], &policy).unwrap_err().to_string();
            assert!(error.contains("`a`") && error.contains(expected), "{error}");
        }
        assert!(of(&["a @ file:///srv/a-1-py3-none-any.whl"], &policy).is_ok());
        let error = of(&["a @ file:///srv/a.whl"], &InstallPolicy::default()).unwrap_err();
        assert!(error.to_string().contains("only its operator"), "{error}");
        let conda = Dependency::parse_conda("conda-forge::numpy=1").unwrap();
        let error = requirements(&[conda], &python(), &policy)
            .unwrap_err()
            .to_string();
        assert!(error.contains("Conda"), "{error}");
    }

    #[test]
    fn the_names_of_a_lock_are_read() {
        assert_eq!(
            name_of("Typing_Extensions==4 \\"),
            Some("typing-extensions".into())
        );
        assert_eq!(name_of("    --hash=sha256:ab"), None);
        assert_eq!(name_of("# via x"), None);
    }
}
