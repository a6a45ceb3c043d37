//! Programs with known ends.

use engine::{ExitStatus, Outcome, Value};

use crate::support::{bench, stdout};

#[tokio::test]
async fn a_program_runs_confined_and_its_last_value_comes_back() {
    let bench = bench().await;
    let report = bench
        .run("import os\nprint('hello', os.getuid())\n6 * 7")
        .await;
    assert_eq!(stdout(&report), "hello 1000\n");
    let expected = Value {
        repr: Some("42".into()),
        json: Some(42.into()),
        ..Default::default()
    };
    assert_eq!(report.outcome, Outcome::Completed(expected));
    assert_eq!(report.exit, Some(ExitStatus::Exited(0)));
}

#[tokio::test]
async fn ends_are_told_as_the_kernel_saw_them() {
    let bench = bench().await;
    for (source, expected) in [
        (
            "import os; os._exit(0)",
            Outcome::Crashed(ExitStatus::Exited(0)),
        ),
        (
            "import os; os._exit(7)",
            Outcome::Crashed(ExitStatus::Exited(7)),
        ),
        (
            "import os; os.abort()",
            Outcome::Crashed(ExitStatus::Signaled(6)),
        ),
        (
            "import os; os.kill(os.getpid(), 9)",
            Outcome::Crashed(ExitStatus::Signaled(9)),
        ),
        (
            "import os; os.kill(os.getpid(), 15)",
            Outcome::Crashed(ExitStatus::Signaled(15)),
        ),
        (
            "import ctypes; ctypes.string_at(0)",
            Outcome::Crashed(ExitStatus::Signaled(11)),
        ),
    ] {
        assert_eq!(bench.outcome(source).await, expected, "{source}");
    }
}

#[tokio::test]
async fn an_exception_has_the_users_own_lines() {
    let bench = bench().await;
    let report = bench
        .run("def f():\n    raise ValueError('no')\n\nf()\n")
        .await;
    let Outcome::Raised(exception) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert_eq!(
        (exception.kind.as_str(), exception.message.as_str()),
        ("ValueError", "no")
    );
    let frames: Vec<_> = exception
        .frames
        .iter()
        .map(|f| (f.line, f.function.as_str(), f.source.as_deref()))
        .collect();
    assert_eq!(
        frames,
        [
            (4, "<module>", Some("f()")),
            (2, "f", Some("    raise ValueError('no')"))
        ]
    );
    let report = bench.run("import sys; sys.exit(3)").await;
    let Outcome::Raised(exception) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert_eq!(exception.exit_status, Some(3));
}

#[tokio::test]
async fn files_go_in_and_artifacts_come_out() {
    let bench = bench().await;
    let request = engine::ExecutionRequest {
        source: "import sys\nopen('output/copy.txt','w').write(open('data.txt').read() + sys.stdin.read() + sys.argv[1])\n\
                 import os; os.symlink('/etc/passwd', 'output/link')"
            .into(),
        stdin: Some("-stdin-".into()),
        args: vec!["arg".into()],
        files: vec![engine::InputFile { name: "data.txt".into(), content: "data".into() }],
        ..Default::default()
    };
    let report = bench.run_request(request).await;
    assert_eq!(report.outcome.kind(), "completed", "{report:?}");
    assert_eq!(report.artifacts.len(), 1);
    assert_eq!(
        (report.skipped[0].name.as_str(), report.skipped[0].reason),
        ("link", "symlink")
    );
    let (artifact, content) = bench.engine.artifact(report.id, "copy.txt").await.unwrap();
    assert_eq!(content, "data-stdin-arg");
    assert_eq!(artifact.media_type, "text/plain");
    assert!(
        bench
            .engine
            .artifact(engine::ExecutionId::random(), "copy.txt")
            .await
            .is_none()
    );
}

#[tokio::test]
async fn a_dropped_execution_is_killed_and_its_slot_serves_again() {
    let bench = bench().await;
    for _ in 0..6 {
        let request = engine::ExecutionRequest {
            source: "while True: pass".into(),
            ..Default::default()
        };
        drop(bench.engine.execute(request).await.unwrap());
    }
    assert_eq!(stdout(&bench.run("print(1)").await), "1\n");
}

#[tokio::test]
async fn a_cancelled_execution_says_so_and_keeps_its_output() {
    let bench = bench().await;
    let request = engine::ExecutionRequest {
        source: "print('on', flush=True)\nwhile True: pass".into(),
        ..Default::default()
    };
    let mut execution = bench.engine.execute(request).await.unwrap();
    while !matches!(execution.next().await, Some(engine::Event::Output(..))) {}
    execution.cancel();
    let report = execution.finish().await.unwrap();
    assert_eq!(
        (report.outcome.kind(), stdout(&report).as_str()),
        ("cancelled", "on\n")
    );
}
