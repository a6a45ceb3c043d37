//! Environments that callers ask for, on an index of tiny wheels on disk; numpy from the real one.

use std::sync::Arc;

use engine::{Engine, EngineConfig, EnvironmentChoice, ExecutionRequest, LimitPolicy, Tier};
use stepflow_python::{
    Dependency, EngineExecutor, EnvironmentConfig, EnvironmentDescription, EnvironmentError,
    EnvironmentOrder, EnvironmentService, InstallPolicy, ManagedEnvironments, MetricReading,
    PipConfig, ProgressSink, PythonEnvironment, PythonExecutor, Requested, SecurityLevel,
};
use tempfile::TempDir;

use crate::support::{bare_environment, fetching, index, tools};

pub(crate) struct Bench {
    pub(crate) executor: EngineExecutor,
    pub(crate) environments: ManagedEnvironments,
    engine: Engine,
    pub(crate) state: TempDir,
}

pub(crate) async fn bench(policy: InstallPolicy, most: usize) -> Bench {
    let state = tempfile::tempdir().unwrap();
    tools(state.path());
    let pip = PipConfig {
        index_url: Some(index(&state.path().join("index"))),
        ..PipConfig::default()
    };
    bench_on(state, policy, most, Some(pip)).await
}

pub(crate) async fn bench_on(
    state: TempDir,
    policy: InstallPolicy,
    most: usize,
    pip_config: Option<PipConfig>,
) -> Bench {
    let lock = fetching();
    let requested = Requested::open(state.path(), None, &|_| {}).unwrap();
    drop(lock);
    let tree = state.path().join("environment");
    // After a restart it is there already.
    let _ = std::fs::remove_dir_all(&tree);
    let environment = bare_environment(&tree);
    let config = EnvironmentConfig {
        max_environments: most,
        pip_config,
        ..EnvironmentConfig::default()
    };
    let engine = Engine::start(EngineConfig {
        state: state.path().to_owned(),
        environment,
        requested: Some(requested.for_engine()),
        limits: LimitPolicy::default(),
        slots: 4,
        pool_bytes: 256 << 20,
        preload: None,
        plain: false,
        min_tier: Tier::Rootless,
    });
    let engine = engine.await.unwrap();
    let environments = ManagedEnvironments::new(requested, config, policy).unwrap();
    Bench {
        executor: EngineExecutor::with_environments(engine.clone(), environments.clone()),
        environments,
        engine,
        state,
    }
}

pub(crate) fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

pub(crate) fn wanted(packages: &[&str]) -> Vec<Dependency> {
    packages
        .iter()
        .map(|text| Dependency::parse(text).unwrap())
        .collect()
}

impl Bench {
    /// Ends everything and opens the same folder anew.
    pub(crate) async fn restarted(self) -> Self {
        drop((self.executor, self.environments));
        self.engine.shutdown(std::time::Duration::ZERO).await;
        bench_on(self.state, InstallPolicy::default(), 100, None).await
    }

    pub(crate) async fn create(
        &self,
        packages: &[&str],
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        let order = EnvironmentOrder {
            python: String::new(),
            packages: wanted(packages),
        };
        self.environments.create(order, silent()).await
    }

    pub(crate) async fn run(&self, name: Option<&str>, packages: &[&str], source: &str) -> String {
        let request = ExecutionRequest {
            source: source.into(),
            environment: EnvironmentChoice::Asked {
                name: name.map(str::to_owned),
                packages: packages.iter().map(|text| (*text).to_owned()).collect(),
            },
            ..Default::default()
        };
        let report = self
            .executor
            .start(request)
            .await
            .unwrap()
            .finish()
            .await
            .unwrap();
        report.stdout.text().0 + &report.stderr.text().0
    }

    /// Digests of the trees on disk, and whatever else lies there.
    pub(crate) fn trees(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state.path().join("requested/trees")).unwrap();
        entries
            .map(|one| one.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

const VERSION: &str = "import alpha; print(alpha.VERSION)";

#[tokio::test(flavor = "multi_thread")]
async fn an_install_moves_the_handle_and_executions_that_run_keep_the_old_packages() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let made = bench.create(&["alpha<2", "json"]).await.unwrap();
    assert_eq!(made.packages, [("alpha".to_owned(), "1.0".to_owned())]);
    let id = made.id.to_string();
    assert_eq!(bench.run(Some(&id), &[], VERSION).await, "1.0\n");
    let request = ExecutionRequest {
        source: "print('up', flush=True)\nimport time; time.sleep(2)\nimport alpha; print(alpha.VERSION)".into(),
        environment: EnvironmentChoice::Asked {
            name: Some(id.clone()),
            packages: vec![],
        },
        ..Default::default()
    };
    let running = bench.executor.start(request).await.unwrap();
    let moved = bench
        .environments
        .install(made.id, wanted(&["alpha==2.0", "gamma"]), silent());
    let moved = moved.await.unwrap();
    assert_ne!(moved.digest, made.digest);
    assert_eq!(moved.requirements, ["alpha==2.0", "gamma"]);
    assert_eq!(bench.run(Some(&id), &[], VERSION).await, "2.0\n");
    assert_eq!(running.finish().await.unwrap().stdout.text().0, "up\n1.0\n");
    let same = bench
        .environments
        .install(made.id, wanted(&["gamma"]), silent())
        .await
        .unwrap();
    assert_eq!(same.digest, moved.digest, "what is there is skipped");
    let lock = bench.environments.lock(made.id).await.unwrap();
    assert!(
        lock.contains("alpha==2.0") && lock.contains("--hash=sha256:"),
        "{lock}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_and_the_packages_put_into_them_are_counted() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let counted = bench.executor.monitoring();
    let builds = |name: &str| {
        let families = counted.families();
        let family = families.into_iter().find(|family| family.name == name);
        match &family.unwrap().series[0].reading {
            MetricReading::Distribution(reading) => reading.count(),
            MetricReading::Value(_) => unreachable!("{name} is a histogram"),
        }
    };
    let (made, grown) = (
        "hognose_python_environment_creation_seconds",
        "hognose_python_dependency_installation_seconds",
    );
    let one = bench.create(&["beta"]).await.unwrap();
    let again = bench.create(&["beta"]).await.unwrap();
    assert_eq!(again.digest, one.digest);
    let metrics = counted.metrics();
    assert_eq!(
        (metrics.total_environments, metrics.active_environments),
        (2, 0)
    );
    assert_eq!(metrics.total_dependencies, 2, "beta and its alpha, once");
    assert_eq!((builds(made), builds(grown)), (1, 0));
    let installed = bench
        .environments
        .install(one.id, wanted(&["gamma", "alpha"]), silent());
    installed.await.unwrap();
    bench.environments.activate(one.id).await.unwrap();
    let metrics = counted.metrics();
    assert_eq!(
        (metrics.total_environments, metrics.active_environments),
        (2, 1)
    );
    assert_eq!(metrics.total_dependencies, 3, "gamma was new");
    assert_eq!((builds(made), builds(grown)), (1, 1));
    bench.environments.remove(again.id).await.unwrap();
    assert_eq!(counted.metrics().total_environments, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_an_execution_are_installed_once_and_pruned_when_nobody_names_them() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let told = bench
        .run(
            None,
            &["beta"],
            "import beta; import alpha; print(alpha.VERSION)",
        )
        .await;
    assert_eq!(told, "1.0\n");
    let trees = bench.trees();
    assert_eq!(trees.len(), 1, "{trees:?}");
    assert_eq!(bench.run(None, &["beta"], VERSION).await, "1.0\n");
    let named = bench.create(&["gamma"]).await.unwrap();
    let source = "import gamma, beta; print(gamma.VERSION, beta.VERSION)";
    assert_eq!(
        bench
            .run(Some(&named.digest[..12]), &["beta"], source)
            .await,
        "1.0 1.0\n"
    );
    while bench.trees().len() > 1 {
        assert!(bench.environments.prune().await.is_ok());
    }
    assert_eq!(bench.trees(), std::slice::from_ref(&named.digest));
    bench.environments.remove(named.id).await.unwrap();
    assert_eq!(bench.trees(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_is_there_when_it_starts_and_nothing_is_for_what_is_rejected() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let request = |source: &str| ExecutionRequest {
        source: source.into(),
        policy: SecurityLevel::Strict,
        environment: EnvironmentChoice::Asked {
            name: None,
            packages: vec!["gamma".into()],
        },
        ..Default::default()
    };
    let rejected = request("import os");
    assert!(bench.executor.prepare(&rejected).await.unwrap().is_none());
    let report = bench.executor.start(rejected).await.unwrap().finish().await;
    assert_eq!(report.unwrap().outcome.kind(), "rejected");
    assert_eq!(bench.trees(), Vec::<String>::new());

    let fine = request("import gamma\nprint(gamma.VERSION)");
    let prepared = bench.executor.prepare(&fine).await.unwrap();
    assert!(prepared.is_some());
    assert_eq!(bench.trees().len(), 1);
    bench.environments.prune().await.unwrap();
    assert_eq!(bench.trees().len(), 1, "it is held");
    let began = bench.executor.monitoring().metrics().total_dependencies;
    let report = bench.executor.start(fine).await.unwrap().finish().await;
    assert_eq!(report.unwrap().stdout.text().0, "1.0\n");
    let after = bench.executor.monitoring().metrics().total_dependencies;
    assert_eq!((began, after), (1, 1), "nothing was built again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_build_leaves_nothing_and_names_the_package() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let cases: [(&[&str], &str); 6] = [
        (&["nosuchpackage"], "nosuchpackage"),
        (
            &["alpha", "sourceonly"],
            "`sourceonly` that has a wheel, or have the operator",
        ),
        (&["alpha==9"], "alpha==9"),
        (&["beta", "alpha==2.0"], "beta"),
        (&["alpha @ git+https://x.example/a"], "built from source"),
        (&["alpha @ file:///srv/alpha.whl"], "only its operator"),
    ];
    for (packages, expected) in cases {
        let error = bench.create(packages).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{packages:?}: {error}");
        assert_eq!(bench.trees(), Vec::<String>::new(), "{packages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_not_list_is_refused() {
    let listed = InstallPolicy {
        allowed_packages: vec!["beta".into(), "gamma".into()],
        ..InstallPolicy::default()
    };
    let bench = bench(listed, 100).await;
    assert!(bench.create(&["gamma"]).await.is_ok());
    let error = bench.create(&["beta"]).await.unwrap_err().to_string();
    assert_eq!(error, "`alpha` is not on the operator's list of packages");
    let error = bench.create(&["alpha"]).await.unwrap_err();
    assert!(matches!(error, EnvironmentError::Refused { .. }));
    assert_eq!(bench.trees().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_makes_room_but_never_one_that_is_held_or_active() {
    let bench = bench(InstallPolicy::default(), 2).await;
    let first = bench.create(&["alpha<2"]).await.unwrap();
    bench.environments.activate(first.id).await.unwrap();
    let second = bench.create(&["gamma"]).await.unwrap();
    let third = bench.create(&["beta"]).await.unwrap();
    let left: Vec<_> = bench
        .environments
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(left, [first.id, third.id]);
    assert!(
        bench
            .environments
            .activate_environment(&second.id)
            .await
            .is_err()
    );
    let (_, held) = bench
        .environments
        .find(Some(&third.id.to_string()), &[])
        .await
        .unwrap();
    let error = bench.environments.remove(third.id).await.unwrap_err();
    assert!(matches!(error, EnvironmentError::InUse(_)), "{error}");
    let error = bench.create(&["alpha==2.0"]).await.unwrap_err().to_string();
    assert!(error.contains("no room"), "{error}");
    drop(held);
    bench.create(&["alpha==2.0"]).await.unwrap();
    assert_eq!(bench.trees().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_outlive_a_restart_and_one_folder_has_one_manager() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let config = EnvironmentConfig {
        base_packages: vec!["alpha<2".into()],
        ..EnvironmentConfig::default()
    };
    let id = bench
        .environments
        .create_environment(&config)
        .await
        .unwrap();
    let second = Requested::open(bench.state.path(), None, &|_| {}).unwrap_err();
    assert!(second.to_string().contains("another hognose"), "{second}");
    let again = bench.restarted().await;
    assert_eq!(
        again.run(Some(&id.to_string()), &[], VERSION).await,
        "1.0\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_releases_of_numpy_serve_at_the_same_time() {
    let state = tempfile::tempdir().unwrap();
    tools(state.path());
    let bench = bench_on(state, InstallPolicy::default(), 100, None).await;
    let old = bench.create(&["numpy==1.26.4"]).await.unwrap();
    let new = bench.create(&["numpy>=2,<3"]).await.unwrap();
    let source = "import numpy; print(numpy.__version__, numpy.arange(4).sum())";
    let (old, new) = (old.id.to_string(), new.id.to_string());
    for _ in 0..3 {
        let (first, second) = tokio::join!(
            bench.run(Some(&old), &[], source),
            bench.run(Some(&new), &[], source)
        );
        assert_eq!(first, "1.26.4 6\n");
        assert!(
            second.starts_with("2.") && second.ends_with(" 6\n"),
            "{second}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_there_for_their_execution_whatever_is_pruned_meanwhile() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let environments = bench.environments.clone();
    let pruning = tokio::spawn(async move {
        loop {
            environments.prune().await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..12 {
        let found = bench.environments.find(None, &["gamma".to_owned()]).await;
        let (environment, _held) = found.unwrap();
        assert!(environment.root.join("environment.json").exists());
    }
    pruning.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_removes_and_creates_the_same_at_once_gets_a_handle_with_a_tree() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let mut id = bench.create(&["gamma"]).await.unwrap().id;
    for round in 0..12 {
        let removal = async {
            // Sooner or later in the build.
            tokio::time::sleep(std::time::Duration::from_millis(20 * round)).await;
            bench.environments.remove(id).await
        };
        let (removed, made) = tokio::join!(removal, bench.create(&["gamma"]));
        let made = made.unwrap();
        let name = made.id.to_string();
        let found = bench.environments.find(Some(&name), &[]).await;
        let (environment, held) = found.unwrap();
        assert!(environment.root.join("environment.json").exists());
        drop(held);
        if let Err(error) = removed {
            assert!(matches!(error, EnvironmentError::InUse(_)), "{error}");
            bench.environments.remove(id).await.unwrap();
        }
        id = made.id;
    }
    assert_eq!(bench.trees().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_forgets_and_removes_what_a_kill_left_half_done() {
    let bench = bench(InstallPolicy::default(), 100).await;
    let whole = bench.create(&["gamma"]).await.unwrap();
    let removed = bench.create(&["alpha"]).await.unwrap();
    let trees = bench.state.path().join("requested/trees");
    std::fs::rename(trees.join(&removed.digest), trees.join(".gone-x")).unwrap();
    std::fs::create_dir(trees.join("unknown")).unwrap();
    let again = bench.restarted().await;
    let left = again.environments.list().await.unwrap();
    assert_eq!(
        left.iter().map(|one| one.id).collect::<Vec<_>>(),
        [whole.id]
    );
    assert_eq!(again.trees(), [whole.digest]);
    let error = again.environments.remove(removed.id).await.unwrap_err();
    assert!(matches!(error, EnvironmentError::Unknown { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_can_never_fit_removes_no_other() {
    let large: &[&str] = &["beta", "gamma"];
    let sizes = bench(InstallPolicy::default(), 100).await;
    // uv writes down times, whose length differs.
    let most_bytes = sizes.create(large).await.unwrap().bytes / 10 * 9;
    let narrow = InstallPolicy {
        most_bytes,
        ..InstallPolicy::default()
    };
    let bench = bench(narrow, 100).await;
    let small = bench.create(&["gamma"]).await.unwrap();
    let error = bench.create(large).await.unwrap_err().to_string();
    assert!(error.contains("this environment has 1 MiB"), "{error}");
    assert_eq!(bench.trees(), [small.digest]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_counts_at_once() {
    let bench = bench(InstallPolicy::default(), 2).await;
    let first = bench.create(&["alpha"]).await.unwrap();
    bench.create(&["gamma"]).await.unwrap();
    // Times are whole milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let name = first.id.to_string();
    drop(bench.environments.find(Some(&name), &[]).await.unwrap());
    let third = bench.create(&["beta"]).await.unwrap();
    let left = bench.environments.list().await.unwrap();
    let left: Vec<_> = left.into_iter().map(|one| one.id).collect();
    assert_eq!(left, [first.id, third.id]);
}
