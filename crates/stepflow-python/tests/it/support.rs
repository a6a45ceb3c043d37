//! An executor on an engine with a bare environment.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::{Engine, EngineConfig, Environment, Interpreter, LimitPolicy, Tier};
use stepflow_python::EngineExecutor;
use tempfile::TempDir;

/// An executor whose engine has its own state folder.
pub(crate) struct Bench {
    pub(crate) executor: EngineExecutor,
    pub(crate) state: TempDir,
}

/// Starts an engine on the host's `python3`.
pub(crate) async fn bench() -> Bench {
    bench_with(&[]).await
}

/// The same with empty packages of these names.
pub(crate) async fn bench_with(packages: &[&str]) -> Bench {
    let state = tempfile::tempdir().unwrap();
    let environment = bare_environment(&state.path().join("environment"));
    let name = environment.interpreter.name();
    for package in packages {
        let folder = environment
            .root
            .join(format!("lib/{name}/site-packages/{package}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("__init__.py"), "").unwrap();
    }
    let config = EngineConfig {
        state: state.path().to_owned(),
        environment,
        requested: None,
        limits: LimitPolicy::default(),
        slots: 4,
        pool_bytes: 64 << 20,
        preload: None,
        plain: false,
        min_tier: Tier::Rootless,
    };
    let engine = Engine::start(config).await.unwrap();
    Bench {
        executor: EngineExecutor::new(engine),
        state,
    }
}

pub(crate) fn bare_environment(root: &Path) -> Environment {
    let interpreter = host_interpreter();
    let name = interpreter.name();
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join(format!("lib/{name}/site-packages"))).unwrap();
    std::fs::write(root.join("pyvenv.cfg"), "home = /python/bin\n").unwrap();
    std::os::unix::fs::symlink(format!("/python/bin/{name}"), root.join("bin/python3")).unwrap();
    Environment {
        digest: "bare".into(),
        root: root.to_owned(),
        interpreter,
        packages: vec![],
    }
}

fn host_interpreter() -> Interpreter {
    let script = "import os, sys, sysconfig as s\n\
        print(*sys.version_info[:3], os.path.realpath(sys.executable), sys.base_prefix,\n\
        s.get_path('stdlib'), os.path.join(s.get_config_var('LIBDIR') or '',\n\
        s.get_config_var('INSTSONAME') if s.get_config_var('Py_ENABLE_SHARED') else ''), sep='\\n')";
    let said = Command::new("python3")
        .args(["-I", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let number = |index: usize| lines[index].parse().unwrap();
    let library = PathBuf::from(lines[6]);
    Interpreter {
        version: (number(0), number(1), number(2)),
        executable: lines[3].into(),
        prefix: lines[4].into(),
        stdlib: lines[5].into(),
        libraries: if library.is_file() {
            vec![library]
        } else {
            vec![]
        },
    }
}

/// `uv`, fetched once for all tests.
pub(crate) fn tools(state: &Path) {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools");
    std::fs::create_dir_all(&shared).unwrap();
    std::os::unix::fs::symlink(shared, state.join("tools")).unwrap();
}

/// Whoever has it may fetch `uv`: the first of all tests does.
pub(crate) fn fetching() -> File {
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

/// The address of a package index of tiny wheels, made in `folder`.
pub(crate) fn index(folder: &Path) -> String {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crates/stepflow-python/tests/it/index.py"
    );
    let made = Command::new("python3").arg(script).arg(folder).status();
    assert!(made.unwrap().success());
    format!("file://{}", folder.display())
}
