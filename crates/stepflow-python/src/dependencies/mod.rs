//! What a source needs beside the standard library, and what of it an environment lacks.
//!
//! A name of an import is not a name of a distribution. Which distribution an import needs is taken
//! from the metadata of the environment at hand or from a small curated table; a name that neither
//! knows stays unknown and is never installed: whoever registers it would run in our guests.

mod files;
mod imports;
mod requirement;
mod source;

use serde::{Deserialize, Serialize};

pub use self::files::{pyproject, requirements_file, script};
pub use self::imports::{Origin, Scope};
pub(crate) use self::requirement::{Lack, admits, is_python, lack};
pub use self::requirement::{normal_name, satisfied};
pub(crate) use self::source::of_source;

/// A distribution that is needed. Source: seed 003, "Dependency".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Its name, normalised where it comes from a requirement. Source: PEP 503.
    pub name: String,
    /// The version it is pinned to, if it is.
    pub version: Option<String>,
    /// Where it comes from.
    pub source: DependencySource,
    /// Requirements as PEP 508 writes them; for Git and Local the first is the direct reference,
    /// for Conda `channel::name=version`.
    pub requirements: Vec<String>,
}

/// Where a distribution comes from. Source: seed 003, "DependencySource".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the seed's variants are proper names")]
pub enum DependencySource {
    #[default]
    PyPI,
    Conda,
    Git,
    Local,
}

/// Why a text names no dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// It is no requirement.
    #[error("`{text}` is no requirement: {reason}")]
    Requirement {
        /// As it was given, cut to its first line.
        text: String,
        /// What is wrong, in one line.
        reason: String,
    },
    /// A file of requirements has a line that we do not take.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A document that holds requirements cannot be read.
    #[error("{document}: {reason}")]
    Document {
        /// `pyproject.toml`, `the script's metadata`.
        document: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl Dependency {
    /// Reads one requirement: a name with versions, extras and markers, a direct reference, or
    /// Conda's `channel::name=version`.
    ///
    /// Errors: what PEP 508 does not allow; a direct reference that is neither Git nor a local file.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        requirement::parse(text)
    }

    /// Reads `channel::name=version`; channel and version may be missing.
    pub fn parse_conda(text: &str) -> Result<Self, DependencyError> {
        requirement::parse_conda(text)
    }

    /// The text an installer takes: the first requirement, else name and version.
    #[must_use]
    pub fn to_requirement(&self) -> String {
        match (self.requirements.first(), &self.version) {
            (Some(first), _) => first.clone(),
            (None, Some(version)) if version.starts_with(['<', '>', '=', '!', '~']) => {
                format!("{}{version}", self.name)
            }
            (None, Some(version)) => format!("{}=={version}", self.name),
            (None, None) => self.name.clone(),
        }
    }
}
