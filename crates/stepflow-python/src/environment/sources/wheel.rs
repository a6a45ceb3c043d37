//! Builds a wheel from a source in a guest: confined, without a network, then only its bytes count.

use std::fs;
use std::sync::Arc;

use engine::{
    Environment, EnvironmentChoice, EnvironmentLease, ExecutionReport, ExecutionRequest, InputFile,
    LimitOverrides, Outcome,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Source, WHEELS, tell};
use crate::dependencies::normal_name;
use crate::environment::interpreter::Resolved;
use crate::environment::manager::ManagedEnvironments;
use crate::environment::service::ProgressSink;
use crate::environment::{EnvironmentError, hex};

/// What runs in the guest.
const PROGRAM: &str = include_str!("build.py");
/// A build's limits, cut to the operator's maxima.
const LIMITS: LimitOverrides = LimitOverrides {
    wall_ms: Some(600_000),
    cpu_ms: Some(600_000),
    memory_bytes: Some(4 << 30),
    processes: None,
    workdir_bytes: Some(2 << 30),
    workdir_inodes: Some(100_000),
    output_bytes: None,
    output_hard_bytes: None,
    artifacts: Some(1),
    artifact_bytes: Some(256 << 20),
    source_bytes: None,
};

/// How a source is built. Source: PEP 518 and PEP 517.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BuildSystem {
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default = "legacy_backend")]
    build_backend: String,
    #[serde(default)]
    backend_path: Vec<String>,
}

fn legacy_backend() -> String {
    "setuptools.build_meta:__legacy__".into()
}

/// The requirement that names the wheel of a source: `./wheels/KEY/FILE`.
pub(super) async fn build(
    manager: &ManagedEnvironments,
    python: &Resolved,
    source: Source,
    progress: &ProgressSink,
) -> Result<String, EnvironmentError> {
    let key = key_of(python, &source);
    let place = manager.requested().folder().join(WHEELS).join(&key);
    if let Some(file) = wheel_in(&place) {
        return Ok(format!("./{WHEELS}/{key}/{file}"));
    }
    let build = Build {
        manager,
        python,
        source: &source,
    };
    tell(progress, format!("building {} in a sandbox", source.name));
    let bare = manager.tools(python, &[]).await?;
    let (told, _) = build.step("plan", &bare, None).await?;
    let mut system = build.system(&told)?;
    let tools = manager.tools(python, &system.requires).await?;
    let (more, _) = build.step("requires", &tools, Some(&system)).await?;
    let more: Vec<String> = serde_json::from_value(more)
        .map_err(|_| build.failed("its backend does not say what it needs"))?;
    system.requires.extend(more);
    let tools = manager.tools(python, &system.requires).await?;
    let (_, report) = build.step("wheel", &tools, Some(&system)).await?;
    let [artifact] = report.artifacts.as_slice() else {
        return Err(build.failed("its backend left no single wheel"));
    };
    let file = checked_name(&artifact.name, &source.name);
    let file = file.ok_or_else(|| build.failed("its backend left a wheel of another package"))?;
    let engine = manager.engine()?;
    let found = engine.artifact(report.id, &artifact.name).await;
    let (_, wheel) = found.ok_or_else(|| build.failed("its wheel is gone; ask again"))?;
    let kept = fs::create_dir_all(&place).and_then(|()| {
        // Whole or not at all: another build may look for it.
        let mut whole = tempfile::NamedTempFile::new_in(&place)?;
        std::io::Write::write_all(&mut whole, &wheel)?;
        whole
            .persist(place.join(&file))
            .map_err(|error| error.error)
    });
    kept.map_err(|source| EnvironmentError::host("keep a wheel", source))?;
    Ok(format!("./{WHEELS}/{key}/{file}"))
}

struct Build<'a> {
    manager: &'a ManagedEnvironments,
    python: &'a Resolved,
    source: &'a Source,
}

impl Build<'_> {
    /// Runs one step; returns its last expression.
    async fn step(
        &self,
        step: &str,
        (environment, _held): &(Arc<Environment>, EnvironmentLease),
        system: Option<&BuildSystem>,
    ) -> Result<(Value, ExecutionReport), EnvironmentError> {
        let archive = format!("source{}", self.source.extension);
        let system = serde_json::to_string(&system).unwrap_or_default();
        let request = ExecutionRequest {
            source: PROGRAM.into(),
            args: vec![
                step.into(),
                format!("/code/input/{archive}"),
                self.source.subdirectory.clone(),
                system,
            ],
            files: vec![InputFile {
                name: archive,
                content: self.source.archive.clone(),
            }],
            limits: LIMITS,
            gives_way: true,
            environment: EnvironmentChoice::Built(Arc::clone(environment)),
            ..ExecutionRequest::default()
        };
        let execution = self.manager.engine()?.execute(request).await;
        let report = match execution {
            Ok(execution) => execution.finish().await,
            Err(error) => Err(error),
        };
        let report = report.map_err(|error| self.failed(&error.to_string()))?;
        match &report.outcome {
            Outcome::Completed(value) => {
                let value = value.json.clone().unwrap_or_default();
                Ok((value, report))
            }
            other => Err(self.failed(&reason(other, &report))),
        }
    }

    /// What the source's `pyproject.toml` says, else what `setup.py` means.
    fn system(&self, told: &Value) -> Result<BuildSystem, EnvironmentError> {
        let legacy = || BuildSystem {
            requires: vec!["setuptools>=40.8".into(), "wheel".into()],
            build_backend: legacy_backend(),
            backend_path: Vec::new(),
        };
        let Some(text) = told["pyproject"].as_str() else {
            let is_project = told["setup"] == Value::Bool(true);
            return is_project
                .then(legacy)
                .ok_or_else(|| self.failed("it has neither a pyproject.toml nor a setup.py"));
        };
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Document {
            build_system: Option<BuildSystem>,
        }
        let document: Document = toml::from_str(text)
            .map_err(|error| self.failed(&format!("its pyproject.toml: {}", error.message())))?;
        Ok(document.build_system.unwrap_or_else(legacy))
    }

    fn failed(&self, reason: &str) -> EnvironmentError {
        EnvironmentError::Packages {
            said: format!(
                "`{}` cannot be built from source on Python {}: {reason}",
                self.source.name,
                self.python.interpreter.version_text()
            ),
        }
    }
}

/// The last lines that say why a build ended.
fn reason(outcome: &Outcome, report: &ExecutionReport) -> String {
    let (text, _) = report.stderr.text();
    let lines: Vec<&str> = text.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(6)..].join("\n");
    match outcome {
        Outcome::LimitExceeded(limit) => format!("it reached the {} limit", limit.name()),
        Outcome::Completed(_)
        | Outcome::Raised(_)
        | Outcome::Rejected(_)
        | Outcome::Crashed(_)
        | Outcome::Cancelled => last,
    }
}

/// One folder per source and interpreter.
fn key_of(python: &Resolved, source: &Source) -> String {
    let mut hasher = Sha256::new();
    for part in [
        python.identity.as_bytes(),
        source.subdirectory.as_bytes(),
        source.name.as_bytes(),
        &source.archive,
    ] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())[..32].to_owned()
}

fn wheel_in(folder: &std::path::Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| name.ends_with(".whl"))
}

/// A guest chose the name: one plain component that is a wheel of the package that was asked for.
fn checked_name(name: &str, package: &str) -> Option<String> {
    let is_plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.+!".contains(c));
    let (stem, _) = name.split_once('-')?;
    let is_wheel = name.ends_with(".whl") && normal_name(stem) == package;
    (is_plain && is_wheel && !name.starts_with('.')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_name_another_file_or_package() {
        let check = |name: &str| checked_name(name, "a-b").is_some();
        assert!(check("A_B-1.0-py3-none-any.whl"));
        for bad in [
            "../a_b-1.whl",
            "c-1.0-py3-none-any.whl",
            "a_b-1.0.tar.gz",
            "a_b\n-1.whl",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }
}
