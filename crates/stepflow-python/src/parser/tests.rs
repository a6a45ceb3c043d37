//! The scan as callers see it, on the stack of an ordinary test thread.

mod bombs;

use std::time::{Duration, Instant};

use ruff_python_parser::Mode;

use super::*;
use crate::errors::PythonError;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

fn names(source: &str) -> String {
    let names = block_on(hints_of(source)).imports;
    names.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_absolute_import_counts_by_its_first_name() {
    for (source, expected) in [
        ("import numpy as np, os.path", "numpy os"),
        ("from pandas.core import frame", "pandas"),
        (
            "def f():\n  if x:\n    import scipy\n  return lambda: __import__('a.b')",
            "a scipy",
        ),
        (
            "try:\n  import ujson\nexcept ImportError:\n  import json as ujson",
            "json ujson",
        ),
        (
            "import importlib\nimportlib.import_module(name='sympy.core')",
            "importlib sympy",
        ),
        ("f'{__import__(\"numpy\")}'", "numpy"),
        ("lazy import numpy", "numpy"),
        ("async def f():\n  async with a:\n    import b", "b"),
        ("import 数据", "数据"),
    ] {
        assert_eq!(names(source), expected, "{source}");
    }
}

#[test]
fn what_is_not_an_absolute_import_is_ignored() {
    for source in [
        "from . import a",
        "from .b import c",
        "from ... import d",
        "__import__('.e')",
        "'import numpy'",
        "# import numpy",
        "'''\nimport numpy\n'''",
        "x.importlib = 'numpy'",
        "__import__(name)",
        "__import__('')",
    ] {
        assert_eq!(names(source), "", "{source}");
    }
}

#[test]
fn odd_texts_do_not_hide_imports() {
    for source in [
        "\u{feff}import numpy",
        "# -*- coding: utf-7 -*-\nimport numpy",
        "x = 1\rimport numpy\rif x:\r  y\r",
        "\x0cimport numpy\r\n",
        "import numpy\nx = = 1\n",
        "import numpy\ndef f(:):\n  pass",
        "if 1:\nimport numpy",
        "if 1:\n\tif 2:\n\t\timport numpy\n",
        "import numpy\n\x1a",
        "import numpy\nx = (",
        "import numpy\ndef f(:\n  pass",
        "import numpy $",
    ] {
        assert_eq!(names(source), "numpy", "{source:?}");
    }
}

/// Whether the caps refuse the source, or the parser reads it no deeper than they counted.
fn is_bounded(source: &str) -> bool {
    if source.len() > caps::SOURCE_BYTES || caps::admit(source).is_err() {
        return true;
    }
    let tree = ruff_python_parser::parse_unchecked(source, ParseOptions::from(Mode::Module));
    let is_safe = caps::is_safe(tree.tokens().iter().map(|token| token.kind()));
    if !is_safe {
        std::mem::forget(tree);
    }
    is_safe
}

/// The source with an import behind the bomb and one before it, so that the scan really runs.
fn survives(depth: usize) {
    for (name, bomb) in bombs::bombs(depth) {
        let started = Instant::now();
        for source in [
            format!("import numpy\n{bomb}"),
            format!("{bomb}\nimport numpy\n"),
        ] {
            let found = names(&source);
            assert!(
                found.is_empty() || found.contains("numpy") || found == "a",
                "{name}: {found}"
            );
            let twin = source.clone();
            assert_eq!(
                block_on(pool::run(move || is_bounded(&twin))),
                Some(true),
                "{name}"
            );
            explains(name, &source);
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{name} took {:?}",
            started.elapsed()
        );
    }
}

/// Whatever a source is, it has facts and a tree, or an error that says why it has none.
fn explains(name: &str, source: &str) {
    let parsed = block_on(PythonParserImpl::default().parse_code(source));
    let findings = block_on(crate::validator::check(
        source,
        engine::SecurityLevel::Strict,
        None,
    ));
    match parsed {
        Ok(module) => assert!(
            module.ast.is_some_and(|ast| !ast.nodes.is_empty()),
            "{name}"
        ),
        Err(PythonError::SyntaxError(told) | PythonError::ParseError(told)) => {
            assert!(!told.is_empty() && !findings.unwrap().is_empty(), "{name}");
        }
        Err(other) => panic!("{name}: {other}"),
    }
}

#[test]
fn hostile_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let parser = PythonParserImpl::default();
    let told = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let parsed = block_on(parser.parse_file(path.to_str().unwrap()));
        parsed.unwrap_err().to_string()
    };
    let line = format!("x = '{}'", "y".repeat(50 << 20));
    for (name, content, expected) in [
        ("long", line.as_bytes(), "more than 1048576 bytes"),
        (
            "nul",
            b"x = 1\0",
            "line 1, column 6: a program cannot contain NUL",
        ),
        ("latin", b"# coding: latin-1\nx = '\xe9'", "is not UTF-8"),
        ("cookie", b"# coding: utf-7\nx = 1", "line 1, column 11: "),
        (
            "mixed",
            b"x = '\xc3\xa9\xe9'",
            "byte 7 of the file is not UTF-8",
        ),
        ("wide", b"\xff\xfex\0", "is not UTF-8"),
    ] {
        let told = told(name, content);
        assert!(told.contains(expected), "{name}: {told:.200}");
    }
    let absent = block_on(parser.parse_file("/no/such/file")).unwrap_err();
    let absent = absent.to_string();
    assert!(
        absent.starts_with("Parse error: cannot read `/no/such/file`: "),
        "{absent}"
    );
    assert!(block_on(parser.parse_file("/dev/zero")).is_err());
}

#[test]
fn a_line_of_50_megabytes_is_refused_at_once() {
    let line = format!("x = '{}'", "y".repeat(50 << 20));
    let config = ParserConfig {
        max_code_size: usize::MAX,
        ..Default::default()
    };
    let told = block_on(PythonParserImpl::with_config(config).parse_code(&line)).unwrap_err();
    assert!(
        told.to_string().contains("at most 1048576 are checked"),
        "{told}"
    );
}

#[test]
fn a_file_is_the_module_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool.py");
    std::fs::write(&path, "\u{feff}import yaml\ndef f(): pass\n").unwrap();
    let parsed = block_on(PythonParserImpl::default().parse_file(path.to_str().unwrap()));
    let module = parsed.unwrap();
    assert_eq!(
        (module.name.as_str(), module.functions[0].span.line),
        ("tool", 2)
    );
    assert_eq!(module.dependencies[0].name, "yaml");
    assert_eq!(module.source_code, "import yaml\ndef f(): pass\n");
}

#[test]
fn every_error_is_told_with_its_place_and_text() {
    let told = |config: ParserConfig, source: &str| {
        let parsed = block_on(PythonParserImpl::with_config(config).parse_code(source));
        parsed.unwrap_err().to_string()
    };
    let config = ParserConfig::default;
    let broken = told(config(), "x = = 1\ny = 2\nfor: pass\nreturn 1\n");
    let first = "Syntax error: line 1, column 5: Expected an expression: `=`; line 3, column ";
    assert!(broken.starts_with(first), "{broken}");
    let outside = told(config(), "def f():\n  pass\nreturn 1");
    let expected =
        "Syntax error: line 3, column 1: `return` statement outside of a function: `return 1`";
    assert_eq!(outside, expected);
    let old = ParserConfig {
        python_version: Some((3, 9)),
        ..config()
    };
    let newer = told(old, "match x:\n  case 1: pass");
    assert!(newer.contains("Python 3.9"), "{newer}");
    let small = ParserConfig {
        max_code_size: 3,
        ..config()
    };
    let long = told(small, "x = 1");
    assert_eq!(
        long,
        "Parse error: the source has 5 bytes, but the most is 3"
    );
    let blocked = ParserConfig {
        blocked_imports: vec!["ctypes".into()],
        ..config()
    };
    let blocked = told(blocked, "import json\nfrom ctypes import util");
    assert_eq!(
        blocked,
        "Import error: line 2: the module `ctypes` is blocked"
    );
    let allowed = ParserConfig {
        allowed_imports: vec!["json".into()],
        ..config()
    };
    let unlisted = told(allowed, "import json, re");
    assert!(
        unlisted.contains("line 1: the module `re` is not among"),
        "{unlisted}"
    );
    let metadata = told(config(), "# /// script\n# x\n# ///\n");
    assert!(metadata.contains("not valid TOML"), "{metadata}");
}

#[test]
fn what_no_compiler_takes_is_an_error_and_what_each_takes_is_none() {
    let found = |source: &str| -> Vec<(String, u32)> {
        let level = engine::SecurityLevel::Permissive;
        let found = block_on(crate::validator::check(source, level, None)).unwrap();
        let told = |one: engine::Finding| (one.message, one.span.line);
        found.into_iter().map(told).collect()
    };
    let starred = "Starred expression cannot be used here";
    let no_binding = "no binding for nonlocal `q` found";
    for (source, message, line) in [
        ("x = 1\n*x", starred, 2),
        ("y = *x", starred, 1),
        ("y: list = *x", starred, 1),
        (
            "try: f()\nexcept: pass\nexcept E: pass",
            "default `except:` must be last",
            2,
        ),
        ("def f():\n  nonlocal q", no_binding, 2),
        ("q = 1\ndef f():\n  nonlocal q\n  q = 2", no_binding, 3),
        (
            "class C:\n  q = 1\n  def f(self):\n    nonlocal q",
            no_binding,
            4,
        ),
        (
            "def f():\n  global q\n  q = 1\n  def g():\n    nonlocal q",
            no_binding,
            5,
        ),
        ("class C:\n  nonlocal q", no_binding, 2),
        (
            "def f(q):\n  nonlocal q",
            "name `q` cannot refer to a parameter and a nonlocal variable",
            2,
        ),
    ] {
        assert_eq!(found(source), [(message.to_owned(), line)], "{source}");
    }
    for source in [
        "*x,",
        "y = *x, 1",
        "f(*x); [*x]; {*x}; print(*x, *y)",
        "for a in *x, *y: pass",
        "try: f()\nexcept E: pass\nexcept: pass",
        "try: f()\nexcept: pass",
        "def f(q):\n  def g():\n    nonlocal q",
        "def f():\n  def g():\n    nonlocal q\n  q = 1",
        "def f():\n  q = 1\n  def g():\n    nonlocal q\n    def h():\n      nonlocal q",
        "def f():\n  q = 1\n  class C:\n    nonlocal q\n    q = 2",
        "def f():\n  [q := 1 for _ in ()]\n  def g():\n    nonlocal q",
        "def f():\n  match x:\n    case [*q]: pass\n  def g():\n    nonlocal q",
        "def f():\n  for q in x: pass\n  def g():\n    nonlocal q",
        "def f():\n  import q.r\n  def g():\n    nonlocal q",
        "class C:\n  def f(self):\n    nonlocal __class__\n    __class__ = 1",
        "class C:\n  def f(self):\n    __q = 1\n    def g():\n      nonlocal __q",
    ] {
        assert_eq!(found(source), [], "{source}");
    }
}

#[test]
fn what_is_switched_off_is_left_out() {
    let parser = PythonParserImpl::with_config(ParserConfig {
        enable_ast_parsing: false,
        enable_dependency_analysis: false,
        ..Default::default()
    });
    let module = block_on(parser.parse_code("import yaml")).unwrap();
    assert_eq!((module.ast, module.dependencies.len()), (None, 0));
    let found = block_on(parser.analyze_dependencies("import yaml, os")).unwrap();
    let names: Vec<_> = found.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["yaml"]);
}

#[test]
fn lazy_and_dynamic_imports_are_told_apart() {
    let source = "lazy import a\nif x:\n  from .b import c as d\ndef f():\n  __import__('e.f')\n";
    let module = block_on(PythonParserImpl::default().parse_code(source)).unwrap();
    let shown: Vec<_> = module
        .imports
        .iter()
        .map(|one| {
            let name = one.name.as_deref().unwrap_or_default();
            let flags = (one.is_lazy, one.is_conditional, one.is_call);
            (one.module.as_str(), name, one.level, flags)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("a", "", 0, (true, false, false)),
            ("b", "c", 1, (false, true, false)),
            ("e.f", "", 0, (false, false, true)),
        ]
    );
}

#[test]
fn a_thousand_levels_abort_nothing() {
    survives(1_000);
}

#[test]
fn just_under_the_depth_cap_aborts_nothing() {
    survives(990);
    survives(320);
}

#[test]
fn as_deep_as_a_broken_source_may_be_aborts_nothing() {
    survives(14_400);
    survives(7_200);
}

#[test]
fn ten_thousand_levels_abort_nothing() {
    survives(10_000);
}

#[test]
fn a_hundred_thousand_levels_abort_nothing() {
    survives(100_000);
}

#[test]
fn a_million_levels_abort_nothing() {
    survives(1_000_000);
}

#[test]
fn a_line_of_one_mebibyte_is_scanned_or_let_be() {
    let text = "x".repeat(caps::SOURCE_BYTES - 100);
    assert_eq!(names(&format!("import numpy; x = '{text}'")), "numpy");
    assert_eq!(names(&format!("import numpy; {text}{text}")), "");
}
