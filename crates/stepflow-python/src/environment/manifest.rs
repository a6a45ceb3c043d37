//! What is known about a built environment, in a file beside its tree.
//!
//! The file names paths of the host, so it stands outside the tree that guests see.

use std::fs;
use std::path::{Path, PathBuf};

use engine::{Environment, Interpreter};
use serde::{Deserialize, Serialize};

use super::error::{EnvironmentError, at};

const FILE: &str = "environment.json";

#[derive(Serialize, Deserialize)]
struct ManifestFile {
    digest: String,
    python: PythonFile,
    packages: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct PythonFile {
    version: (u8, u8, u8),
    executable: PathBuf,
    prefix: PathBuf,
    stdlib: PathBuf,
    libraries: Vec<PathBuf>,
}

/// The tree of the environment in `folder`.
pub(super) fn tree(folder: &Path) -> PathBuf {
    folder.join("tree")
}

/// Writes the manifest of `environment` into `folder`, down to the disk.
pub(super) fn write(folder: &Path, environment: &Environment) -> Result<(), EnvironmentError> {
    let python = &environment.interpreter;
    let manifest = ManifestFile {
        digest: environment.digest.clone(),
        python: PythonFile {
            version: python.version,
            executable: python.executable.clone(),
            prefix: python.prefix.clone(),
            stdlib: python.stdlib.clone(),
            libraries: python.libraries.clone(),
        },
        packages: environment.packages.clone(),
    };
    let path = folder.join(FILE);
    let file = fs::File::create(&path).map_err(at("create", &path))?;
    serde_json::to_writer_pretty(&file, &manifest).map_err(std::io::Error::from).map_err(at("write", &path))?;
    file.sync_all().map_err(at("write", &path))
}

/// The environment in `folder`; `None` when there is none or when it was moved under another name.
pub(super) fn read(folder: &Path) -> Option<Environment> {
    let manifest: ManifestFile = serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()?;
    let is_named_so = folder.file_name().is_some_and(|name| name == manifest.digest.as_str());
    let python = manifest.python;
    is_named_so.then(|| Environment {
        digest: manifest.digest,
        root: tree(folder),
        interpreter: Interpreter {
            version: python.version,
            executable: python.executable,
            prefix: python.prefix,
            stdlib: python.stdlib,
            libraries: python.libraries,
        },
        packages: manifest.packages,
    })
}

/// Packages installed in `site_packages`: (normalised name, version), sorted.
pub(super) fn packages(site_packages: &Path) -> Result<Vec<(String, String)>, EnvironmentError> {
    let entries = fs::read_dir(site_packages).map_err(at("read", site_packages))?;
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let file_name = entry.file_name();
            let (name, version) = file_name.to_str()?.strip_suffix(".dist-info")?.split_once('-')?;
            Some((normalise(name), version.to_owned()))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Source: PEP 503, "Normalized Names".
fn normalise(name: &str) -> String {
    let parts: Vec<_> = name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
    parts.join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_back_only_under_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment {
            digest: "abc".into(),
            root: PathBuf::new(),
            interpreter: super::super::interpreter::Asked::for_tests((3, 12, 1)).interpreter,
            packages: vec![("numpy".into(), "2".into())],
        };
        let place = folder.path().join("abc");
        fs::create_dir(&place).unwrap();
        write(&place, &environment).unwrap();
        environment.root = place.join("tree");
        assert_eq!(read(&place), Some(environment));
        fs::rename(&place, folder.path().join("abd")).unwrap();
        assert_eq!(read(&folder.path().join("abd")), None);
        assert_eq!(read(folder.path()), None);
    }

    #[test]
    fn packages_have_normalised_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["scikit_learn-1.9.1.dist-info", "Et.XmlFile-2.0.0.dist-info", "numpy", "x.dist-info"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = packages(folder.path()).unwrap();
        assert_eq!(found, [("et-xmlfile".into(), "2.0.0".into()), ("scikit-learn".into(), "1.9.1".into())]);
    }
}
