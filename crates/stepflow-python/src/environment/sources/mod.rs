//! Wheels of what has none: the source is fetched here and built in a guest, without a network.
//!
//! Nothing of a package runs on the host. What fetches only copies; a confined execution builds
//! with the backend that the source names, and its wheel is installed like any other. Only an
//! operator turns this on (`InstallPolicy::source_builds`).

mod fetch;
mod wheel;

pub(super) use self::fetch::is_wheel;

use bytes::Bytes;

use super::config::PipConfig;
use super::interpreter::Resolved;
use super::manager::ManagedEnvironments;
use super::service::ProgressSink;
use super::{EnvironmentError, Progress, said};
use crate::dependencies::{Dependency, DependencySource, normal_name};

/// Below the folder of requested environments: wheels that were built here.
pub(super) const WHEELS: &str = "wheels";

/// A source that nobody has looked into.
struct Source {
    /// Of the distribution, normalised.
    name: String,
    /// `.tar.gz`, `.tar` or `.zip`.
    extension: &'static str,
    archive: Bytes,
    /// The project's folder in it; empty for the top.
    subdirectory: String,
}

impl ManagedEnvironments {
    /// The same requirements with wheels of our own for those that name a source.
    pub(super) async fn with_wheels(
        &self,
        python: &Resolved,
        requirements: Vec<String>,
        progress: &ProgressSink,
    ) -> Result<Vec<String>, EnvironmentError> {
        let mut settled = Vec::new();
        for text in requirements {
            let parsed = Dependency::parse(&text);
            let parsed = parsed.map_err(|error| EnvironmentError::Refused {
                reason: error.to_string(),
            })?;
            let is_source = match parsed.source {
                DependencySource::Git => true,
                DependencySource::Local => !fetch::is_wheel(&text),
                DependencySource::PyPI | DependencySource::Conda => false,
            };
            if !is_source {
                settled.push(text);
                continue;
            }
            tell(progress, format!("fetching the source of {}", parsed.name));
            let source = fetch::direct(self.requested(), self.policy(), &parsed).await?;
            settled.push(wheel::build(self, python, source, progress).await?);
        }
        Ok(settled)
    }

    /// A wheel for the package that the installer found none of; `None` if it said something else.
    pub(super) async fn missing_wheel(
        &self,
        python: &Resolved,
        requirements: &[String],
        pip: &PipConfig,
        (said, progress): (&str, &ProgressSink),
    ) -> Result<Option<String>, EnvironmentError> {
        let Some(name) = said::without_wheel(said).map(normal_name) else {
            return Ok(None);
        };
        tell(progress, format!("fetching the source of {name}"));
        let policy = self.policy();
        let found =
            fetch::of_index(self.requested(), policy, python, &name, requirements, pip).await?;
        match found {
            Some(source) => Ok(Some(wheel::build(self, python, source, progress).await?)),
            None => Ok(None),
        }
    }
}

fn tell(progress: &ProgressSink, text: String) {
    progress(Progress {
        step: "sources",
        done: 0,
        total: 1,
        text,
    });
}

/// The distribution of a wheel of ours that a line of requirements or of a lock names.
pub(super) fn name_of_wheel(line: &str) -> Option<String> {
    let path = line.strip_prefix("./")?.strip_prefix(WHEELS)?;
    let file = path.split(' ').next()?.rsplit('/').next()?;
    let (name, _) = file.split_once('-')?;
    Some(normal_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_of_ours_has_the_name_of_its_file() {
        let line = "./wheels/ab12/Source_Only-1.0-py3-none-any.whl \\";
        assert_eq!(name_of_wheel(line), Some("source-only".into()));
        assert_eq!(name_of_wheel("numpy==1 \\"), None);
    }
}
