//! Docstrings, cleaned as Python's own tools do.

use std::borrow::Cow;

use ruff_python_ast::Stmt;

/// The docstring of a body, cleaned.
pub(crate) fn docstring(body: &[Stmt]) -> Option<String> {
    let first = body.first()?.as_expr_stmt()?;
    let literal = first.value.as_string_literal_expr()?;
    Some(clean(literal.value.to_str()))
}

/// Source: `inspect.cleandoc`.
fn clean(text: &str) -> String {
    let text = expand_tabs(text);
    let mut lines: Vec<&str> = text.split('\n').collect();
    let margin = lines.iter().skip(1).filter_map(|line| indent(line)).min();
    lines[0] = lines[0].trim_start();
    if let Some(margin) = margin {
        for line in lines.iter_mut().skip(1) {
            *line = line
                .char_indices()
                .nth(margin)
                .map_or("", |(at, _)| &line[at..]);
        }
    }
    let end = lines
        .iter()
        .rposition(|line| !line.is_empty())
        .map_or(0, |last| last + 1);
    let start = lines
        .iter()
        .position(|line| !line.is_empty())
        .unwrap_or(end);
    lines[start.min(end)..end].join("\n")
}

/// How many characters of white space precede what stands on a line; `None` if nothing does.
fn indent(line: &str) -> Option<usize> {
    let rest = line.trim_start();
    let before = &line[..line.len() - rest.len()];
    (!rest.is_empty()).then(|| before.chars().count())
}

/// Source: `str.expandtabs`.
fn expand_tabs(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') {
        return Cow::Borrowed(text);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' => {
                let width = 8 - column % 8;
                expanded.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            '\n' | '\r' => {
                expanded.push(c);
                column = 0;
            }
            other => {
                expanded.push(other);
                column += 1;
            }
        }
    }
    Cow::Owned(expanded)
}
