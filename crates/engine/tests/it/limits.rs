//! Limits hold for the whole tree and are told apart.

use std::time::Duration;

use engine::{ExecutionRequest, Limit, LimitOverrides, Outcome};

use crate::support::{bench, stdout};

const MIB: u64 = 1024 * 1024;

fn limited(source: &str, limits: LimitOverrides) -> ExecutionRequest {
    ExecutionRequest {
        source: source.into(),
        limits,
        ..Default::default()
    }
}

#[tokio::test]
async fn every_limit_ends_what_breaks_it_and_is_named() {
    let bench = bench().await;
    let none = LimitOverrides::default();
    let short = LimitOverrides {
        wall_ms: Some(1000),
        ..none
    };
    let cases = [
        ("import time; time.sleep(60)", short, Limit::Wall),
        (
            "import signal\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass",
            short,
            Limit::Wall,
        ),
        (
            "while True: pass",
            LimitOverrides {
                cpu_ms: Some(500),
                ..none
            },
            Limit::Cpu,
        ),
        (
            "import os\nwhile True: os.write(1, b'x' * 65536)",
            LimitOverrides {
                output_hard_bytes: Some(8 * MIB),
                ..none
            },
            Limit::Output,
        ),
        (
            "open('big','wb').write(bytes(9 * 2**20))",
            LimitOverrides {
                workdir_bytes: Some(4 * MIB),
                ..none
            },
            Limit::Disk,
        ),
        (
            "for n in range(1000): open(f'f{n}','w')",
            LimitOverrides {
                workdir_inodes: Some(100),
                ..none
            },
            Limit::Disk,
        ),
    ];
    for (source, limits, expected) in cases {
        let report = bench.run_request(limited(source, limits)).await;
        assert_eq!(
            report.outcome,
            Outcome::LimitExceeded(expected),
            "{source}: {}",
            report.stderr.text().0
        );
        assert!(
            report.usage.wall < Duration::from_secs(5),
            "{source}: {:?}",
            report.usage
        );
    }
}

#[tokio::test]
async fn memory_of_the_whole_tree_is_bounded_where_cgroups_are() {
    let bench = bench().await;
    if bench.engine.isolation().tier != "full" {
        println!("SKIPPED: needs cgroups (tier full)");
        return;
    }
    let limits = LimitOverrides {
        memory_bytes: Some(64 * MIB),
        ..Default::default()
    };
    let hog = "x = bytearray(10**9)";
    let grandchild =
        "import os\npid = os.fork()\nif pid == 0:\n  x = bytearray(10**9)\nos.waitpid(pid, 0)";
    for source in [hog, grandchild] {
        let report = bench.run_request(limited(source, limits)).await;
        assert_eq!(
            report.outcome,
            Outcome::LimitExceeded(Limit::Memory),
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_fork_bomb_hits_the_process_limit_and_nobody_else() {
    let bench = bench().await;
    let limits = LimitOverrides {
        processes: Some(20),
        wall_ms: Some(3000),
        ..Default::default()
    };
    let bomb = "import os, time\nfor _ in range(100):\n  if os.fork() == 0: time.sleep(60)";
    let report = bench.run_request(limited(bomb, limits)).await;
    let ended = matches!(
        report.outcome,
        Outcome::LimitExceeded(Limit::Processes) | Outcome::Raised(_)
    );
    assert!(ended, "{:?}", report.outcome);
    assert_eq!(stdout(&bench.run("print(2)").await), "2\n");
}

#[tokio::test]
async fn a_tree_that_only_tries_to_fork_is_ended_long_before_its_time_is_up() {
    let bench = bench().await;
    let bomb = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass";
    let limits = LimitOverrides {
        wall_ms: Some(10_000),
        ..Default::default()
    };
    let report = bench.run_request(limited(bomb, limits)).await;
    // Nothing else tells of refused forks.
    let expected = match bench.engine.isolation().tier {
        "full" => Limit::Processes,
        _ => Limit::Wall,
    };
    assert_eq!(report.outcome, Outcome::LimitExceeded(expected));
}

#[tokio::test]
async fn a_flood_keeps_head_and_tail_and_counts_the_rest() {
    let bench = bench().await;
    let limits = LimitOverrides {
        output_bytes: Some(1000),
        ..Default::default()
    };
    let report = bench
        .run_request(limited(
            "print('a' * 600); print('b' * 100000); print('z' * 400)",
            limits,
        ))
        .await;
    assert_eq!(
        report.outcome.kind(),
        "completed",
        "{}",
        report.stderr.text().0
    );
    assert!(report.stdout.head.starts_with(b"aaa") && report.stdout.tail.ends_with(b"zzz\n"));
    assert_eq!(report.stdout.head.len() + report.stdout.tail.len(), 1000);
    assert_eq!(report.stdout.dropped_bytes, 601 + 100_001 + 401 - 1000);
}

#[tokio::test]
async fn a_long_execution_has_its_turns_on_a_busy_host() {
    let bench = bench().await;
    let processors = std::thread::available_parallelism().unwrap().get();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let busy = |_| {
        let stop = std::sync::Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        })
    };
    let threads: Vec<_> = (0..processors * 2).map(busy).collect();
    let source = "import time\nwhile time.process_time() < 0.8: pass\nprint('done')";
    let report = bench.run(source).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(stdout(&report), "done\n", "{report:?}");
}
