//! What a zygote's root looks like: the mount policy, the environment and the kit as one plan.
//!
//! Pure but for asking whether optional host paths exist. No host path is visible inside: trees
//! that lie in somebody's home come through an overlay, single files as copies.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use sandbox::host::mounts::MountPolicy;
use sandbox::plan::{CONFINE_PLAN_PATH, ConfinePlan, LaunchPlan, MountStep};

use crate::environment::Interpreter;
use crate::kit::Kit;
use crate::preload::Preload;

/// Where an interpreter's own shared objects stand. The loader is told of it: the host's folders
/// may have a `libpython` of the same name and another release.
const LIBRARIES: &str = "/python/lib";

/// Empty folders of every root: mount points and places programs expect.
const FOLDERS: [&str; 8] = [
    "/mnt",
    "/code",
    "/proc",
    "/guest",
    "/python/bin",
    "/python/lib",
    "/usr/lib",
    "/dev/shm",
];

/// Whose packages a zygote shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packages<'a> {
    /// Those of this tree, which the zygote itself imports: the operator vouches for them.
    Vouched(&'a Path),
    /// Those of the environment that the launch names; only confined children import them.
    Requested,
}

/// What all zygotes of an engine have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    pub(crate) policy: &'a MountPolicy,
    pub(crate) kit: &'a Kit,
    pub(crate) confine: &'a ConfinePlan,
    /// Whether they fork without a snapshot.
    pub(crate) plain: bool,
}

/// The plan of one zygote.
///
/// Errors: `NotFound` names a required host path that is missing.
pub(crate) fn plan(
    common: &Common<'_>,
    interpreter: &Interpreter,
    packages: Packages<'_>,
    preload: &Preload,
) -> io::Result<LaunchPlan> {
    let Common { kit, confine, .. } = common;
    let mut root = Root::default();
    for folder in FOLDERS {
        root.folder(folder);
    }
    root.host_trees(common.policy)?;
    root.interpreter(interpreter);
    for (name, source) in kit.guest_files() {
        root.push(MountStep::Copy {
            source: text(&source),
            path: format!("/{name}"),
            mode: 0o555,
        });
    }
    // Only the zygote's root reads it; a guest has another uid where there is more than one.
    root.push(MountStep::File {
        path: CONFINE_PLAN_PATH.into(),
        content: confine.encode(),
        mode: 0o400,
    });
    let path = "/environment".into();
    root.push(match packages {
        Packages::Vouched(tree) => MountStep::Overlay {
            source: text(tree),
            path,
        },
        Packages::Requested => MountStep::Environment { path },
    });
    // The zygote's own; every child covers them with its workdir.
    root.push(MountStep::Tmpfs {
        path: "/tmp".into(),
        bytes: 64 << 20,
    });
    root.push(MountStep::Tmpfs {
        path: "/dev/shm".into(),
        bytes: 16 << 20,
    });
    root.push(MountStep::Proc {
        path: "/proc".into(),
    });
    Ok(LaunchPlan {
        privilege: confine.privilege,
        staging: text(&kit.staging()),
        steps: root.steps,
        arguments: arguments(common, interpreter, packages, preload),
        environment: variables(interpreter),
    })
}

/// Of requested packages no byte is run: neither the program nor `site` comes from their tree.
fn arguments(
    common: &Common<'_>,
    interpreter: &Interpreter,
    packages: Packages<'_>,
    preload: &Preload,
) -> Vec<String> {
    let own = format!("/python/bin/{}", interpreter.name());
    let start: &[&str] = match packages {
        Packages::Vouched(_) => &["/environment/bin/python3", "-I", "-B"],
        Packages::Requested => &[&own, "-I", "-B", "-S"],
    };
    let fork = if common.plain { "plain" } else { "snapshot" };
    let modules = preload.modules.join(",");
    let mut arguments = [start, &["/guest/zygote.py", &modules, fork]].concat();
    if matches!(packages, Packages::Requested) {
        arguments.push("late");
    }
    arguments.into_iter().map(str::to_owned).collect()
}

fn variables(interpreter: &Interpreter) -> Vec<String> {
    let mut variables = vec![
        "PATH=/environment/bin:/usr/bin:/bin".to_owned(),
        "HOME=/code".to_owned(),
        "LANG=C.UTF-8".to_owned(),
        "TMPDIR=/tmp".to_owned(),
        // Every symbol is looked up now, once, and not in each child at its first use.
        "LD_BIND_NOW=1".to_owned(),
    ];
    if !interpreter.libraries.is_empty() {
        variables.push(format!("LD_LIBRARY_PATH={LIBRARIES}"));
    }
    variables
}

#[derive(Default)]
struct Root {
    steps: Vec<MountStep>,
    made: BTreeSet<String>,
}

impl Root {
    /// Makes a folder and those above it, once.
    fn folder(&mut self, path: &str) {
        if path.is_empty() || path == "/" || self.made.contains(path) {
            return;
        }
        self.folder(parent(path));
        self.made.insert(path.to_owned());
        self.steps.push(MountStep::Directory {
            path: path.to_owned(),
            mode: 0o755,
        });
    }

    fn push(&mut self, step: MountStep) {
        self.folder(parent(step.path()));
        // A tmpfs or proc goes onto a folder; all others make their own place.
        if matches!(step, MountStep::Tmpfs { .. } | MountStep::Proc { .. }) {
            self.folder(step.path());
        }
        self.made.insert(step.path().to_owned());
        self.steps.push(step);
    }

    fn host_trees(&mut self, policy: &MountPolicy) -> io::Result<()> {
        for bind in &policy.binds {
            match std::fs::canonicalize(&bind.path) {
                Ok(source) => self.push(MountStep::Bind {
                    source: text(&source),
                    path: text(&bind.path),
                }),
                Err(_) if bind.optional => {}
                Err(error) => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("`{}` is missing on this host", bind.path.display()),
                    ));
                }
            }
        }
        for device in &policy.devices {
            self.push(MountStep::Device {
                source: text(&device.path),
                path: text(&device.path),
            });
        }
        for file in &policy.files {
            self.push(MountStep::File {
                path: text(&file.path),
                content: file.content.clone().into_bytes(),
                mode: 0o444,
            });
        }
        for link in &policy.symlinks {
            // A link into a tree that this host does not have would dangle under its own name.
            if !self.made.contains(&text(&link.path)) {
                self.push(MountStep::Symlink {
                    path: text(&link.path),
                    target: text(&link.target),
                });
            }
        }
        Ok(())
    }

    /// `/python`: the program, its standard library and the shared objects it brings along.
    fn interpreter(&mut self, python: &Interpreter) {
        let name = python.name();
        let program = format!("/python/bin/{name}");
        self.push(file_step(&python.executable, program));
        self.push(tree_step(&python.stdlib, format!("/python/lib/{name}")));
        for library in &python.libraries {
            let Some(file) = library.file_name().and_then(|file| file.to_str()) else {
                continue;
            };
            let path = format!("{LIBRARIES}/{file}");
            if !self.made.contains(&path) {
                self.push(file_step(library, path));
            }
        }
    }
}

/// Trees of the distribution are bound; others would show a home in `/proc/self/mountinfo`.
fn tree_step(source: &Path, path: String) -> MountStep {
    if source.starts_with("/usr") {
        MountStep::Bind {
            source: text(source),
            path,
        }
    } else {
        MountStep::Overlay {
            source: text(source),
            path,
        }
    }
}

fn file_step(source: &Path, path: String) -> MountStep {
    if source.starts_with("/usr") {
        MountStep::Bind {
            source: text(source),
            path,
        }
    } else {
        MountStep::Copy {
            source: text(source),
            path,
            mode: 0o555,
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_step_stands_after_its_parent_folder_and_no_home_is_bound() {
        let policy = MountPolicy::embedded().unwrap();
        let mut root = Root::default();
        root.host_trees(&policy).unwrap();
        root.interpreter(&Interpreter {
            version: (3, 11, 7),
            executable: PathBuf::from("/home/somebody/bin/python3.11"),
            prefix: PathBuf::from("/home/somebody"),
            stdlib: PathBuf::from("/home/somebody/lib/python3.11"),
            libraries: vec![PathBuf::from("/home/somebody/lib/libpython3.11.so.1.0")],
        });
        let mut seen = BTreeSet::from([String::new()]);
        for step in &root.steps {
            assert!(
                seen.contains(parent(step.path())),
                "{step:?} before its folder"
            );
            assert!(
                !matches!(step, MountStep::Bind { source, .. } if source.starts_with("/home")),
                "{step:?}"
            );
            seen.insert(step.path().to_owned());
        }
    }
}
