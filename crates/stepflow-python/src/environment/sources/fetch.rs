//! Fetches source archives: from an index, from Git, from a file or folder of this host.
//!
//! `git` works in a bare folder of its own without hooks, filters or submodules, and the index is
//! read by a script of ours. Neither unpacks or runs what it brings.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use bytes::Bytes;
use pep508_rs::pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::Source;
use crate::dependencies::{Dependency, DependencySource, admits, normal_name};
use crate::environment::config::{InstallPolicy, PipConfig};
use crate::environment::interpreter::Resolved;
use crate::environment::program::{self, RunError};
use crate::environment::requested::Requested;
use crate::environment::{EnvironmentError, hex};

/// Lists and downloads source archives. argv: a file with JSON to read, a file to write.
const INDEX_SCRIPT: &str = include_str!("index.py");
/// Largest archive that is fetched. Unit: bytes.
const MOST_BYTES: u64 = 256 << 20;
const ARCHIVES: [&str; 3] = [".tar.gz", ".zip", ".tar"];

/// One source archive of an index.
#[derive(Debug, Clone, Deserialize)]
struct Listed {
    filename: String,
    url: String,
    sha256: Option<String>,
    requires_python: Option<String>,
    yanked: bool,
}

/// Whether a direct reference names a wheel.
pub(in crate::environment) fn is_wheel(requirement: &str) -> bool {
    let path = requirement.split([';', '#', ' ']);
    path.into_iter().any(|part| part.ends_with(".whl"))
}

/// The source that a direct reference names.
pub(super) async fn direct(
    requested: &Requested,
    policy: &InstallPolicy,
    wanted: &Dependency,
) -> Result<Source, EnvironmentError> {
    let scratch = scratch(requested)?;
    let reference = Reference::of(wanted)?;
    let (is_git, local_files) = (wanted.source == DependencySource::Git, policy.local_files);
    if is_git && policy.offline {
        return Err(refused(&wanted.name, "Git is not asked while offline"));
    }
    if is_git {
        let host = reference.host();
        let is_known = policy.git_hosts.iter().any(|known| known == host);
        let is_own = local_files && host.is_empty();
        if !is_known && !is_own {
            let what =
                format!("`{host}` is not on the operator's list of Git hosts (HOGNOSE_GIT_HOSTS)");
            return Err(refused(&wanted.name, &what));
        }
    }
    let deadline = Instant::now() + policy.timeout;
    let name = wanted.name.clone();
    blocking(move || {
        let (archive, extension) = if is_git {
            (
                git(&scratch, &name, &reference, local_files, deadline)?,
                ".tar",
            )
        } else {
            local(&scratch, &name, &reference.place, deadline)?
        };
        Ok(Source {
            name,
            extension,
            archive,
            subdirectory: reference.subdirectory,
        })
    })
    .await
}

/// The newest source archive that the requirements admit; `None` if the index has none.
pub(super) async fn of_index(
    requested: &Requested,
    policy: &InstallPolicy,
    python: &Resolved,
    name: &str,
    requirements: &[String],
    pip: &PipConfig,
) -> Result<Option<Source>, EnvironmentError> {
    if policy.offline {
        return Err(refused(
            name,
            "an index is not asked for sources while offline",
        ));
    }
    let scratch = scratch(requested)?;
    let indexes = requested.uv.indexes(pip, scratch.path())?;
    let interpreter = &python.interpreter;
    let asked = json!({
        "name": name, "indexes": indexes, "timeout": pip.timeout.as_secs().max(1),
        "retries": pip.retries, "trusted": pip.trusted_hosts, "most_bytes": MOST_BYTES,
    });
    let (executable, version) = (interpreter.executable.clone(), interpreter.version_text());
    let deadline = Instant::now() + policy.timeout;
    let (name, requirements) = (name.to_owned(), requirements.to_vec());
    blocking(move || {
        let script = Script {
            executable: &executable,
            scratch: scratch.path(),
            deadline,
        };
        let listed = script.run(&name, &asked)?;
        let listed: Vec<Listed> = serde_json::from_slice(&listed)
            .map_err(|error| refused(&name, &format!("the index cannot be read: {error}")))?;
        let Some(chosen) = newest(listed, &name, &version, &requirements) else {
            return Ok(None);
        };
        let mut asked = asked;
        asked["url"] = chosen.url.clone().into();
        let archive = script.run(&name, &asked)?;
        let digest = hex(&Sha256::digest(&archive));
        if chosen.sha256.is_some_and(|expected| expected != digest) {
            return Err(refused(
                &name,
                "its archive is not what the index says it is",
            ));
        }
        Ok(Some(Source {
            extension: extension_of(&chosen.filename).unwrap_or(".tar.gz"),
            name,
            archive: archive.into(),
            subdirectory: String::new(),
        }))
    })
    .await
}

/// The newest one that may be used; pre-releases only when there is nothing else.
fn newest(
    listed: Vec<Listed>,
    name: &str,
    python: &str,
    requirements: &[String],
) -> Option<Listed> {
    let python = Version::from_str(python).ok()?;
    let fits = |one: &Listed| {
        let wanted = one.requires_python.as_deref().unwrap_or_default();
        let wanted = VersionSpecifiers::from_str(wanted);
        !one.yanked && wanted.is_ok_and(|wanted| wanted.contains(&python))
    };
    let with_version = listed.into_iter().filter(fits).filter_map(|one| {
        let version = version_of(&one.filename, name)?;
        let admitted = requirements.iter().all(|text| admits(text, name, &version));
        admitted.then_some((!version.any_prerelease(), version, one))
    });
    let best = with_version.max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    best.map(|(_, _, one)| one)
}

/// Source: PEP 625, and the older names that have more hyphens.
fn version_of(filename: &str, name: &str) -> Option<Version> {
    let stem = filename.strip_suffix(extension_of(filename)?)?;
    let (before, version) = stem.rsplit_once('-')?;
    let version = Version::from_str(version).ok()?;
    (normal_name(before) == name).then_some(version)
}

fn extension_of(filename: &str) -> Option<&'static str> {
    ARCHIVES.into_iter().find(|end| filename.ends_with(end))
}

/// What a direct reference says.
struct Reference {
    /// An address for `git`, or a path of this host.
    place: String,
    /// A branch, a tag or a commit.
    revision: Option<String>,
    subdirectory: String,
}

impl Reference {
    /// Without user and port; empty for a path of this host.
    fn host(&self) -> &str {
        let (_, rest) = self.place.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        host.split(':').next().unwrap_or_default()
    }

    /// Shape: `name @ git+SCHEME://PLACE[@REVISION][#subdirectory=FOLDER]` or `name @ file://PATH`.
    fn of(wanted: &Dependency) -> Result<Self, EnvironmentError> {
        let text = wanted.to_requirement();
        let wrong = |what| refused(&wanted.name, what);
        let (_, url) = text
            .split_once('@')
            .ok_or_else(|| wrong("it names no place"))?;
        let url = url.split(" ;").next().unwrap_or(url).trim();
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let folder = fragment
            .split('&')
            .find_map(|part| part.strip_prefix("subdirectory="));
        let subdirectory = folder.unwrap_or_default().to_owned();
        if subdirectory.split('/').any(|part| part == "..") || subdirectory.starts_with('/') {
            return Err(wrong("its subdirectory must lie within the source"));
        }
        let Some(url) = url.strip_prefix("git+") else {
            let path = url.strip_prefix("file://").or(url.strip_prefix("file:"));
            let path = path.ok_or_else(|| wrong("a local source is named by `file:///PATH`"))?;
            return Ok(Self {
                place: path.to_owned(),
                revision: None,
                subdirectory,
            });
        };
        let path = url.find("://").map_or(0, |at| at + 3);
        let path = path + url[path..].find('/').unwrap_or(0);
        let (place, revision) = match url[path..].rsplit_once('@') {
            Some((before, revision)) => (&url[..path + before.len()], Some(revision.to_owned())),
            None => (url, None),
        };
        if revision
            .as_ref()
            .is_some_and(|text| text.is_empty() || text.starts_with('-'))
        {
            return Err(wrong("its revision must be a branch, a tag or a commit"));
        }
        Ok(Self {
            place: place.to_owned(),
            revision,
            subdirectory,
        })
    }
}

/// A commit's tree as a tar archive.
fn git(
    scratch: &TempDir,
    name: &str,
    reference: &Reference,
    local_files: bool,
    deadline: Instant,
) -> Result<Bytes, EnvironmentError> {
    let repository = scratch.path().join("repository");
    let archive = scratch.path().join("source.tar");
    let revision = reference.revision.as_deref().unwrap_or("HEAD");
    let protocols = if local_files {
        "https:ssh:file"
    } else {
        "https:ssh"
    };
    let at = |command: &mut std::process::Command| {
        let command = command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("HOME", "/nonexistent");
        program::run(command, Some(deadline), &mut |_| {})
            .map_err(|failed| said(name, "git", failed))
    };
    let program = Path::new("git");
    at(program::bare_command(program)
        .args(["init", "--quiet", "--bare", "--template="])
        .arg(&repository))?;
    at(program::bare_command(program)
        .arg("-C")
        .arg(&repository)
        // A host of the list must not send us to another one.
        .args(["-c", "http.followRedirects=false"])
        .args(["fetch", "--quiet", "--depth", "1", "--no-tags", "--"])
        .args([&reference.place, revision]))?;
    at(program::bare_command(program)
        .arg("-C")
        .arg(&repository)
        .args(["archive", "--format=tar", "--prefix=source/", "-o"])
        .arg(&archive)
        .arg("FETCH_HEAD"))?;
    read(&archive, name)
}

/// An archive as it is, a folder as a tar archive of it.
fn local(
    scratch: &TempDir,
    name: &str,
    path: &str,
    deadline: Instant,
) -> Result<(Bytes, &'static str), EnvironmentError> {
    let place = PathBuf::from(path);
    if let Some(extension) = extension_of(path) {
        return Ok((read(&place, name)?, extension));
    }
    if !place.is_dir() {
        return Err(refused(
            name,
            "a local source is a folder, a .tar.gz, a .tar or a .zip",
        ));
    }
    let archive = scratch.path().join("source.tar");
    let mut tar = program::bare_command(Path::new("tar"));
    tar.args(["--exclude-vcs", "--transform", "s,^\\.,source,", "-cf"])
        .arg(&archive)
        .arg("-C")
        .arg(&place)
        .arg(".");
    program::run(&mut tar, Some(deadline), &mut |_| {})
        .map_err(|failed| said(name, "tar", failed))?;
    Ok((read(&archive, name)?, ".tar"))
}

/// The script that reads an index, on the interpreter of the environment, with its own modules.
struct Script<'a> {
    executable: &'a Path,
    scratch: &'a Path,
    deadline: Instant,
}

impl Script<'_> {
    fn run(&self, name: &str, asked: &serde_json::Value) -> Result<Vec<u8>, EnvironmentError> {
        let (question, answer) = (self.scratch.join("question"), self.scratch.join("answer"));
        let written = fs::write(&question, asked.to_string());
        written.map_err(|source| EnvironmentError::host("ask the index", source))?;
        let mut script = program::bare_command(self.executable);
        script
            .args(["-I", "-S", "-c", INDEX_SCRIPT])
            .arg(&question)
            .arg(&answer);
        program::run(&mut script, Some(self.deadline), &mut |_| {})
            .map_err(|failed| said(name, "the index", failed))?;
        fs::read(answer).map_err(|source| EnvironmentError::host("read the index", source))
    }
}

fn read(path: &Path, name: &str) -> Result<Bytes, EnvironmentError> {
    let found = fs::metadata(path).map_err(|error| refused(name, &error.to_string()))?;
    if !found.is_file() || found.len() > MOST_BYTES {
        return Err(refused(name, "its source is no file of at most 256 MiB"));
    }
    let content = fs::read(path).map_err(|error| refused(name, &error.to_string()))?;
    Ok(content.into())
}

fn scratch(requested: &Requested) -> Result<TempDir, EnvironmentError> {
    let made = tempfile::Builder::new()
        .prefix(".source-")
        .tempdir_in(requested.folder().join("trees"));
    made.map_err(|source| EnvironmentError::host("make the source's folder", source))
}

fn refused(name: &str, reason: &str) -> EnvironmentError {
    EnvironmentError::Refused {
        reason: format!("`{name}` cannot be built from source: {reason}"),
    }
}

fn said(name: &str, tool: &str, failed: RunError) -> EnvironmentError {
    let what = match failed {
        RunError::Failed(said) => format!("{tool} said: {said}"),
        RunError::TooLong => format!("{tool} took too long"),
        RunError::Host(source) => format!("{tool} cannot be run here ({source})"),
    };
    refused(name, &what)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EnvironmentError> + Send + 'static,
) -> Result<T, EnvironmentError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| EnvironmentError::Refused {
        reason: "the fetch broke off; ask again".into(),
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(filename: &str, requires_python: &str, yanked: bool) -> Listed {
        Listed {
            filename: filename.into(),
            url: filename.into(),
            sha256: None,
            requires_python: Some(requires_python.into()),
            yanked,
        }
    }

    #[test]
    fn the_newest_archive_that_everybody_admits_is_taken() {
        let all = || {
            vec![
                listed("a-1.0.tar.gz", "", false),
                listed("a-1.10.zip", ">=3.9", false),
                listed("a-1.9.tar.gz", "", false),
                listed("a-2.0rc1.tar.gz", "", false),
                listed("a-3.0.tar.gz", ">=3.99", false),
                listed("a-4.0.tar.gz", "", true),
                listed("a-5.0.whl", "", false),
                listed("a-b-6.0.tar.gz", "", false),
            ]
        };
        let check = |requirement: &str| {
            newest(all(), "a", "3.11.7", &[requirement.to_owned()]).map(|one| one.filename)
        };
        assert_eq!(check("a"), Some("a-1.10.zip".into()));
        assert_eq!(check("a<1.10"), Some("a-1.9.tar.gz".into()));
        assert_eq!(check("b<1"), Some("a-1.10.zip".into()));
        assert_eq!(check("a==7"), None);
    }

    #[test]
    fn a_reference_is_taken_apart() {
        let of = |text: &str| {
            let found = Reference::of(&Dependency::parse(text).unwrap()).unwrap();
            (found.place, found.revision, found.subdirectory)
        };
        let git = "a @ git+ssh://git@x.example/o/a.git@v1.0#subdirectory=python/a";
        let expected = "ssh://git@x.example/o/a.git".to_owned();
        assert_eq!(of(git), (expected, Some("v1.0".into()), "python/a".into()));
        let plain = "a @ git+https://x.example/a";
        assert_eq!(
            of(plain),
            ("https://x.example/a".into(), None, String::new())
        );
        let local = "a @ file:///srv/a-1.tar.gz";
        assert_eq!(of(local), ("/srv/a-1.tar.gz".into(), None, String::new()));
        let host = |text: &str| {
            let found = Reference::of(&Dependency::parse(text).unwrap()).unwrap();
            found.host().to_owned()
        };
        assert_eq!(host(git), "x.example");
        assert_eq!(
            host("a @ git+https://good.example:1@10.0.0.1:80/a"),
            "10.0.0.1"
        );
        assert_eq!(host("a @ git+file:///srv/a"), "");
        for bad in [
            "a @ git+https://x.example/a@-upload-pack=x",
            "a @ git+https://x.example/a#subdirectory=../..",
        ] {
            assert!(
                Reference::of(&Dependency::parse(bad).unwrap()).is_err(),
                "{bad}"
            );
        }
    }
}
