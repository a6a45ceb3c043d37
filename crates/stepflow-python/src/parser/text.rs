//! From the bytes of a file to its text. Source: PEP 263.

use engine::Finding;
use ruff_text_size::{TextRange, TextSize};

use super::lines::Lines;
use super::syntax;

/// The bytes are not the text of a program.
pub(crate) const ENCODING: &str = "encoding";

/// The text of a file, without its byte order mark.
///
/// Errors: bytes that are not UTF-8, or a cookie that says they are something else: nobody reads
/// such a file as Python does, so it is refused rather than read differently.
pub fn decode(bytes: &[u8]) -> Result<String, Finding> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let convert = || Some("save the file as UTF-8".to_owned());
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        // Everything before the first wrong byte is UTF-8.
        let good = std::str::from_utf8(good).unwrap_or_default();
        let at = TextRange::empty(TextSize::of(good));
        let message = format!("byte {} of the file is not UTF-8", good.len());
        let finding = syntax::at(&Lines::of(good), at, ENCODING, message);
        Finding {
            suggestion: convert(),
            ..finding
        }
    })?;
    if let Some(name) = text.lines().take(2).map_while(comment).find_map(cookie)
        && !is_utf8(name)
    {
        // It is a part of the text.
        let start = TextSize::try_from(name.as_ptr() as usize - text.as_ptr() as usize);
        let range = TextRange::at(start.unwrap_or_default(), TextSize::of(name));
        let message =
            format!("the file says that its encoding is `{name}`, but only UTF-8 is read");
        let finding = syntax::at(&Lines::of(text), range, ENCODING, message);
        return Err(Finding {
            suggestion: convert(),
            ..finding
        });
    }
    Ok(text.to_owned())
}

/// The comment of a line that has nothing else, maybe empty; `None` for code.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start_matches([' ', '\t', '\x0c']);
    if line.is_empty() {
        Some(line)
    } else {
        line.strip_prefix('#')
    }
}

/// The encoding that a comment names.
fn cookie(comment: &str) -> Option<&str> {
    let behind = |(at, word): (usize, &str)| comment[at + word.len()..].strip_prefix([':', '=']);
    let name = comment.match_indices("coding").find_map(behind)?;
    let name = name.trim_start_matches([' ', '\t']);
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    Some(&name[..end.unwrap_or(name.len())]).filter(|name| !name.is_empty())
}

fn is_utf8(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    ["utf-8", "utf8", "utf-8-sig", "u8", "ascii", "us-ascii"].contains(&name.as_str())
}

/// A finding for each way in which a text cannot be a program before it is even parsed.
pub(crate) fn nul(source: &str) -> Option<Finding> {
    let at = TextSize::try_from(source.find('\0')?).ok()?;
    let range = TextRange::empty(at);
    let message = "a program cannot contain NUL characters".to_owned();
    Some(syntax::at(
        &Lines::of(source),
        range,
        syntax::SYNTAX_ERROR,
        message,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_is_text() {
        for good in [
            &b"x = 1"[..],
            b"\xef\xbb\xbfx",
            "数 = 1".as_bytes(),
            b"# -*- coding: utf-8 -*-\nx",
            b"#!/bin/sh\n# vim: set fileencoding=UTF_8 :",
            b"\n\n# coding: latin-1",
            b"'# coding: latin-1'",
            b"x\n# coding: latin-1",
            b"# coding latin-1",
            b"#coding:",
            b"",
        ] {
            assert!(decode(good).is_ok(), "{good:?}");
        }
        for (bad, line, column) in [
            (&b"x = 1\n  \xff"[..], 2, 3),
            ("é\n".as_bytes(), 0, 0),
            (b"\xff\xfex\0", 1, 1),
            (b"# coding: latin-1\n", 1, 11),
            (b"#!/x\r\n # -*- coding=utf-7 -*-", 2, 15),
            (b"\n# vim: fileencoding=cp1252", 2, 21),
        ] {
            match decode(bad) {
                Ok(_) => assert_eq!(line, 0, "{bad:?}"),
                Err(finding) => {
                    assert_eq!(
                        (
                            finding.code.as_str(),
                            finding.span.line,
                            finding.span.column
                        ),
                        (ENCODING, line, column),
                        "{bad:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_nul_is_found_where_it_stands() {
        let finding = nul("x = 1\ny\0").unwrap();
        assert_eq!((finding.span.line, finding.span.column), (2, 2));
        assert_eq!(nul("x"), None);
    }
}
