//! What is wrong with a source's syntax, as findings.

use engine::{Finding, Span};
use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::Parsed;
use ruff_text_size::TextRange;

use super::lines::Lines;
use super::{caps, semantics};

/// No Python compiles this.
pub(crate) const SYNTAX_ERROR: &str = "syntax-error";
/// The Python at hand does not compile this, but another one does.
pub(crate) const UNSUPPORTED_SYNTAX: &str = "unsupported-syntax";
/// The source is not looked at.
pub(crate) const TOO_COMPLEX: &str = "too-complex";

/// Most findings of one source; what comes behind them is often their consequence.
pub(crate) const MOST: usize = 100;

/// The errors of a tree for `version`, in the order of the source. Only for pool threads.
pub(crate) fn findings(
    source: &str,
    lines: &Lines<'_>,
    tree: &Parsed<ModModule>,
    version: PythonVersion,
) -> Vec<Finding> {
    let broken = tree
        .errors()
        .iter()
        .map(|error| (SYNTAX_ERROR, error.error.to_string(), error.location));
    let newer = tree
        .unsupported_syntax_errors()
        .iter()
        .map(|error| (UNSUPPORTED_SYNTAX, error.to_string(), error.range));
    let mut found: Vec<_> = broken.chain(newer).collect();
    // In a tree that was recovered from an error, half of what it says would be wrong.
    if found.is_empty() {
        let semantic = semantics::errors(source, tree.syntax(), version).into_iter();
        found.extend(semantic.map(|(message, range)| (SYNTAX_ERROR, message, range)));
    }
    found.sort_by_key(|(_, _, range)| (range.start(), range.end()));
    found.dedup();
    found.truncate(MOST);
    let finding = |(code, message, range)| at(lines, range, code, message);
    found.into_iter().map(finding).collect()
}

/// A finding about a range of the source.
pub(crate) fn at(lines: &Lines<'_>, range: TextRange, code: &str, message: String) -> Finding {
    Finding {
        code: code.to_owned(),
        message,
        span: lines.span(range),
        excerpt: lines.excerpt(range),
        suggestion: None,
    }
}

/// Why a source has no tree, as a finding about the whole of it.
pub(crate) fn refused(why: caps::Refused) -> Finding {
    let (code, message, suggestion) = match why {
        caps::Refused::TooDeep => (
            TOO_COMPLEX,
            "expressions or blocks are nested too deep to be checked",
            "break it into statements and functions",
        ),
        caps::Refused::TooLong => (
            TOO_COMPLEX,
            "the source has more tokens than can be checked",
            "keep data in a file",
        ),
        caps::Refused::Broken => (
            SYNTAX_ERROR,
            "quotes or brackets do not match, and the source is too long to tell where",
            "check it in pieces",
        ),
    };
    whole(code, message.to_owned(), Some(suggestion.to_owned()))
}

/// A finding about the source as a whole.
pub(crate) fn whole(code: &str, message: String, suggestion: Option<String>) -> Finding {
    Finding {
        code: code.to_owned(),
        message,
        span: Span::default(),
        excerpt: String::new(),
        suggestion,
    }
}

/// `line 3, column 5: Expected an expression: `x = = 1``.
pub(crate) fn sentence(finding: &Finding) -> String {
    let place = match finding.span {
        Span { line: 0, .. } => String::new(),
        Span { line, column, .. } => format!("line {line}, column {column}: "),
    };
    let excerpt = match finding.excerpt.as_str() {
        "" => String::new(),
        text => format!(": `{text}`"),
    };
    format!("{place}{}{excerpt}", finding.message)
}
