//! An engine with a bare environment, and what tests ask of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use engine::{
    Engine, EngineConfig, Environment, ExecutionReport, ExecutionRequest, Interpreter, LimitPolicy,
    Outcome, RequestedEnvironments, Tier,
};
use tempfile::TempDir;

/// An engine with its own state folder, which goes with it.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) interpreter: Interpreter,
    /// Where requested environments lie, if there are any.
    pub(crate) requested: PathBuf,
    _state: Option<TempDir>,
}

/// Starts an engine on the host's `python3`.
pub(crate) async fn bench() -> Bench {
    start(false).await
}

/// The same with a folder for requested environments on that interpreter.
pub(crate) async fn bench_with_requested() -> Bench {
    start(true).await
}

async fn start(has_requested: bool) -> Bench {
    let state = tempfile::tempdir().unwrap();
    let bench = bench_at(state.path(), Tier::Rootless, has_requested).await;
    Bench {
        _state: Some(state),
        ..bench
    }
}

/// The same in a folder that is the caller's to remove.
pub(crate) async fn bench_in(state: &Path, min_tier: Tier) -> Bench {
    bench_at(state, min_tier, false).await
}

async fn bench_at(state: &Path, min_tier: Tier, has_requested: bool) -> Bench {
    let environment = bare_environment(&state.join("environment"));
    let interpreter = environment.interpreter.clone();
    let requested = state.join("requested");
    std::fs::create_dir_all(&requested).unwrap();
    let config = EngineConfig {
        state: state.to_owned(),
        environment,
        requested: has_requested.then(|| RequestedEnvironments {
            folder: requested.clone(),
            interpreters: vec![interpreter.clone()],
        }),
        limits: LimitPolicy::default(),
        slots: 4,
        pool_bytes: 64 << 20,
        preload: None,
        plain: false,
        min_tier,
    };
    Bench {
        engine: Engine::start(config).await.unwrap(),
        interpreter,
        requested,
        _state: None,
    }
}

impl Bench {
    /// Runs a source with default limits.
    pub(crate) async fn run(&self, source: &str) -> ExecutionReport {
        self.run_request(ExecutionRequest {
            source: source.into(),
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn run_request(&self, request: ExecutionRequest) -> ExecutionReport {
        self.engine
            .execute(request)
            .await
            .unwrap()
            .finish()
            .await
            .unwrap()
    }

    pub(crate) async fn outcome(&self, source: &str) -> Outcome {
        self.run(source).await.outcome
    }
}

/// Text of a report's standard output.
pub(crate) fn stdout(report: &ExecutionReport) -> String {
    report.stdout.text().0
}

fn bare_environment(root: &Path) -> Environment {
    let interpreter = host_interpreter();
    let name = interpreter.name();
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join(format!("lib/{name}/site-packages"))).unwrap();
    std::fs::write(
        root.join("pyvenv.cfg"),
        "home = /python/bin\ninclude-system-site-packages = false\n",
    )
    .unwrap();
    std::os::unix::fs::symlink(format!("/python/bin/{name}"), root.join("bin/python3")).unwrap();
    Environment {
        digest: "bare".into(),
        root: root.to_owned(),
        interpreter,
        packages: vec![],
    }
}

/// Asks the host's interpreter what it is.
fn host_interpreter() -> Interpreter {
    let script = "import sys,os,sysconfig as s\n\
        print('.'.join(map(str,sys.version_info[:3])));print(os.path.realpath(sys.executable));print(sys.base_prefix)\n\
        print(s.get_path('stdlib'))\n\
        print(os.path.join(s.get_config_var('LIBDIR'),s.get_config_var('INSTSONAME')) if s.get_config_var('Py_ENABLE_SHARED') else '')";
    let said = Command::new("python3")
        .args(["-I", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let version: Vec<u8> = lines[0]
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    let library = PathBuf::from(lines.get(4).copied().unwrap_or_default());
    Interpreter {
        version: (version[0], version[1], version[2]),
        executable: lines[1].into(),
        prefix: lines[2].into(),
        stdlib: lines[3].into(),
        libraries: if library.exists() {
            vec![library]
        } else {
            vec![]
        },
    }
}
