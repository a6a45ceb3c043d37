//! Who sent a SIGKILL: a program that somebody outside kills is lost, one that kills itself crashed.

use std::os::fd::AsFd;

use engine::{Event, ExecutionError, ExecutionReport, ExecutionRequest, ExitStatus, Outcome};
use sandbox::sys::process;

use crate::support::{Bench, bench, stdout};

/// Names itself so that it can be found from outside, and waits.
const VICTIM: &str = "import ctypes, time\n\
    ctypes.CDLL(None).prctl(15, b'victim')\n\
    print('on', flush=True)\n\
    time.sleep(60)";

/// Every call by which a program can send SIGKILL to its own first process.
const OWN_KILLS: [&str; 9] = [
    "os.kill(os.getpid(), 9)",
    "os.kill(0, 9)",
    "if os.fork() == 0: os.kill(os.getppid(), 9)\ntime.sleep(60)",
    "if os.fork() == 0: os.kill(-1, 9)\ntime.sleep(60)",
    "signal.pthread_kill(threading.get_ident(), 9)",
    "libc.syscall(200, os.getpid(), 9)",
    "libc.syscall(129, os.getpid(), 9, struct.pack('iii116x', 9, 0, -1))",
    // A process can be killed by the number of any of its threads.
    "threading.Thread(target=lambda: [tids.append(threading.get_native_id()), time.sleep(60)]).start()\n\
     while not tids: pass\n\
     if os.fork() == 0: os.kill(tids[0], 9)\ntime.sleep(60)",
    "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
];

async fn ended_after_a_kill_from_outside(
    bench: &Bench,
    source: &str,
) -> Result<ExecutionReport, ExecutionError> {
    let request = ExecutionRequest {
        source: source.into(),
        ..Default::default()
    };
    let mut execution = bench.engine.execute(request).await.unwrap();
    while !matches!(execution.next().await, Some(Event::Output(..))) {}
    let pid = victim();
    let pidfd = process::pidfd_of(pid).unwrap();
    process::signal(pidfd.as_fd(), 9).unwrap();
    execution.finish().await
}

/// The one child of this test that goes by that name.
fn victim() -> i32 {
    let named = |pid: &i32| {
        let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        let ours = format!("PPid:\t{}\n", std::process::id());
        read("comm").is_ok_and(|name| name == "victim\n")
            && read("status").is_ok_and(|status| status.contains(&ours))
    };
    let found: Vec<i32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(named)
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

#[tokio::test]
async fn a_program_killed_from_outside_is_lost_and_can_be_run_again() {
    let bench = bench().await;
    let ends_a_child = "import os, time\npid = os.fork()\nif pid == 0: time.sleep(60)\n\
                        os.kill(pid, 15); os.waitpid(pid, 0)\n";
    for before in ["", ends_a_child] {
        let ended = ended_after_a_kill_from_outside(&bench, &format!("{before}{VICTIM}")).await;
        let error = ended.unwrap_err();
        assert!(matches!(error, ExecutionError::Lost { .. }), "{error:?}");
        assert!(error.retryable());
    }
    assert_eq!(stdout(&bench.run("print(1)").await), "1\n");
}

#[tokio::test]
async fn whoever_has_sent_a_kill_answers_for_it() {
    let bench = bench().await;
    let before = "import os\npid = os.fork()\nif pid == 0:\n  while True: pass\n\
                  os.kill(pid, 9); os.waitpid(pid, 0)\n";
    let ended = ended_after_a_kill_from_outside(&bench, &format!("{before}{VICTIM}")).await;
    let outcome = ended.unwrap().outcome;
    assert_eq!(outcome, Outcome::Crashed(ExitStatus::Signaled(9)));
}

#[tokio::test]
async fn a_program_that_kills_itself_has_crashed_whatever_the_call() {
    let bench = bench().await;
    let imports = "import ctypes, os, resource, signal, struct, threading, time\n\
                   libc = ctypes.CDLL(None)\ntids = []\n";
    for call in OWN_KILLS {
        let outcome = bench.outcome(&format!("{imports}{call}")).await;
        assert_eq!(outcome, Outcome::Crashed(ExitStatus::Signaled(9)), "{call}");
    }
}

#[tokio::test]
async fn a_program_that_kills_without_end_holds_up_nobody_else() {
    let bench = bench().await;
    let flood = "import os, threading, time\n\
        print('on', flush=True)\n\
        def kill():\n\
        \x20 while True:\n\
        \x20   try: os.kill(4000000, 9)\n\
        \x20   except ProcessLookupError: pass\n\
        for _ in range(50): threading.Thread(target=kill, daemon=True).start()\n\
        time.sleep(60)";
    let request = ExecutionRequest {
        source: flood.into(),
        ..Default::default()
    };
    let mut flooding = bench.engine.execute(request).await.unwrap();
    while !matches!(flooding.next().await, Some(Event::Output(..))) {}
    for number in 0..20 {
        let report = bench.run(&format!("print({number})")).await;
        assert_eq!(stdout(&report), format!("{number}\n"));
    }
    flooding.cancel();
    assert_eq!(flooding.finish().await.unwrap().outcome.kind(), "cancelled");
}
