//! `hognose check`: what is wrong with a script, shown where it stands, without running it.
//!
//! The script is as hostile here as anywhere: the renderer replaces what could steer a terminal.

use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use stepflow_python::{Finding, Judgement, SecurityLevel, parser, validator};

use crate::arguments::CheckArguments;
use crate::exit;
use crate::input::Most;
use crate::output::{self, note};
use crate::script;
use crate::settings::Sources;

/// Shows every finding; returns the exit code of a script that would be rejected if there is one.
pub(crate) async fn check(arguments: CheckArguments, sources: &Sources) -> anyhow::Result<u8> {
    let level = sources.policy(arguments.policy.as_deref())?;
    let version = arguments
        .python_version
        .as_deref()
        .map(version)
        .transpose()?;
    let file = arguments.file.clone();
    let policy = sources.limit_policy(&[])?;
    let most = Most::of(&policy, &policy.defaults);
    // It may wait for somebody to type.
    let bytes = tokio::task::spawn_blocking(move || script::source(&file, most)).await??;
    let (source, findings) = match parser::decode(&bytes) {
        Ok(source) => {
            let findings = validator::check(&source, level, version).await?;
            (source, findings)
        }
        Err(finding) => (String::from_utf8_lossy(&bytes).into_owned(), vec![finding]),
    };
    let code = if findings.is_empty() {
        0
    } else {
        exit::REJECTED
    };
    if arguments.json {
        let answer = server::judgement_json(Judgement { level, findings })?;
        output::line(&answer.to_string())?;
    } else {
        show(&arguments.file, &source, &findings, level)?;
    }
    Ok(code)
}

fn version(text: &str) -> anyhow::Result<parser::PythonVersionNumber> {
    let numbers = text
        .split_once('.')
        .map(|(major, minor)| (major.parse(), minor.parse()));
    match numbers {
        Some((Ok(3), Ok(minor))) if (3, minor) <= parser::newest_version() => Ok((3, minor)),
        _ => anyhow::bail!("--python-version is `{text}`; use a version such as 3.11"),
    }
}

fn show(
    file: &str,
    source: &str,
    findings: &[Finding],
    level: SecurityLevel,
) -> anyhow::Result<()> {
    let renderer = if std::io::stdout().is_terminal() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    for finding in findings {
        output::line(&renderer.render(&[group(file, source, finding)]))?;
    }
    let count = match findings.len() {
        0 => "no findings".to_owned(),
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    note(&format!("{count} at the level `{}`", level.name()));
    Ok(())
}

fn group<'a>(file: &'a str, source: &'a str, finding: &'a Finding) -> Group<'a> {
    let title = Level::ERROR
        .primary_title(&finding.message)
        .id(&finding.code);
    let mut group = if finding.span.line == 0 {
        Group::with_title(title)
    } else {
        let (start, end) = (
            offset(source, finding.span.line, finding.span.column),
            offset(source, finding.span.end_line, finding.span.end_column),
        );
        let annotation = AnnotationKind::Primary.span(start..end.max(start));
        title.element(Snippet::source(source).path(file).annotation(annotation))
    };
    if let Some(suggestion) = &finding.suggestion {
        group = group.element(Level::HELP.message(suggestion));
    }
    group
}

/// The byte at which a place begins, lines ended as in Python; the end for what lies behind it.
fn offset(source: &str, line: u32, column: u32) -> usize {
    let (mut at_line, mut at_column) = (1, 1);
    let mut characters = source.char_indices().peekable();
    while let Some((index, c)) = characters.next() {
        if (at_line, at_column) == (line, column) {
            return index;
        }
        let ends_line =
            c == '\n' || (c == '\r' && characters.peek().is_none_or(|(_, next)| *next != '\n'));
        if ends_line {
            at_line += 1;
            at_column = 1;
        } else {
            at_column += 1;
        }
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_again() {
        let source = "é = 1\r\nb\rc\n\nd";
        for (line, column, expected) in [
            (1, 1, "é"),
            (1, 3, "="),
            (2, 1, "b"),
            (3, 1, "c"),
            (5, 1, "d"),
        ] {
            assert!(
                source[offset(source, line, column)..].starts_with(expected),
                "{line}:{column}"
            );
        }
        assert_eq!(offset(source, 9, 9), source.len());
    }

    #[test]
    fn versions_are_those_of_python_3() {
        assert_eq!(version("3.11").unwrap(), (3, 11));
        for wrong in ["3", "3.99", "2.7", "3.x", "3.11.7", ""] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
