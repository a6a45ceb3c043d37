//! What of the host a guest sees, read from `policies/mounts.toml`.
//!
//! Every path is absolute, normalised and named once, and every entry has a reason; a file that
//! breaks this is refused whole.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::policy::PolicyError;

/// The trees, devices, files and links of a guest's root, beside those of the plan itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountPolicy {
    /// Trees and files of the host, at the same path inside, read-only.
    #[serde(rename = "bind")]
    pub binds: Vec<Bind>,
    /// Devices of the host, bound.
    #[serde(rename = "device")]
    pub devices: Vec<Device>,
    /// Files whose content is ours.
    #[serde(rename = "file")]
    pub files: Vec<GeneratedFile>,
    /// Links we make.
    #[serde(rename = "symlink")]
    pub symlinks: Vec<Symlink>,
}

/// A tree or a file of the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// On the host and inside; if links lead elsewhere, what they lead to is bound at this path.
    pub path: PathBuf,
    /// Whether a host without it is fine.
    #[serde(default)]
    pub optional: bool,
    /// Who needs it.
    pub reason: String,
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// On the host and inside.
    pub path: PathBuf,
    /// Who needs it.
    pub reason: String,
}

/// A file that exists inside only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratedFile {
    /// Inside.
    pub path: PathBuf,
    /// The whole file.
    pub content: String,
    /// Who needs it.
    pub reason: String,
}

/// A link that exists inside only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symlink {
    /// Inside.
    pub path: PathBuf,
    /// As written into the link; relative to its folder unless absolute.
    pub target: PathBuf,
    /// Who needs it.
    pub reason: String,
}

impl MountPolicy {
    /// The policy this program was built with. No request and no variable changes it.
    pub fn embedded() -> Result<Self, PolicyError> {
        Self::parse(include_str!("../../../../policies/mounts.toml"))
    }

    /// Reads a policy.
    ///
    /// Errors: the first entry without a reason, and the first path that is relative, has `.`, `..`
    /// or a doubled slash, or was named before.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = toml::from_str(text).map_err(|source| PolicyError::Parse {
            file: "mounts.toml",
            source,
        })?;
        let mut seen = BTreeSet::new();
        for (path, reason) in policy.entries() {
            if !is_normal(path) || !seen.insert(path) {
                return Err(PolicyError::Path(path.display().to_string()));
            }
            if reason.trim().is_empty() {
                return Err(PolicyError::NoReason {
                    entry: path.display().to_string(),
                });
            }
        }
        Ok(policy)
    }

    fn entries(&self) -> impl Iterator<Item = (&Path, &str)> {
        let binds = self
            .binds
            .iter()
            .map(|entry| (entry.path.as_path(), entry.reason.as_str()));
        let devices = self
            .devices
            .iter()
            .map(|entry| (entry.path.as_path(), entry.reason.as_str()));
        let files = self
            .files
            .iter()
            .map(|entry| (entry.path.as_path(), entry.reason.as_str()));
        let links = self
            .symlinks
            .iter()
            .map(|entry| (entry.path.as_path(), entry.reason.as_str()));
        binds.chain(devices).chain(files).chain(links)
    }
}

/// Absolute, below the root, and spelt as its components are: no `.`, `..`, `//` or closing slash.
fn is_normal(path: &Path) -> bool {
    let mut components = path.components();
    let rooted = components.next() == Some(Component::RootDir);
    let names: Vec<_> = components
        .map(|component| component.as_os_str().to_string_lossy())
        .collect();
    let plain = !names.iter().any(|name| name == "..");
    rooted
        && plain
        && !names.is_empty()
        && path.as_os_str() == format!("/{}", names.join("/")).as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bind(entry: &str) -> Result<MountPolicy, PolicyError> {
        MountPolicy::parse(&format!(
            "device = []\nfile = []\nsymlink = []\nbind = [{entry}]"
        ))
    }

    #[test]
    fn the_embedded_policy_holds_its_own_rules() {
        let policy = MountPolicy::embedded().unwrap();
        assert!(policy.entries().count() > 15);
        for (path, reason) in policy.entries() {
            assert!(is_normal(path), "{}", path.display());
            assert!(reason.len() > 10, "{} needs a reason", path.display());
        }
    }

    #[test]
    fn nothing_of_the_host_but_libraries_data_and_a_shell_is_bound() {
        let policy = MountPolicy::embedded().unwrap();
        for bind in &policy.binds {
            let below = ["/usr/lib", "/usr/lib64", "/usr/share"]
                .iter()
                .any(|tree| bind.path.starts_with(tree));
            assert!(
                below || bind.path == Path::new("/usr/bin/sh"),
                "{}",
                bind.path.display()
            );
            assert!(bind.path != Path::new("/usr/lib") && bind.path != Path::new("/usr/share"));
        }
        let devices: Vec<_> = policy
            .devices
            .iter()
            .map(|device| device.path.to_str().unwrap())
            .collect();
        assert_eq!(
            devices,
            [
                "/dev/null",
                "/dev/zero",
                "/dev/full",
                "/dev/random",
                "/dev/urandom"
            ]
        );
    }

    #[test]
    fn the_guest_is_the_only_user_it_knows() {
        let policy = MountPolicy::embedded().unwrap();
        let passwd = policy
            .files
            .iter()
            .find(|file| file.path == Path::new("/etc/passwd"))
            .unwrap();
        assert_eq!(passwd.content, "hognose:x:1000:1000::/code:/bin/sh\n");
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_refused() {
        for path in [
            "usr/lib",
            "/",
            "/usr/../etc",
            "/usr/./lib",
            "/usr//lib",
            "/usr/lib/",
            "",
        ] {
            let error =
                with_bind(&format!("{{ path = '{path}', reason = 'some reason' }}")).unwrap_err();
            assert!(matches!(error, PolicyError::Path(_)), "{path}: {error}");
        }
        assert!(with_bind("{ path = '/usr/lib', reason = 'some reason' }").is_ok());
    }

    #[test]
    fn an_entry_needs_a_reason_and_its_own_path() {
        let error = with_bind("{ path = '/a', reason = ' ' }").unwrap_err();
        assert!(matches!(error, PolicyError::NoReason { .. }), "{error}");
        let error =
            with_bind("{ path = '/a', reason = 'x' }, { path = '/a', reason = 'y' }").unwrap_err();
        assert!(matches!(error, PolicyError::Path(_)), "{error}");
        assert!(matches!(
            with_bind("{ path = '/a' }").unwrap_err(),
            PolicyError::Parse { .. }
        ));
    }
}
