//! Root without cgroups: what bounds a tree once the supervisor has given up root.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use engine::{ExecutionRequest, Limit, LimitOverrides, Outcome, Tier};

use crate::support::{bench_in, stdout};

const MIB: u64 = 1024 * 1024;

/// Says that this process is one without cgroups, and where its state folder lies.
const INSIDE: &str = "HOGNOSE_TEST_NESTED";

/// Runs this test once more in a mount namespace without cgroups, and fails as it does.
///
/// There it returns the state folder; `None` where the test is over.
fn without_cgroups(test: &str) -> Option<PathBuf> {
    if let Some(state) = std::env::var_os(INSIDE) {
        return Some(state.into());
    }
    if std::fs::metadata("/proc/self")
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        .ok()
        != Some(0)
    {
        println!("SKIPPED: needs root, to unmount cgroups");
        return None;
    }
    let state = tempfile::tempdir().unwrap();
    // Whoever has given up root must be able to get there.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(state.path(), open).unwrap();
    let again = r#"{ ! mountpoint -q /sys/fs/cgroup || umount -R /sys/fs/cgroup; } && exec "$0" --exact "$1" --nocapture"#;
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", again])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, state.path())
        .status()
        .unwrap();
    assert!(status.success(), "{test} without cgroups: {status}");
    None
}

#[tokio::test]
async fn a_tree_is_bounded_although_its_supervisor_is_a_stranger_to_it() {
    let Some(state) =
        without_cgroups("nested::a_tree_is_bounded_although_its_supervisor_is_a_stranger_to_it")
    else {
        return;
    };
    let bench = bench_in(&state, Tier::Nested).await;
    assert_eq!(bench.engine.isolation().tier, "nested");
    assert!(bench.engine.drop_privileges().unwrap());
    let limits = LimitOverrides {
        memory_bytes: Some(256 * MIB),
        ..Default::default()
    };
    // Each process is far below the limit.
    let tree = "import os, time\nfor _ in range(4):\n  \
                if os.fork() == 0:\n    x = bytearray(100 * 2**20); time.sleep(20)\ntime.sleep(20)";
    let began = Instant::now();
    let report = bench.run_request(limited(tree, limits)).await;
    assert_eq!(report.outcome, Outcome::LimitExceeded(Limit::Memory));
    assert!(began.elapsed() < Duration::from_secs(10));
    // Half the limit is no reason, and is measured.
    let modest = "import time; x = bytearray(100 * 2**20); time.sleep(0.3); print(len(x))";
    let report = bench.run_request(limited(modest, limits)).await;
    assert_eq!(stdout(&report), format!("{}\n", 100 * MIB));
    assert!(
        report.usage.memory_peak_bytes >= 100 * MIB,
        "{:?}",
        report.usage
    );
    let short = LimitOverrides {
        cpu_ms: Some(500),
        ..Default::default()
    };
    // No process of it comes near the limit alone.
    let busy = "import os\nfor _ in range(3): os.fork()\nwhile True: pass";
    let report = bench.run_request(limited(busy, short)).await;
    assert_eq!(report.outcome, Outcome::LimitExceeded(Limit::Cpu));
    bench.engine.health().await.unwrap();
}

#[tokio::test]
async fn what_a_brief_program_uses_is_measured() {
    let Some(state) = without_cgroups("nested::what_a_brief_program_uses_is_measured") else {
        return;
    };
    let bench = bench_in(&state, Tier::Nested).await;
    assert!(bench.engine.drop_privileges().unwrap());
    // Over before a sample sees it.
    let report = bench.run("x = bytearray(8 * 2**20)").await;
    let usage = report.usage;
    assert!(usage.memory_peak_bytes >= 8 * MIB, "{usage:?}");
    // What its interpreter needed to get ready is not its own.
    let report = bench.run("import time; time.sleep(0.02)").await;
    let usage = report.usage;
    assert!(usage.cpu > Duration::ZERO, "{usage:?}");
    assert!(usage.cpu < usage.wall, "{usage:?}");
}

#[tokio::test]
async fn cpu_time_that_nobody_has_waited_for_counts() {
    let Some(state) = without_cgroups("nested::cpu_time_that_nobody_has_waited_for_counts") else {
        return;
    };
    let bench = bench_in(&state, Tier::Nested).await;
    assert!(bench.engine.drop_privileges().unwrap());
    let limits = LimitOverrides {
        cpu_ms: Some(500),
        wall_ms: Some(10_000),
        ..Default::default()
    };
    // What children that are there use never comes near the limit.
    let ignored = "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
                   while True:\n  if os.fork() == 0:\n    end = time.process_time() + 0.1\n    \
                   while time.process_time() < end: pass\n    os._exit(0)\n  time.sleep(0.08)";
    let report = bench.run_request(limited(ignored, limits)).await;
    assert_eq!(report.outcome, Outcome::LimitExceeded(Limit::Cpu));
}

#[tokio::test]
async fn without_its_sampler_nothing_runs_unbounded() {
    let Some(state) = without_cgroups("nested::without_its_sampler_nothing_runs_unbounded") else {
        return;
    };
    let bench = bench_in(&state, Tier::Nested).await;
    let long = ExecutionRequest {
        source: "print('on', flush=True)\nimport time; time.sleep(20)".into(),
        ..Default::default()
    };
    let mut running = bench.engine.execute(long).await.unwrap();
    while !matches!(running.next().await, Some(engine::Event::Output(..))) {}
    let sampler = child_named("hognose-sampler");
    let killed = Command::new("kill")
        .args(["-9", &sampler])
        .status()
        .unwrap();
    assert!(killed.success());
    let error = running.finish().await.unwrap_err();
    assert!(
        error.retryable() && error.code() == "execution_lost",
        "{error}"
    );
    assert_eq!(
        bench.engine.health().await.unwrap_err(),
        "the sampler is gone; restart hognose"
    );
}

fn limited(source: &str, limits: LimitOverrides) -> ExecutionRequest {
    ExecutionRequest {
        source: source.into(),
        limits,
        ..Default::default()
    }
}

/// The pid of this process's child of that name.
fn child_named(name: &str) -> String {
    let own = format!(" {} ", std::process::id());
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let found = pids.filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (pid, rest) = stat.split_once(" (")?;
        let (comm, rest) = rest.split_once(')')?;
        // State, then the parent.
        (comm == name && rest.get(2..)?.starts_with(&own)).then(|| pid.to_owned())
    });
    found.last().unwrap()
}
