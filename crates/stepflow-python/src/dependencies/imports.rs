//! From the names of imports to distributions.

use std::collections::{BTreeMap, BTreeSet};

use engine::Environment;
use ruff_python_stdlib::sys::is_known_standard_library;

use super::Dependency;
use crate::packages;

/// Imports whose distribution has another name: top-level module, distribution.
const CURATED: &str = include_str!("../../data/distributions.txt");

/// Where an import comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The standard library of the environment's Python.
    StandardLibrary,
    /// A file that came with the program.
    FirstParty,
    /// A distribution, by its normalised name.
    Distribution(String),
    /// Nobody knows. A guess is never installed.
    Unknown,
}

/// What is known where a source is going to run.
#[derive(Debug)]
pub struct Scope<'a> {
    environment: &'a Environment,
    first_party: BTreeSet<String>,
    installed: BTreeMap<String, String>,
}

impl<'a> Scope<'a> {
    /// Reads the metadata of an environment. `first_party` are modules that come with the source.
    #[must_use]
    pub fn new(
        environment: &'a Environment,
        first_party: impl IntoIterator<Item = String>,
    ) -> Self {
        let modules = packages::modules(environment).into_iter();
        // Of a namespace package any of its distributions does.
        let first = modules.filter_map(|(module, all)| Some((module, all.into_iter().next()?)));
        Self {
            environment,
            first_party: first_party.into_iter().collect(),
            installed: first.collect(),
        }
    }

    /// Where the import of a top-level name comes from. What came with the source hides the rest,
    /// as it does for Python.
    #[must_use]
    pub fn origin(&self, module: &str) -> Origin {
        let minor = self.environment.interpreter.version.1;
        if self.first_party.contains(module) {
            Origin::FirstParty
        } else if is_known_standard_library(minor, module) {
            Origin::StandardLibrary
        } else if let Some(distribution) = self.installed.get(module) {
            Origin::Distribution(distribution.clone())
        } else {
            curated(module).map_or(Origin::Unknown, |known| {
                Origin::Distribution(known.to_owned())
            })
        }
    }

    /// The distributions that imports need and this environment lacks, and the imports nobody knows.
    #[must_use]
    pub fn missing(&self, imports: &BTreeSet<String>) -> (Vec<Dependency>, Vec<String>) {
        let (mut lacking, mut unknown) = (BTreeMap::new(), Vec::new());
        for module in imports
            .iter()
            .filter(|module| !self.installed.contains_key(*module))
        {
            match self.origin(module) {
                Origin::StandardLibrary | Origin::FirstParty => {}
                Origin::Distribution(name) => {
                    let dependency = Dependency {
                        requirements: vec![name.clone()],
                        name: name.clone(),
                        ..Default::default()
                    };
                    lacking.insert(name, dependency);
                }
                Origin::Unknown => unknown.push(module.clone()),
            }
        }
        (lacking.into_values().collect(), unknown)
    }
}

fn curated(module: &str) -> Option<&'static str> {
    let pairs = CURATED.lines().filter(|line| !line.starts_with('#'));
    let mut pairs = pairs.filter_map(|line| line.split_once(' '));
    pairs
        .find(|(name, _)| *name == module)
        .map(|(_, distribution)| distribution)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use engine::Interpreter;

    use super::*;
    use crate::dependencies::normal_name;

    /// An environment with these packages and no tree.
    pub(in super::super) fn environment(packages: &[(&str, &str)]) -> Environment {
        Environment {
            digest: "0".repeat(64),
            root: PathBuf::from("/nonexistent"),
            interpreter: Interpreter {
                version: (3, 11, 7),
                executable: "/x".into(),
                prefix: "/x".into(),
                stdlib: "/x".into(),
                libraries: vec![],
            },
            packages: packages
                .iter()
                .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn imports_are_told_apart_and_no_guess_is_made() {
        let tree = tempfile::tempdir().unwrap();
        let site = tree.path().join("lib/python3.11/site-packages");
        let write = |folder: &str, record: &str| {
            std::fs::create_dir_all(site.join(folder)).unwrap();
            std::fs::write(site.join(folder).join("RECORD"), record).unwrap();
        };
        write(
            "Python_Dateutil-2.9.dist-info",
            "dateutil/__init__.py,sha256=x,1\n__pycache__/x.pyc,,\npython_dateutil-2.9.dist-info/RECORD,,\n",
        );
        write(
            "one_file-1.dist-info",
            "single.py,,\n_fast.cpython-311-x86_64-linux-gnu.so,,\n../../bin/x,,\n",
        );
        let environment = Environment {
            root: tree.path().to_owned(),
            ..environment(&[])
        };
        let scope = Scope::new(&environment, ["helpers".to_owned(), "json".to_owned()]);
        let distribution = |name: &str| Origin::Distribution(name.to_owned());
        for (module, expected) in [
            ("os", Origin::StandardLibrary),
            ("json", Origin::FirstParty),
            ("helpers", Origin::FirstParty),
            ("dateutil", distribution("python-dateutil")),
            ("single", distribution("one-file")),
            ("_fast", distribution("one-file")),
            ("sklearn", distribution("scikit-learn")),
            ("cv2", distribution("opencv-python-headless")),
            ("distutils", Origin::StandardLibrary),
            ("reqeusts", Origin::Unknown),
        ] {
            assert_eq!(scope.origin(module), expected, "{module}");
        }
        let imports = ["os", "dateutil", "sklearn", "reqeusts"]
            .map(str::to_owned)
            .into();
        let (missing, unknown) = scope.missing(&imports);
        let names: Vec<&str> = missing.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            (names, unknown),
            (vec!["scikit-learn"], vec!["reqeusts".to_owned()])
        );
    }

    #[test]
    fn the_curated_table_is_sorted_and_normal() {
        let lines: Vec<&str> = CURATED
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert!(lines.is_sorted() && lines.len() > 40);
        for line in lines {
            let (module, distribution) = line.split_once(' ').unwrap();
            assert_eq!(normal_name(distribution), distribution, "{module}");
        }
    }
}
