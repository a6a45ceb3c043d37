//! The parser's facts beside those of CPython's `ast`, over whole standard libraries.
//!
//! `HOGNOSE_TEST_PYTHONS`, a list of interpreters separated by `:`, replaces `python3`, and then every
//! source is looked at: half a minute for each. `cargo xtask acceptance parser` sets it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stepflow_python::parser::{ParserConfig, PythonParser, PythonParserImpl};

const ORACLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/stepflow-python/tests/it/oracle.py"
);

/// Texts that CPython's compiler refuses and we do not, for what only it finds out.
const LEFT_TO_CPYTHON: &[&str] = &[];

#[tokio::test]
async fn facts_are_those_of_cpython() {
    match std::env::var("HOGNOSE_TEST_PYTHONS") {
        Ok(pythons) => {
            for python in pythons.split(':') {
                compare(python, 1).await;
            }
        }
        Err(_) => compare("python3", 4).await,
    }
}

/// One source of `every` so many.
async fn compare(python: &str, every: usize) {
    let question =
        "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('stdlib'))";
    let said = Command::new(python)
        .args(["-I", "-c", question])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let words: Vec<&str> = said.split_whitespace().collect();
    let version = (words[0].parse().unwrap(), words[1].parse().unwrap());
    let config = ParserConfig {
        enable_ast_parsing: false,
        enable_dependency_analysis: false,
        python_version: Some(version),
        ..Default::default()
    };
    let parser = PythonParserImpl::with_config(config);
    let mut oracle = Command::new(python)
        .args(["-I", "-X", "utf8", ORACLE, &every.to_string(), words[2]])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut files, mut differences) = (0, Vec::new());
    for line in BufReader::new(oracle.stdout.take().unwrap()).lines() {
        let said: Value = serde_json::from_str(&line.unwrap()).unwrap();
        files += 1;
        differences.extend(difference(&parser, &said).await);
    }
    assert!(oracle.wait().unwrap().success());
    eprintln!("{python}: {files} files, {} differences", differences.len());
    assert!(files > 400 / every, "{python} has only {files} files");
    assert!(
        differences.is_empty(),
        "{python}: {}",
        differences.join("\n")
    );
}

async fn difference(parser: &PythonParserImpl, said: &Value) -> Option<String> {
    let (path, text) = (
        said["path"].as_str().unwrap(),
        said["text"].as_str().unwrap(),
    );
    let syntax = parser.validate_syntax(text).await.unwrap();
    let compiles = said["compiles"].as_bool().unwrap();
    if syntax.is_valid != compiles {
        let known = LEFT_TO_CPYTHON.iter().any(|name| path.ends_with(name));
        return (!known)
            .then(|| format!("{path}: compiles: {compiles}, ours: {:?}", syntax.errors));
    }
    let module = match parser.parse_code(text).await {
        Ok(module) => module,
        Err(error) => return compiles.then(|| format!("{path}: {error}")),
    };
    let ours = json!({
        "functions": module.functions,
        "classes": module.classes,
        "imports": module.imports.iter().filter(|import| !import.is_call).collect::<Vec<_>>(),
        "constants": module.constants,
        "entry_point": module.entry_point,
        "docstring": module.docstring,
    });
    first_difference(&said["facts"], &ours, path)
}

/// Where two documents first differ.
fn first_difference(theirs: &Value, ours: &Value, path: &str) -> Option<String> {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => a
            .iter()
            .find_map(|(key, value)| first_difference(value, &ours[key], &format!("{path}/{key}"))),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => (0..a.len())
            .find_map(|index| first_difference(&a[index], &b[index], &format!("{path}/{index}"))),
        _ if theirs == ours => None,
        _ => Some(format!("{path}: CPython {theirs:.300}, ours {ours:.300}")),
    }
}
