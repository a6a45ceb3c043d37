//! What makes an execution quick: the modules that a source imports, and its last expression.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use ruff_python_ast::Stmt;
use ruff_text_size::Ranged;

use super::{answer, caps, imports, newest, parse};

/// Sources up to this length are read at once: they cannot nest deeper than they are long, and that
/// much fits on any stack by the measure of `pool`. Two threads need not be woken for them.
const SHORT: usize = 64;

/// Hints about one source. A wrong one costs time and changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Top-level names of the modules that it imports, anywhere in it: absolute `import` and `from`
    /// statements, and `__import__("x")` and `importlib.import_module("x")` of constant names.
    pub imports: BTreeSet<String>,
    /// The byte at which its last expression begins, its length if it ends in another way.
    pub last_expression: Option<u32>,
}

/// What `source` says about itself; nothing when it is over our caps, or when the threads that read
/// sources are busy.
pub async fn hints_of(source: &str) -> Hints {
    if source.len() > caps::SOURCE_BYTES {
        return Hints::default();
    }
    if source.len() <= SHORT {
        return catch_unwind(|| read(source))
            .ok()
            .flatten()
            .unwrap_or_default();
    }
    let source = source.to_owned();
    answer(move || read(&source)).await.unwrap_or_default()
}

fn read(source: &str) -> Option<Hints> {
    let tree = parse(source, newest()).ok()?;
    let last = match tree.syntax().body.last() {
        Some(Stmt::Expr(expression)) => expression.start().to_u32(),
        _ => u32::try_from(source.len()).ok()?,
    };
    Some(Hints {
        imports: imports::of_module(source, tree.syntax()),
        // Where its syntax is wrong, CPython says so, and may read it in another way.
        last_expression: (!tree.has_invalid_syntax()).then_some(last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(marked: &str) {
        let (head, tail) = marked.split_once('§').unwrap_or((marked, ""));
        let expected = u32::try_from(head.len()).unwrap();
        let found = read(&format!("{head}{tail}")).unwrap();
        assert_eq!(found.last_expression, Some(expected), "{marked}");
    }

    #[test]
    fn the_place_of_the_last_expression_is_a_byte() {
        for marked in [
            "",
            "# nothing",
            "§1 + 1",
            "x = 1",
            "x = 1; §x",
            "é = '中'; §é",
            "\u{feff}x = 1\n§x",
            "x = 1\r\n§(\n  x\n)\n",
            "if x:\n  y",
            "x = 1\n§*x, 2  # why",
            "§'doc'",
        ] {
            check(marked);
        }
    }

    #[test]
    fn a_source_that_no_python_takes_has_no_place() {
        assert_eq!(read("x = (").unwrap_or_default().last_expression, None);
        assert_eq!(read("1 +").unwrap_or_default().last_expression, None);
    }

    #[tokio::test]
    async fn short_and_long_sources_are_read_alike() {
        let long = format!("import json\n{}json", "# more\n".repeat(SHORT));
        let (short, long) = (hints_of("import json\njson").await, hints_of(&long).await);
        assert_eq!(short.imports, long.imports);
        assert_eq!(short.last_expression, Some(12));
        assert!(long.last_expression > Some(12));
    }
}
