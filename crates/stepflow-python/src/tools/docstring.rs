//! What a docstring says of a function and of its parameters.
//!
//! Google and NumPy styles are read by `pydocstring`; it has no reader of reST fields, so those are
//! read here. A docstring in none of these styles is a description.

use std::collections::HashMap;

use pydocstring::model::SectionKind;
use pydocstring::parse::{Document, parse};

/// Longest docstring that is taken apart; of a longer one this much. Units: bytes.
const LONGEST: usize = 64 * 1024;
/// Fields of reST that describe a parameter. Source: the Sphinx Python domain.
const PARAMETER_FIELDS: [&str; 6] = ["param", "parameter", "arg", "argument", "key", "keyword"];
/// The others; one of them shows as well that these are fields.
const OTHER_FIELDS: [&str; 8] = [
    "type", "raises", "raise", "except", "return", "returns", "rtype", "yields",
];

/// A docstring, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Docs {
    /// What stands before the first section.
    pub(super) description: String,
    /// By the parameter's name, without stars.
    pub(super) parameters: HashMap<String, String>,
}

/// Takes apart a docstring that `inspect.cleandoc` has cleaned.
pub(super) fn read(docstring: &str) -> Docs {
    let docstring = cut(docstring);
    if docstring.lines().any(|line| field(line).is_some()) {
        return of_fields(docstring);
    }
    let parsed = parse(docstring);
    let document = Document::new(&parsed);
    let mut docs = Docs::default();
    let described = [document.summary(), document.extended_summary()];
    let described = described.iter().flatten().map(|block| joined(block.text()));
    docs.description = described.collect::<Vec<_>>().join("\n\n");
    let about_parameters = document.sections().filter(|section| {
        matches!(
            section.kind(),
            SectionKind::Parameters | SectionKind::KeywordParameters | SectionKind::OtherParameters
        )
    });
    for entry in about_parameters.flat_map(|section| section.entries().collect::<Vec<_>>()) {
        let Some(text) = entry.description() else {
            continue;
        };
        for name in entry.names() {
            docs.keep(name.text(), &joined(text.text()));
        }
    }
    docs
}

impl Docs {
    /// The first word on a parameter counts.
    fn keep(&mut self, name: &str, text: &str) {
        let name = name.trim().trim_start_matches(['*', '\\']);
        if !name.is_empty() && !text.is_empty() {
            self.parameters
                .entry(name.to_owned())
                .or_insert_with(|| text.to_owned());
        }
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Lines of a paragraph as one; paragraphs stay apart.
fn joined(text: &str) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if is_open && !line.is_empty() => {
                last.push(' ');
                last.push_str(line);
            }
            _ if !line.is_empty() => paragraphs.push(line.to_owned()),
            _ => {}
        }
        is_open = !line.is_empty();
    }
    paragraphs.join("\n\n")
}

/// `:param str name: text` as its words and its text. Source: reStructuredText, "Field Lists".
fn field(line: &str) -> Option<(&str, Option<&str>, &str)> {
    let (inside, text) = line.strip_prefix(':')?.split_once(':')?;
    let mut words = inside.split_whitespace();
    let kind = words.next()?;
    let is_known = PARAMETER_FIELDS.contains(&kind) || OTHER_FIELDS.contains(&kind);
    is_known.then(|| (kind, words.next_back(), text.trim()))
}

fn of_fields(docstring: &str) -> Docs {
    let mut docs = Docs::default();
    let mut before = String::new();
    let mut open: Option<(String, String)> = None;
    let mut is_before = true;
    for line in docstring.lines() {
        if let Some((kind, name, text)) = field(line) {
            is_before = false;
            if let Some((name, text)) = open.take() {
                docs.keep(&name, &text);
            }
            if let Some(name) = name.filter(|_| PARAMETER_FIELDS.contains(&kind)) {
                open = Some((name.to_owned(), text.to_owned()));
            }
        } else if is_before {
            before.push_str(line);
            before.push('\n');
        } else if let Some((_, text)) = open.as_mut().filter(|_| line.starts_with([' ', '\t'])) {
            text.push(' ');
            text.push_str(line.trim());
        } else if let Some((name, text)) = open.take() {
            docs.keep(&name, &text);
        }
    }
    if let Some((name, text)) = open {
        docs.keep(&name, &text);
    }
    docs.description = joined(&before);
    docs
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str = "Adds two numbers.\n\nIt is\nslow.\n\nArgs:\n    a (int): The first,\n        on two lines.\n    *rest: The rest.\n    b: The second.\n\nReturns:\n    int: the sum";
    const NUMPY: &str = "Adds two numbers.\n\nIt is\nslow.\n\nParameters\n----------\na : int\n    The first,\n    on two lines.\n*rest\n    The rest.\nb : int, optional\n    The second.\n\nReturns\n-------\nint\n    the sum";
    const REST: &str = "Adds two numbers.\n\nIt is\nslow.\n\n:param int a: The first,\n    on two lines.\n:param \\*rest: The rest.\n:type b: int\n:param b: The second.\n:returns: the sum\n:rtype: int";

    #[test]
    fn three_styles_say_the_same() {
        for style in [GOOGLE, NUMPY, REST] {
            let docs = read(style);
            assert_eq!(
                docs.description, "Adds two numbers.\n\nIt is slow.",
                "{style}"
            );
            let said = |name: &str| docs.parameters.get(name).map(String::as_str);
            assert_eq!(said("a"), Some("The first, on two lines."), "{style}");
            assert_eq!(said("rest"), Some("The rest."), "{style}");
            assert_eq!(said("b"), Some("The second."), "{style}");
            assert_eq!(docs.parameters.len(), 3, "{style}");
        }
    }

    #[test]
    fn other_texts_are_descriptions() {
        for (text, description) in [
            ("", ""),
            ("One line.", "One line."),
            ("See :func:`open` for a: b.", "See :func:`open` for a: b."),
        ] {
            let docs = read(text);
            assert_eq!(
                (docs.description.as_str(), docs.parameters.len()),
                (description, 0)
            );
        }
    }

    #[test]
    fn hostile_docstrings_take_no_time() {
        for piece in [
            "Args:\n",
            ":param a: b\n",
            "a\n-\n",
            " ",
            "Args:\n  a: b\n\n",
            "é",
            ":",
            "(",
            "Parameters\n----------\na\n",
        ] {
            let docs = read(&piece.repeat(1_000_000 / piece.len()));
            assert!(docs.description.len() <= LONGEST, "{piece:?}");
        }
    }
}
