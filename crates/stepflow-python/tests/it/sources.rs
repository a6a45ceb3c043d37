//! Packages without a wheel, from Git, from this host and from Conda.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use stepflow_python::{EnvironmentError, EnvironmentService, InstallPolicy};

use crate::environments::{bench, bench_on};
use crate::support::tools;

const FACTS: &str = "import sourceonly, gamma; print(sourceonly.NETWORK, sourceonly.TOOL, sourceonly.WHERE.startswith('/code/source/'))";

fn builds() -> InstallPolicy {
    InstallPolicy {
        source_builds: true,
        local_files: true,
        ..InstallPolicy::default()
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let done = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(who)
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_without_a_wheel_is_built_confined_and_offline() {
    let bench = bench(builds(), 100).await;
    let made = bench.create(&["sourceonly"]).await.unwrap();
    let id = made.id.to_string();
    assert_eq!(bench.run(Some(&id), &[], FACTS).await, "none 1.0 True\n");
    let lock = bench.environments.lock(made.id).await.unwrap();
    assert!(
        lock.contains("./wheels/") && lock.contains("gamma==1.0"),
        "{lock}"
    );
    // What was built is kept: the same wish leads to the same digest.
    let again = bench.create(&["sourceonly"]).await.unwrap();
    assert_eq!(again.digest, made.digest);
    assert!(bench.environments.prune().await.unwrap() > 0);
    let wheels = bench.state.path().join("requested/wheels");
    assert_eq!(fs::read_dir(wheels).unwrap().count(), 0);
    assert_eq!(bench.run(Some(&id), &[], FACTS).await, "none 1.0 True\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn git_and_local_sources_are_built_at_the_named_revision() {
    let bench = bench(builds(), 100).await;
    let project = bench.state.path().join("sourceonly-1.0");
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "first"]);
    git(&project, &["tag", "good"]);
    fs::write(
        project.join("backend.py"),
        "raise SystemExit('the second commit')",
    )
    .unwrap();
    git(&project, &["commit", "--quiet", "-am", "second"]);
    let place = project.display();
    let tagged = format!("sourceonly @ git+file://{place}@good");
    let made = bench.create(&[&tagged]).await.unwrap();
    let id = made.id.to_string();
    assert_eq!(bench.run(Some(&id), &[], FACTS).await, "none 1.0 True\n");
    let newest = format!("sourceonly @ git+file://{place}");
    let error = bench.create(&[&newest]).await.unwrap_err();
    assert!(matches!(error, EnvironmentError::Packages { .. }));
    assert!(error.to_string().contains("the second commit"), "{error}");
    git(&project, &["checkout", "--quiet", "good"]);
    let local = format!("sourceonly @ file://{place}");
    assert!(bench.create(&[&local]).await.is_ok());
    let error = bench.create(&["sourceonly @ git+https://10.0.0.1/a"]).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("`10.0.0.1` is not on the operator's list"),
        "{error}"
    );
    let nowhere = format!("sourceonly @ git+file://{place}@nosuch");
    let error = bench.create(&[&nowhere]).await.unwrap_err().to_string();
    assert!(
        error.contains("`sourceonly` cannot be built") && error.contains("nosuch"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_package_of_the_index_is_built_with_setuptools() {
    let state = tempfile::tempdir().unwrap();
    tools(state.path());
    let bench = bench_on(state, builds(), 100, None).await;
    let made = bench.create(&["docopt==0.6.2"]).await.unwrap();
    let id = made.id.to_string();
    let source = "import docopt; print(docopt.__version__)";
    assert_eq!(bench.run(Some(&id), &[], source).await, "0.6.2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conda_package_of_modules_is_taken_and_one_with_libraries_is_not() {
    let stand_in = tempfile::tempdir().unwrap();
    let program = stand_in.path().join("micromamba");
    fs::write(&program, include_str!("conda.py")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = InstallPolicy {
        conda: Some(program),
        ..InstallPolicy::default()
    };
    let bench = bench(policy, 100).await;
    let made = bench.create(&["conda-forge::pure=2.5"]).await.unwrap();
    let id = made.id.to_string();
    let source = "import pure, gamma; print(pure.VERSION, pure.CHANNEL, gamma.VERSION)";
    assert_eq!(
        bench.run(Some(&id), &[], source).await,
        "2.5 conda-forge 1.0\n"
    );
    assert!(
        made.packages.contains(&("pure".into(), "2.5".into())),
        "{made:?}"
    );
    let lock = bench.environments.lock(made.id).await.unwrap();
    assert!(lock.contains("# conda pure=2.5=py_0 sha256:"), "{lock}");
    for (wanted, expected) in [
        ("conda-forge::native=1", "lib/libnative.so"),
        ("conda-forge::missing", "nothing provides"),
    ] {
        let error = bench.create(&[wanted]).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(bench.trees().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_conda_the_refusal_says_what_to_install() {
    let policy = InstallPolicy {
        conda: Some("/nowhere/micromamba".into()),
        ..InstallPolicy::default()
    };
    let bench = bench(policy, 100).await;
    let error = bench.create(&["conda-forge::pure"]).await.unwrap_err();
    assert!(matches!(error, EnvironmentError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("micromamba"), "{error}");
}
