//! Environments that callers asked for: several at once, none of them run before confinement.

use std::path::Path;
use std::sync::Arc;

use engine::{Environment, EnvironmentChoice, ExecutionError, ExecutionRequest, Outcome};

use crate::support::{Bench, bench_with_requested, stdout};

/// What a package finds when it is imported.
const PACKAGE: &str = "
import os
VERSION = 'THE_VERSION'
STATUS = {line.split(':')[0]: line.split()[1:] for line in open('/proc/self/status')}
UID, CAPABILITIES = os.getuid(), STATUS['CapEff'][0]
PID = os.getpid()
";

/// An environment with one package, `numpy`, which the preloads know by name.
fn environment(bench: &Bench, digit: char, version: &str) -> Arc<Environment> {
    let interpreter = bench.interpreter.clone();
    let digest = String::from(digit).repeat(64);
    let root = bench.requested.join(&digest);
    let site = root.join(format!("lib/{}/site-packages", interpreter.name()));
    write(
        &site.join("numpy/__init__.py"),
        &PACKAGE.replace("THE_VERSION", version),
    );
    // Every run leaves its uid: one in the zygote would show beside the child's own.
    let runs =
        |name| format!("import os, sys; sys.{name} = [*getattr(sys, '{name}', []), os.getuid()]\n");
    write(&site.join("start.pth"), &runs("pth_ran_as"));
    write(&site.join("sitecustomize.py"), &runs("custom_ran_as"));
    // Whoever builds the tree may put anything here; the zygote must not start it.
    write(&root.join("bin/python3"), "#!/bin/sh\nexit 3\n");
    Arc::new(Environment {
        digest,
        root,
        interpreter,
        packages: vec![("numpy".into(), version.into())],
    })
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn request(environment: &Arc<Environment>, source: &str) -> ExecutionRequest {
    ExecutionRequest {
        source: source.into(),
        imports: ["numpy".to_owned()].into(),
        environment: EnvironmentChoice::Built(Arc::clone(environment)),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_serve_at_the_same_time_beside_the_default_one() {
    let bench = bench_with_requested().await;
    let (one, two) = (
        environment(&bench, '1', "1.26"),
        environment(&bench, '2', "2.1"),
    );
    let source = "import numpy; print(numpy.VERSION)";
    for _ in 0..3 {
        let (first, second, default) = tokio::join!(
            bench.run_request(request(&one, source)),
            bench.run_request(request(&two, source)),
            bench.run(source),
        );
        assert_eq!(stdout(&first), "1.26\n", "{}", first.stderr.text().0);
        assert_eq!(stdout(&second), "2.1\n", "{}", second.stderr.text().0);
        assert_eq!(first.preload, "numpy");
        assert!(matches!(default.outcome, Outcome::Raised(_)));
    }
    let pools = bench.engine.pools();
    for digest in [&one.digest, &two.digest] {
        assert!(
            pools
                .iter()
                .any(|pool| pool.environment == *digest && pool.zygotes == 1)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_requested_package_runs_before_confinement() {
    let bench = bench_with_requested().await;
    let environment = environment(&bench, 'a', "1");
    let source = "import numpy, sys, os\n\
        print(numpy.UID, numpy.CAPABILITIES, sys.pth_ran_as, sys.custom_ran_as)\n\
        print(numpy.PID == os.getpid(), sys.prefix, sys.base_prefix, sys.executable, exit)";
    let report = bench.run_request(request(&environment, source)).await;
    let told = stdout(&report);
    let mut lines = told.lines();
    assert_eq!(
        lines.next(),
        Some("1000 0000000000000000 [1000] [1000]"),
        "{told}"
    );
    assert_eq!(
        lines.next(),
        Some(
            "True /environment /python /environment/bin/python3 Use exit() or Ctrl-D (i.e. EOF) to exit"
        ),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_in_use_is_not_forgotten() {
    let bench = bench_with_requested().await;
    let environment = environment(&bench, 'b', "1");
    let source = "import sys; print('here', flush=True); sys.stdin.read()";
    let mut execution = bench
        .engine
        .execute(request(&environment, source))
        .await
        .unwrap();
    assert!(bench.engine.forget(&environment.digest).await.is_err());
    while let Some(event) = execution.next().await {
        drop(event);
    }
    drop(execution);
    while bench.engine.forget(&environment.digest).await.is_err() {
        tokio::task::yield_now().await;
    }
    let pools = bench.engine.pools();
    assert!(
        pools
            .iter()
            .all(|pool| pool.environment != environment.digest)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_folder_does_not_hold_cannot_be_shown() {
    let bench = bench_with_requested().await;
    let real = environment(&bench, 'c', "1");
    let elsewhere = bench.requested.with_file_name("elsewhere");
    std::fs::rename(&real.root, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &real.root).unwrap();
    let refused = bench.engine.execute(request(&real, "1")).await.unwrap_err();
    assert!(
        matches!(&refused, ExecutionError::Confine { reason, .. } if reason.contains("/environment")),
        "{refused}"
    );
    for digest in ["../elsewhere", "", "zz"] {
        let named = Arc::new(Environment {
            digest: digest.into(),
            ..(*real).clone()
        });
        let refused = bench
            .engine
            .execute(request(&named, "1"))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "bad_environment", "{digest}");
    }
}
