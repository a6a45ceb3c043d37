//! The scan as callers see it, on the stack of an ordinary test thread.

mod bombs;

use std::time::{Duration, Instant};

use ruff_python_parser::Mode;

use super::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

fn names(source: &str) -> String {
    let names = block_on(imports_of(source));
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
    ] {
        assert_eq!(names(source), "numpy", "{source:?}");
    }
    for source in [
        "import numpy\0",
        "import numpy\n\x1a",
        "import numpy\nx = (",
        "import numpy\ndef f(:\n  pass",
        "import numpy $",
    ] {
        assert_eq!(names(source), "", "no Python compiles it: {source:?}");
    }
}

/// Whether the caps refuse the source, or the parser reads it no deeper than they counted.
fn is_bounded(source: &str) -> bool {
    if source.len() > caps::SOURCE_BYTES || !caps::admits(source) {
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
            let prelude = block_on(with_prelude(&source, "P()"));
            assert!(
                prelude.is_none_or(|text| text.len() < source.len() + 40),
                "{name}"
            );
        }
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{name} took {:?}",
            started.elapsed()
        );
    }
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
