//! Where an expression of ours can stand so that no line of the source is renumbered.

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

/// `source` with `prelude` evaluated before the first thing in it that can use its effect.
///
/// Docstring and `__future__` imports stay first, as they must. `body` is the tree of `source`.
pub(crate) fn insert(source: &str, body: &[Stmt], prelude: &str) -> String {
    let edit = place(source, body, prelude, true).unwrap_or_else(|| Edit {
        // Nothing but definitions: they only need it once it is all over.
        at: source.len(),
        before: format!("{}{prelude}\n", line_end(source)),
        close: None,
    });
    let (head, tail) = source.split_at(edit.at);
    match edit.close {
        None => format!("{head}{}{tail}", edit.before),
        Some((end, after)) => {
            let (wrapped, rest) = tail.split_at(end - edit.at);
            format!("{head}{}{wrapped}{after}{rest}", edit.before)
        }
    }
}

/// Text to insert, and more behind it if it wraps something.
struct Edit {
    at: usize,
    before: String,
    close: Option<(usize, &'static str)>,
}

fn line_end(source: &str) -> &'static str {
    if source.is_empty() || source.ends_with(['\n', '\r']) {
        ""
    } else {
        "\n"
    }
}

/// `None` when nothing in `body` runs a line of it: definitions of functions do not.
fn place(source: &str, body: &[Stmt], prelude: &str, outermost: bool) -> Option<Edit> {
    let leading = body
        .iter()
        .enumerate()
        .take_while(|(index, statement)| must_lead(*index, statement))
        .count();
    let before = |at: usize| Edit {
        at,
        before: format!("{prelude}; "),
        close: None,
    };
    for (index, statement) in body.iter().enumerate().skip(leading) {
        let start = statement.start().to_usize();
        let previous = index.checked_sub(1).and_then(|index| body.get(index));
        let from = previous.map_or(0, |statement| statement.end().to_usize());
        if let Some(at) = free_line(source, from, start).filter(|_| outermost) {
            return Some(Edit {
                at,
                before: format!("{prelude} "),
                close: None,
            });
        }
        if is_simple(statement) {
            return Some(before(start));
        }
        if let Some(previous) = previous.filter(|statement| is_simple(statement)) {
            // Nothing but a comment follows on its line, or this statement were simple.
            let at = previous.end().to_usize();
            return Some(Edit {
                at,
                before: format!("; {prelude}"),
                close: None,
            });
        }
        if let Some(header) = header(statement) {
            return Some(wrap(header, prelude));
        }
        if let Some(edit) =
            first_block(statement).and_then(|body| place(source, body, prelude, false))
        {
            return Some(edit);
        }
    }
    None
}

fn must_lead(index: usize, statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(expression) => index == 0 && expression.value.is_string_literal_expr(),
        Stmt::ImportFrom(import) => import
            .module
            .as_ref()
            .is_some_and(|name| name.as_str() == "__future__"),
        _ => false,
    }
}

/// The start of a line between two top-level statements that has nothing or only a comment.
fn free_line(source: &str, from: usize, to: usize) -> Option<usize> {
    let between = source.get(from..to)?;
    // The rest of the previous statement's line is not free, and neither is this one's indentation.
    let mut at = if from == 0 {
        0
    } else {
        from + next_line(between)?
    };
    while at < to {
        let line = &source[at..to];
        let length = next_line(line)?;
        let text = line[..length].trim_start_matches('\u{feff}');
        let is_free = text.trim_matches(['\n', '\r']).is_empty() || text.starts_with('#');
        if is_free {
            return Some(at + line[..length].len() - text.len());
        }
        at += length;
    }
    None
}

/// Bytes up to and including the next line end.
fn next_line(text: &str) -> Option<usize> {
    let end = text.find(['\n', '\r'])?;
    Some(
        end + if text[end..].starts_with("\r\n") {
            2
        } else {
            1
        },
    )
}

fn is_simple(statement: &Stmt) -> bool {
    !matches!(
        statement,
        Stmt::FunctionDef(_)
            | Stmt::ClassDef(_)
            | Stmt::For(_)
            | Stmt::While(_)
            | Stmt::If(_)
            | Stmt::With(_)
            | Stmt::Match(_)
            | Stmt::Try(_)
    )
}

/// The first expression that a compound statement evaluates outside its blocks.
fn header(statement: &Stmt) -> Option<TextRange> {
    let decorator =
        |list: &[ruff_python_ast::Decorator]| list.first().map(|first| first.expression.range());
    match statement {
        Stmt::FunctionDef(function) => decorator(&function.decorator_list).or_else(|| {
            function
                .parameters
                .iter_non_variadic_params()
                .find_map(|one| one.default())
                .map(Expr::range)
        }),
        Stmt::ClassDef(class) => decorator(&class.decorator_list).or_else(|| {
            let list = class.arguments.as_ref()?;
            let bases = list.args.iter().filter(|base| !base.is_starred_expr());
            bases
                .chain(list.keywords.iter().map(|keyword| &keyword.value))
                .next()
                .map(Expr::range)
        }),
        Stmt::For(each) => Some(each.iter.range()),
        Stmt::While(repeat) => Some(repeat.test.range()),
        Stmt::If(choice) => Some(choice.test.range()),
        Stmt::With(with) => with.items.first().map(|item| item.context_expr.range()),
        Stmt::Match(choice) => Some(choice.subject.range()),
        _ => None,
    }
}

fn first_block(statement: &Stmt) -> Option<&[Stmt]> {
    match statement {
        Stmt::ClassDef(class) => Some(&class.body),
        Stmt::Try(guarded) => Some(&guarded.body),
        _ => None,
    }
}

fn wrap(range: TextRange, prelude: &str) -> Edit {
    Edit {
        at: range.start().to_usize(),
        before: format!("({prelude}, ("),
        close: Some((range.end().to_usize(), "))[1]")),
    }
}

#[cfg(test)]
mod tests {
    use super::insert;

    fn inserted(source: &str) -> String {
        let tree = ruff_python_parser::parse_module(source).unwrap();
        let text = insert(source, &tree.syntax().body, "P()");
        assert!(ruff_python_parser::parse_module(&text).is_ok(), "{text}");
        text
    }

    #[test]
    fn the_prelude_takes_a_place_and_no_line() {
        for (source, expected) in [
            ("x", "P(); x"),
            ("\nx", "P() \nx"),
            ("# hi\nx", "P() # hi\nx"),
            ("\u{feff}# hi\nx", "\u{feff}P() # hi\nx"),
            ("a;b", "P(); a;b"),
            ("'''doc'''\nx", "'''doc'''\nP(); x"),
            (
                "'''doc'''  # c\nif x:\n  y",
                "'''doc'''; P()  # c\nif x:\n  y",
            ),
            (
                "from __future__ import annotations\n\nx",
                "from __future__ import annotations\nP() \nx",
            ),
            (
                "from __future__ import annotations; x",
                "from __future__ import annotations; P(); x",
            ),
            ("if x:\n  y", "if (P(), (x))[1]:\n  y"),
            ("for a in 1, 2:\n  y", "for a in (P(), (1, 2))[1]:\n  y"),
            (
                "while (x\n and y):\n  y",
                "while ((P(), (x\n and y))[1]):\n  y",
            ),
            ("with x as y:\n  y", "with (P(), (x))[1] as y:\n  y"),
            ("@d\ndef f(): pass\nx", "@(P(), (d))[1]\ndef f(): pass\nx"),
            ("def f():\n  x\ny", "def f():\n  x\nP(); y"),
            ("def f():\n  x\n\ny", "def f():\n  x\nP() \ny"),
            ("def f(a=x): pass", "def f(a=(P(), (x))[1]): pass"),
            (
                "class A:\n  'doc'\n  x = 1",
                "class A:\n  'doc'\n  P(); x = 1",
            ),
            (
                "class A:\n  'doc'\n\n  x = 1",
                "class A:\n  'doc'\n\n  P(); x = 1",
            ),
            ("class A(B): pass", "class A((P(), (B))[1]): pass"),
            ("try:\n  x\nfinally: y", "try:\n  P(); x\nfinally: y"),
        ] {
            let text = inserted(source);
            assert_eq!(text, expected);
            assert_eq!(text.lines().count(), source.lines().count());
        }
    }

    #[test]
    fn a_source_of_definitions_gets_it_at_the_end() {
        assert_eq!(inserted("def f(): pass"), "def f(): pass\nP()\n");
        assert_eq!(inserted(""), "P()\n");
        assert_eq!(inserted("# nothing"), "# nothing\nP()\n");
    }
}
