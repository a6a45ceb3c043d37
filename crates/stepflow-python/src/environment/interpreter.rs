//! Which CPython of the host guests run: found by asking candidates, never by guessing paths.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::Interpreter;
use serde::Deserialize;

use super::EnvironmentError;

/// Printed by a candidate about itself. `ldd` is asked for what its own modules need.
const QUESTION: &str = r#"
import json, os, platform, struct, sys, sysconfig as s
var = s.get_config_var
library = os.path.join(var("LIBDIR") or "", var("INSTSONAME") or "") if var("Py_ENABLE_SHARED") else None
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": list(sys.version_info[:3]),
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "prefix": sys.base_prefix,
    "stdlib": s.get_path("stdlib", vars={"installed_base": sys.base_prefix}),
    "modules": var("DESTSHARED"),
    "library": library if library and os.path.isfile(library) else None,
    "free_threaded": bool(var("Py_GIL_DISABLED")),
    "bits": struct.calcsize("P") * 8,
    "soabi": var("SOABI") or "",
}))
"#;

/// Names tried on PATH, in this order.
const NAMES: [&str; 8] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python",
];

/// Where an interpreter stands when PATH is of no help.
const FIXED: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];

/// Folders the loader searches by itself, which the mount policy binds.
const LOADER_FOLDERS: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

#[derive(Debug, Deserialize)]
struct Answer {
    implementation: String,
    version: [u8; 3],
    executable: PathBuf,
    prefix: PathBuf,
    stdlib: PathBuf,
    modules: Option<PathBuf>,
    library: Option<PathBuf>,
    free_threaded: bool,
    bits: u8,
    soabi: String,
}

/// An interpreter and what makes it one of a kind.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) interpreter: Interpreter,
    /// Part of an environment's digest.
    pub(super) identity: String,
}

impl Answer {
    /// Asks the loader what the interpreter needs.
    fn resolved(self) -> Resolved {
        let Self {
            version: [major, minor, micro],
            executable,
            prefix,
            stdlib,
            modules,
            library,
            soabi,
            ..
        } = self;
        let needed = modules.iter().flat_map(|folder| needed_by_modules(folder));
        let mut libraries: BTreeSet<PathBuf> = library.into_iter().chain(needed).collect();
        libraries.retain(|library| {
            let mut own = LOADER_FOLDERS.iter();
            !own.any(|folder| library.starts_with(folder))
        });
        let identity = format!("{major}.{minor}.{micro} {soabi} {}", prefix.display());
        Resolved {
            interpreter: Interpreter {
                version: (major, minor, micro),
                executable,
                prefix,
                stdlib,
                libraries: libraries.into_iter().collect(),
            },
            identity,
        }
    }
}

/// The named interpreter, or the first usable one of the host.
///
/// Errors: one sentence per refused candidate, or how to install one.
pub(super) fn resolve(explicit: Option<&Path>) -> Result<Resolved, EnvironmentError> {
    if let Some(path) = explicit {
        let found = ask(path.as_os_str()).map(Answer::resolved);
        return found.map_err(|reason| EnvironmentError::Interpreter { reason });
    }
    let mut refused = Vec::new();
    for candidate in NAMES.iter().chain(&FIXED) {
        match ask(OsStr::new(candidate)) {
            Ok(found) => return Ok(found.resolved()),
            Err(reason) => refused.push(reason),
        }
    }
    let reason = format!(
        "no usable Python was found ({}); install CPython 3.9 to 3.14 (apt install python3), or name one with --python",
        refused.first().map_or("none on PATH", String::as_str)
    );
    Err(EnvironmentError::Interpreter { reason })
}

/// Every usable interpreter of the host, one per version, in the order of [`NAMES`]. With `for_all`
/// only those that every user may run.
pub(super) fn installed(for_all: bool) -> Vec<Resolved> {
    let is_wanted = |path: &Path| !for_all || is_open(path);
    let answers = in_parallel(candidates(is_wanted), |path| ask(path.as_os_str()).ok());
    let mut found: Vec<Answer> = Vec::new();
    for one in answers.into_iter().flatten() {
        let (executable, stdlib) = (&one.executable, &one.stdlib);
        let mut known = found.iter();
        if known.all(|other| other.version != one.version)
            && is_wanted(executable)
            && is_wanted(stdlib)
        {
            found.push(one);
        }
    }
    in_parallel(found, Answer::resolved)
}

/// The files that may be one. Each is once among them, whatever links lead there; a link to something
/// of another name may be a version manager's, which goes by the name that it is called.
fn candidates(is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let on_path = NAMES.iter().filter_map(|name| {
        let mut files = folders.iter().map(|folder| folder.join(name));
        files.find(|file| file.is_file())
    });
    let fixed = NAMES.iter().flat_map(|name| {
        let folders = ["/usr/bin", "/usr/local/bin"];
        folders.map(|folder| Path::new(folder).join(name))
    });
    let mut seen = BTreeSet::new();
    let all = on_path.chain(fixed).filter(|file| {
        let Ok(real) = file.canonicalize() else {
            return false;
        };
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let own = if name.starts_with("python") {
            real
        } else {
            file.clone()
        };
        is_wanted(&own) && seen.insert(own)
    });
    all.collect()
}

/// Asking takes a tenth of a second or more, most of it another process's.
fn in_parallel<T: Send, R: Send>(all: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let begun: Vec<_> = all
            .into_iter()
            .map(|one| scope.spawn(move || work(one)))
            .collect();
        let ended = begun.into_iter().map(std::thread::ScopedJoinHandle::join);
        // What panics there panics here.
        let ended =
            ended.map(|one| one.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)));
        ended.collect()
    })
}

/// The one of this version, else one of the same minor version, else the first.
pub(super) fn nearest(all: &[Resolved], version: (u8, u8, u8)) -> Option<&Resolved> {
    let versions = || all.iter().map(|one| (one, one.interpreter.version));
    let exact = versions().find(|(_, have)| *have == version);
    let is_minor = |have: (u8, u8, u8)| (have.0, have.1) == (version.0, version.1);
    let near = exact.or_else(|| versions().find(|(_, have)| is_minor(*have)));
    near.or_else(|| versions().next()).map(|(one, _)| one)
}

/// Whether users who are neither owner nor in the group may pass every folder and read the end.
fn is_open(path: &Path) -> bool {
    let allows = |path: &Path, bits: u32| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & bits == bits)
    };
    allows(path, 0o005) && path.ancestors().skip(1).all(|folder| allows(folder, 0o001))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the interpreter is asked what it is before anything trusts it"
)]
fn ask(candidate: &OsStr) -> Result<Answer, String> {
    let shown = candidate.to_string_lossy();
    let output = Command::new(candidate)
        .args(["-I", "-c", QUESTION])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{shown}` cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "`{shown}` does not run; it says: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`{shown}` is no CPython 3 that can say what it is"))?;
    accept(answer).map_err(|reason| format!("`{shown}` {reason}"))
}

fn accept(answer: Answer) -> Result<Answer, String> {
    let [major, minor, _] = answer.version;
    if answer.implementation != "CPython" {
        return Err(format!(
            "is {}, but only CPython can be forked warm",
            answer.implementation
        ));
    }
    if major != 3 || minor < 9 {
        return Err(format!(
            "is Python {major}.{minor}, but 3.9 is the oldest that is supported"
        ));
    }
    if answer.free_threaded {
        return Err("is a free-threaded build, which wheels of the stack do not support; name an ordinary one".into());
    }
    if answer.bits != 64 {
        return Err("is a 32-bit build; name a 64-bit one".into());
    }
    for needed in [&answer.executable, &answer.stdlib.join("os.py")] {
        std::fs::File::open(needed)
            .map_err(|error| format!("has an unreadable {}: {error}", needed.display()))?;
    }
    Ok(answer)
}

/// Shared objects that the standard library's own modules need, by asking the loader.
#[expect(
    clippy::disallowed_methods,
    reason = "the loader is asked what the interpreter's own modules need"
)]
fn needed_by_modules(folder: &Path) -> Vec<PathBuf> {
    let modules: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension() == Some(OsStr::new("so")))
                .collect()
        })
        .unwrap_or_default();
    let said = Command::new("ldd")
        .args(modules)
        .stdin(Stdio::null())
        .output();
    // Without ldd only interpreters whose libraries lie in the loader's folders work fully.
    said.map(|output| libraries_in(&String::from_utf8_lossy(&output.stdout)))
        .unwrap_or_default()
}

/// The paths in `ldd`'s `name => path (address)` lines.
fn libraries_in(said: &str) -> Vec<PathBuf> {
    said.lines()
        .filter_map(|line| line.split_once("=> ")?.1.split(" (").next())
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            implementation: "CPython".into(),
            version: [3, 11, 7],
            executable: "/proc/self/exe".into(),
            prefix: "/x".into(),
            stdlib: "/x".into(),
            modules: None,
            library: None,
            free_threaded: false,
            bits: 64,
            soabi: "cpython-311".into(),
        }
    }

    #[test]
    fn what_cannot_serve_is_refused_with_its_reason() {
        let check = |changed: Answer, expected: &str| {
            let reason = accept(changed).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        };
        check(
            Answer {
                implementation: "PyPy".into(),
                ..answer()
            },
            "is PyPy",
        );
        check(
            Answer {
                version: [3, 8, 1],
                ..answer()
            },
            "3.9 is the oldest",
        );
        check(
            Answer {
                free_threaded: true,
                ..answer()
            },
            "free-threaded",
        );
        check(
            Answer {
                bits: 32,
                ..answer()
            },
            "32-bit",
        );
        check(answer(), "unreadable");
    }

    #[test]
    fn the_nearest_is_of_the_same_minor_version() {
        let of = |version| Resolved {
            interpreter: Interpreter {
                version,
                executable: "/x".into(),
                prefix: "/x".into(),
                stdlib: "/x".into(),
                libraries: vec![],
            },
            identity: String::new(),
        };
        let all = [(3, 14, 0), (3, 11, 2), (3, 11, 7)].map(of);
        for (wanted, expected) in [
            ((3, 11, 7), (3, 11, 7)),
            ((3, 11, 9), (3, 11, 2)),
            ((3, 9, 0), (3, 14, 0)),
        ] {
            let found = nearest(&all, wanted).unwrap();
            assert_eq!(found.interpreter.version, expected);
        }
        assert!(nearest(&[], (3, 11, 7)).is_none());
    }

    #[test]
    fn the_loaders_answer_is_read() {
        let said = "\tlinux-vdso.so.1 (0x7)\n\tlibz.so.1 => /opt/z/libz.so.1 (0x7f)\n\tlibq.so => not found\n";
        assert_eq!(libraries_in(said), [PathBuf::from("/opt/z/libz.so.1")]);
    }

    #[test]
    fn a_name_that_is_no_interpreter_is_one_sentence() {
        let error = resolve(Some(Path::new("/nonexistent/python3"))).unwrap_err();
        assert!(error.to_string().contains("cannot be run"), "{error}");
    }
}
