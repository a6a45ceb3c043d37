//! Sources nobody would write: what the parser and the validator say about them holds together.
//!
//! `HOGNOSE_FUZZ_SECONDS` says how long each property looks for a counterexample.

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use stepflow_python::parser::{PythonParser, decode};
use stepflow_python::{Finding, PythonError, PythonParserImpl, SecurityLevel, validator};

/// Pieces of programs, chosen for what they do to each other.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "f'",
    "f'''",
    "t\"",
    "rb'",
    "{",
    "}",
    "!r",
    ":",
    "::",
    ":=",
    "=",
    "==",
    ",",
    ";",
    ".",
    "...",
    "@",
    "*",
    "**",
    "->",
    "-",
    "+",
    "~",
    "\\",
    "\\\n",
    "#",
    "# /// script\n",
    "# ///\n",
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "    ",
    "\n    ",
    "\n  ",
    "\x0c",
    "\0",
    "\u{feff}",
    "é",
    "数",
    "ｏｓ",
    "\u{202e}",
    "if ",
    "else",
    "elif ",
    "for ",
    "in ",
    "while ",
    "try",
    "except ",
    "finally",
    "with ",
    "as ",
    "match ",
    "case ",
    "class A",
    "def f",
    "async ",
    "await ",
    "lambda ",
    "yield ",
    "return ",
    "global x",
    "nonlocal x",
    "del ",
    "lazy ",
    "import ",
    "from ",
    "type ",
    "not ",
    "and ",
    "or ",
    "is ",
    "x",
    "y",
    "os",
    "sys",
    "open",
    "eval",
    "getattr",
    "__import__",
    "__builtins__",
    "globals()",
    ".system",
    "['os']",
    "('os')",
    "(x)",
    "0",
    "1e5",
    "0x",
    "1_",
    "1j",
    "None",
    "a.b.c",
    "import os",
    "x = os\n",
];

fn check(strategy: impl Strategy<Value = Vec<u8>>) {
    const CASES: u32 = 64;
    let seconds = std::env::var("HOGNOSE_FUZZ_SECONDS").map_or(2, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let cases = Cell::new(0_u64);
    while Instant::now() < end {
        // One that has passed its cases runs nothing more; each new one has another seed.
        let mut runner = TestRunner::new(Config {
            cases: CASES,
            failure_persistence: None,
            ..Default::default()
        });
        let before = cases.get();
        let found = runner.run(&strategy, |bytes| {
            cases.set(cases.get() + 1);
            runtime.block_on(holds(&bytes));
            Ok(())
        });
        if let Err(error) = found {
            panic!("{error}");
        }
        assert!(cases.get() > before, "nothing was tried");
    }
    eprintln!("{} sources", cases.get());
}

async fn holds(bytes: &[u8]) {
    let source = match decode(bytes) {
        Ok(source) => source,
        Err(finding) => return points_into(&finding, &String::from_utf8_lossy(bytes)),
    };
    let parser = PythonParserImpl::default();
    let syntax = parser.validate_syntax(&source).await.unwrap();
    for finding in &syntax.findings {
        points_into(finding, &source);
    }
    match parser.parse_code(&source).await {
        Ok(module) => {
            assert!(syntax.is_valid);
            for function in &module.functions {
                assert!(source.contains(&function.source_code), "{function:?}");
                assert!(function.span.end_line >= function.span.line, "{function:?}");
            }
            let nodes = &module.ast.as_ref().unwrap().nodes;
            for (index, node) in nodes.iter().enumerate() {
                assert!(node.parent.is_none_or(|parent| (parent as usize) < index));
            }
        }
        // Its metadata may be wrong where its syntax is not.
        Err(PythonError::ParseError(_)) => {}
        Err(PythonError::SyntaxError(_)) => assert!(!syntax.is_valid),
        Err(other) => panic!("{other}"),
    }
    let mut below = 0;
    for level in SecurityLevel::ALL {
        let findings = validator::check(&source, level, None).await.unwrap();
        for finding in &findings {
            points_into(finding, &source);
        }
        assert!(findings.len() >= below, "{level:?} is laxer than one below");
        below = findings.len().min(1);
        let again = validator::check(&source, level, None).await.unwrap();
        assert_eq!(findings, again);
    }
}

fn points_into(finding: &Finding, source: &str) {
    let span = finding.span;
    let (start, end) = ((span.line, span.column), (span.end_line, span.end_column));
    assert!(start <= end, "{finding:?}");
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let lines = source.matches('\n').count() + 1;
    assert!(span.end_line as usize <= lines, "{finding:?}");
    assert!(source.contains(&finding.excerpt), "{finding:?}");
}

#[test]
fn pieces_of_programs() {
    check(vec(select(PIECES), 0..60).prop_map(|pieces| pieces.concat().into_bytes()));
}

#[test]
fn bytes() {
    check(vec(any::<u8>(), 0..200));
}

#[test]
fn programs_with_a_hole() {
    let program = include_str!("fuzz.py");
    let edit = (0..program.len(), 0..40_usize, vec(select(PIECES), 0..6));
    check(edit.prop_map(move |(at, length, pieces)| {
        let mut bytes = program.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, pieces.concat().into_bytes());
        bytes
    }));
}
