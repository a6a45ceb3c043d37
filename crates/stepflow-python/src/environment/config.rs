//! What an environment is asked to be, in the seed's words, and the name it gets.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::security::SecuritySettings;

/// A handle on an environment's digest. An install moves it to another digest.
///
/// Shape: a UUID of version 4, in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(Uuid);

impl EnvironmentId {
    /// A new one, unlike any other.
    #[expect(
        clippy::new_without_default,
        reason = "the seed's name; a default would be random"
    )]
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for EnvironmentId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// What an environment is asked to be. Source: the union of the two in seed 003.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentConfig {
    /// `3.11` or `3.11.7`; empty for the Python of the default environment.
    pub python_version: String,
    /// Requirements. Names of the standard library are skipped. Source: PEP 508.
    pub base_packages: Vec<String>,
    /// Folder for environments instead of the one below the state folder.
    pub virtual_env_path: Option<String>,
    /// How the index is asked.
    pub pip_config: Option<PipConfig>,
    /// What its programs may touch.
    pub security_settings: SecuritySettings,
    /// Whether the least recently used goes when there are too many.
    pub auto_cleanup: bool,
    /// Most environments.
    pub max_environments: usize,
}

impl Default for EnvironmentConfig {
    fn default() -> Self {
        Self {
            python_version: String::new(),
            base_packages: Vec::new(),
            virtual_env_path: None,
            pip_config: None,
            security_settings: SecuritySettings::default(),
            auto_cleanup: true,
            max_environments: 100,
        }
    }
}

/// How the package index is asked. Source: seed 003, "PipConfig".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipConfig {
    /// The index instead of the public one.
    pub index_url: Option<String>,
    /// Indexes asked first.
    pub extra_index_urls: Vec<String>,
    /// Hosts whose certificates are not checked.
    pub trusted_hosts: Vec<String>,
    /// For one request.
    pub timeout: Duration,
    /// Of one request.
    pub retries: u32,
}

impl Default for PipConfig {
    fn default() -> Self {
        Self {
            index_url: None,
            extra_index_urls: Vec::new(),
            trusted_hosts: Vec::new(),
            timeout: Duration::from_secs(30),
            retries: 3,
        }
    }
}

/// What the operator allows, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallPolicy {
    /// Normalised names that may be installed, also as somebody's dependency; empty for all.
    pub allowed_packages: Vec<String>,
    /// Whether only what is in the cache may be used.
    pub offline: bool,
    /// Whether requirements may name files of this host.
    pub local_files: bool,
    /// Whether what has no wheel is built from its source, in a guest without a network.
    pub source_builds: bool,
    /// Hosts that Git may be asked for sources; none when empty, for callers choose the address.
    pub git_hosts: Vec<String>,
    /// What fetches Conda packages instead of `micromamba`, `mamba` or `conda` on PATH.
    pub conda: Option<PathBuf>,
    /// What all environments may take on disk. Unit: bytes.
    pub most_bytes: u64,
    /// For one build.
    pub timeout: Duration,
}

impl Default for InstallPolicy {
    fn default() -> Self {
        Self {
            allowed_packages: Vec::new(),
            offline: false,
            local_files: false,
            source_builds: false,
            git_hosts: Vec::new(),
            conda: None,
            most_bytes: 20 << 30,
            timeout: Duration::from_secs(600),
        }
    }
}
