//! Scripts of the host: what of them reaches the guest, and how they find their files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stepflow_python::{
    EntryPoint, PythonError, PythonExecutor, PythonResponse, ScriptRequest, SecurityLevel,
};

use crate::support::{Bench, bench};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn request(path: &Path, entry_point: EntryPoint) -> ScriptRequest {
    ScriptRequest {
        script_path: path.to_str().unwrap().to_owned(),
        entry_point,
        ..Default::default()
    }
}

async fn run(bench: &Bench, request: ScriptRequest) -> PythonResponse {
    bench.executor.execute_script(request).await.unwrap()
}

async fn result(bench: &Bench, request: ScriptRequest) -> Value {
    let response = run(bench, request).await;
    let told = format!("{response:?}");
    response.result.unwrap_or_else(|| panic!("{told}"))
}

#[tokio::test]
async fn a_file_runs_as_if_it_had_been_started_by_name() {
    let bench = bench().await;
    let folder = folder(&[(
        "tool.py",
        "import sys\n__name__, __file__, sys.argv, sys.path[0]",
    )]);
    let request = ScriptRequest {
        args: vec!["a b".into()],
        ..request(&folder.path().join("tool.py"), EntryPoint::Main)
    };
    let expected = json!([
        "__main__",
        "/code/tool.py",
        ["/code/tool.py", "a b"],
        "/code"
    ]);
    assert_eq!(result(&bench, request).await, expected);
}

#[tokio::test]
async fn a_folder_runs_by_any_of_its_entry_points() {
    let bench = bench().await;
    let folder = folder(&[
        ("__main__.py", "import helper\nhelper.name, __file__"),
        ("helper.py", "name = 'top'"),
        (
            "tools/run.py",
            "import helper, sys\nhelper.name, sys.path[0], open('input/data/x.csv').read()",
        ),
        ("tools/helper.py", "name = 'beside'"),
        ("data/x.csv", "1,2"),
        ("pkg/__init__.py", "from .sub import deep"),
        (
            "pkg/__main__.py",
            "from . import deep\nfrom .sub.mod import up\ndeep, up, __package__",
        ),
        ("pkg/sub/__init__.py", "deep = 1"),
        ("pkg/sub/mod.py", "from ..sub import deep as up\n__name__"),
    ]);
    for (entry, expected) in [
        (EntryPoint::Main, json!(["top", "/code/__main__.py"])),
        (
            EntryPoint::File("tools/run.py".into()),
            json!(["beside", "/code/tools", "1,2"]),
        ),
        (EntryPoint::Module("pkg".into()), json!([1, 1, "pkg"])),
        (EntryPoint::Module("pkg.sub.mod".into()), json!("__main__")),
    ] {
        let request = request(folder.path(), entry.clone());
        assert_eq!(result(&bench, request).await, expected, "{entry:?}");
    }
    let installed = request(folder.path(), EntryPoint::Module("json.tool".into()));
    let installed = ScriptRequest {
        args: vec!["--help".into()],
        ..installed
    };
    let response = run(&bench, installed).await;
    assert!(response.stdout.contains("usage:"), "{response:?}");
}

#[tokio::test]
async fn it_starts_in_its_working_directory() {
    let bench = bench().await;
    let folder = folder(&[
        ("run.py", "import os\nos.getcwd(), open('x').read()"),
        ("data/x", "X"),
    ]);
    let starting = |directory: &str| ScriptRequest {
        working_dir: Some(directory.into()),
        ..request(folder.path(), EntryPoint::File("run.py".into()))
    };
    assert_eq!(
        result(&bench, starting("data")).await,
        json!(["/code/data", "X"])
    );
    for escape in ["/etc", "..", "data/../..", ""] {
        let refused = bench.executor.execute_script(starting(escape)).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("must be plain names"), "{escape}: {told}");
    }
}

#[tokio::test]
async fn lines_and_exits_are_the_scripts_own() {
    let bench = bench().await;
    let folder = folder(&[
        ("a.py", "import b\nb.f()"),
        ("b.py", "\ndef f():\n    1 / 0"),
        ("exit.py", "import sys\nsys.exit(4)"),
        ("latin.py", "# coding: latin-1\nx = 1"),
    ]);
    let file = |name: &str| request(folder.path(), EntryPoint::File(name.into()));
    let failed = run(&bench, file("a.py")).await;
    let traceback = &failed.exceptions[0].traceback;
    assert!(
        traceback.contains("File \"/code/a.py\", line 2, in <module>"),
        "{traceback}"
    );
    assert!(
        traceback.contains("File \"/code/b.py\", line 3, in f"),
        "{traceback}"
    );
    assert_eq!(run(&bench, file("exit.py")).await.return_code, 4);
    let refused = bench.executor.execute_script(file("latin.py")).await;
    assert!(
        matches!(refused, Err(PythonError::ExecutionError(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_folder_that_fills_the_workdir_is_a_limit_and_no_failure_of_ours() {
    let bench = bench().await;
    let folder = folder(&[("run.py", "1")]);
    fs::create_dir(folder.path().join("many")).unwrap();
    for number in 0..4000 {
        fs::write(folder.path().join(format!("many/{number}")), "x").unwrap();
    }
    let file = || request(folder.path(), EntryPoint::File("run.py".into()));
    assert_eq!(run(&bench, file()).await.return_code, 0);
    fs::remove_dir_all(folder.path().join("many")).unwrap();
    // Each folder and each file is there twice, and all have 10 000 inodes.
    for number in 0..3000 {
        fs::create_dir_all(folder.path().join(format!("many/{number}"))).unwrap();
        fs::write(folder.path().join(format!("many/{number}/f")), "x").unwrap();
    }
    let response = run(&bench, file()).await;
    assert_eq!(response.return_code, 123, "{response:?}");
}

#[tokio::test]
async fn a_policy_reads_every_module_of_the_folder() {
    let bench = bench().await;
    let folder = folder(&[
        ("run.py", "import helper"),
        ("helper.py", "\nimport subprocess"),
    ]);
    let request = ScriptRequest {
        security_level: SecurityLevel::Strict,
        ..request(folder.path(), EntryPoint::File("run.py".into()))
    };
    let told = run(&bench, request)
        .await
        .into_result()
        .unwrap_err()
        .to_string();
    assert!(
        told.starts_with("Security violation: in `helper.py`: "),
        "{told}"
    );
}
