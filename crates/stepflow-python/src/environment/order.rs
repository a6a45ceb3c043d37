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
use super::{
    EnvironmentError, MANIFEST, Progress, build, bytecode, conda, digest_of, ending, sources,
};
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
        if is_known_standard_library(python.interpreter.version.1, &dependency.name) {
            continue;
        }
        let parsed = Dependency::parse(&text).map_err(|error| refused(error.to_string()))?;
        match parsed.source {
            DependencySource::PyPI | DependencySource::Conda => {}
            DependencySource::Local if !policy.local_files => {
                return Err(refused(format!(
                    "`{}` names a file of this host, which only its operator may install",
                    parsed.name
                )));
            }
            DependencySource::Local if sources::is_wheel(&text) => {}
            DependencySource::Local | DependencySource::Git if policy.source_builds => {}
            DependencySource::Local | DependencySource::Git => {
                return Err(refused(format!(
                    "`{}` would have to be built from source, which only the operator can allow (HOGNOSE_SOURCE_BUILDS=1); name a version that has a wheel",
                    parsed.name
                )));
            }
        }
        wanted.insert(parsed.name.clone(), parsed.to_requirement());
    }
    Ok(wanted.into_values().collect())
}

/// Whether a requirement is `channel::name=version`.
fn is_conda(requirement: &str) -> bool {
    Dependency::parse(requirement).is_ok_and(|one| one.source == DependencySource::Conda)
}

fn refused(reason: String) -> EnvironmentError {
    EnvironmentError::Refused { reason }
}

/// Builds what is not there yet; returns what `keep` makes of its digest, which has to keep others
/// from removing the tree: it is asked before it is looked whether there is one.
pub(super) fn fulfil<K>(
    requested: &Requested,
    order: &Order<'_>,
    keep: impl FnOnce(&str) -> K,
    progress: &dyn Fn(Progress),
) -> Result<K, EnvironmentError> {
    let trees = requested.folder().join("trees");
    let _build = ending::Build::begin();
    let scratch = tempfile::Builder::new()
        .prefix(".build-")
        .tempdir_in(&trees);
    let scratch = at("make the build's folder", scratch)?;
    let job = Job {
        python: &order.python.interpreter.executable,
        folder: requested.folder(),
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
    let from_conda = fetch_from_conda(order, &scratch.path().join("conda"), &job)?;
    let text = resolve(requested, order, &from_conda, &job, &lock, progress)?;
    let digest = digest_of(&text, &format!("requested {}", order.python.identity));
    let kept = keep(&digest);
    let place = trees.join(&digest);
    if place.join(MANIFEST).exists() {
        return Ok(kept);
    }
    if text
        .lines()
        .any(|line| !line.starts_with('#') && name_of(line).is_some())
    {
        requested.uv.install(&job, &lock, &site, progress)?;
    }
    for fetched in &from_conda {
        conda::install(fetched, &site)?;
    }
    bytecode::compile(job.python, &site, Some(job.deadline), progress)?;
    build::finish(&tree, &site, &order.python.interpreter, &digest, progress)?;
    at(
        "put the environment in its place",
        fs::rename(&tree, &place),
    )?;
    Ok(kept)
}

/// Packages that are named `channel::name=version`.
fn fetch_from_conda(
    order: &Order<'_>,
    scratch: &Path,
    job: &Job<'_>,
) -> Result<Vec<conda::Fetched>, EnvironmentError> {
    let named = order.requirements.iter().filter(|text| is_conda(text));
    let fetch = |(number, text): (usize, &String)| {
        if order.policy.offline {
            return Err(refused(format!("`{text}` is not fetched while offline")));
        }
        let folder = scratch.join(number.to_string());
        let with = (order.policy.conda.as_deref(), folder.as_path());
        conda::fetch(text, &order.python.interpreter, with, job.deadline)
    };
    named.enumerate().map(fetch).collect()
}

/// Writes the lock and returns its text.
fn resolve(
    requested: &Requested,
    order: &Order<'_>,
    from_conda: &[conda::Fetched],
    job: &Job<'_>,
    lock: &Path,
    progress: &dyn Fn(Progress),
) -> Result<String, EnvironmentError> {
    let input = lock.with_file_name("environment.in");
    let of_index = order.requirements.iter().filter(|text| !is_conda(text));
    let wanted = of_index.chain(from_conda.iter().flat_map(|one| &one.requires));
    let wanted: String = wanted.map(|text| format!("{text}\n")).collect();
    let is_empty = wanted.is_empty();
    at("write the requirements", fs::write(&input, wanted))?;
    let preferred = order.preferred.as_deref().unwrap_or_default();
    at("write the lock", fs::write(lock, preferred))?;
    if !is_empty {
        requested.uv.compile(job, &input, lock, progress)?;
    }
    let mut text = at("read the lock", fs::read_to_string(lock))?;
    for fetched in from_conda {
        text.push_str(&fetched.pin);
        text.push('\n');
    }
    at("write the lock", fs::write(lock, &text))?;
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
    if let Some(name) = sources::name_of_wheel(line) {
        return Some(name);
    }
    let line = line.strip_prefix("# conda ").unwrap_or(line);
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
    }

    #[test]
    fn the_names_of_a_lock_are_read() {
        assert_eq!(
            name_of("Typing_Extensions==4 \\"),
            Some("typing-extensions".into())
        );
        assert_eq!(name_of("# conda tqdm=4=0 sha256:ab"), Some("tqdm".into()));
        assert_eq!(name_of("    --hash=sha256:ab"), None);
        assert_eq!(name_of("# via x"), None);
    }
}
