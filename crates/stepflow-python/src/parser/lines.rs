//! From offsets in bytes to lines and columns in characters, in constant time per question.

use engine::Span;
use ruff_source_file::LineIndex;
use ruff_text_size::{TextRange, TextSize};

/// Bytes between two entries of the table.
const BLOCK: usize = 256;
/// Most characters of an excerpt.
const EXCERPT: usize = 80;

/// Where the lines of a source begin.
pub(crate) struct Lines<'a> {
    source: &'a str,
    index: LineIndex,
    /// Bytes before each block that are not the first of a character; empty where all is ASCII.
    continuations: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of `source`, ended by LF, CR LF or CR as in Python.
    pub(crate) fn of(source: &'a str) -> Self {
        let mut continuations = Vec::new();
        if !source.is_ascii() {
            let mut before = 0;
            for block in source.as_bytes().chunks(BLOCK) {
                continuations.push(before);
                before += count_continuations(block);
            }
        }
        Self {
            source,
            index: LineIndex::from_source_text(source),
            continuations,
        }
    }

    /// The place of a range of bytes.
    pub(crate) fn span(&self, range: TextRange) -> Span {
        let (line, column) = self.place(range.start());
        let (end_line, end_column) = self.place(range.end());
        Span {
            line,
            column,
            end_line,
            end_column,
        }
    }

    /// The first line of the range, cut.
    pub(crate) fn excerpt(&self, range: TextRange) -> String {
        let text = self.source.get(range.to_std_range()).unwrap_or_default();
        let line = text.split(['\n', '\r']).next().unwrap_or_default();
        line.chars().take(EXCERPT).collect()
    }

    fn place(&self, offset: TextSize) -> (u32, u32) {
        let line = self.index.line_index(offset);
        let start = self.index.line_start(line, self.source);
        // A byte order mark is no part of the first line, as in Python.
        let mark = usize::from(start == TextSize::ZERO && self.source.starts_with('\u{feff}'));
        let column = self.chars_before(offset) - self.chars_before(start);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (number(line.get()), number(column.saturating_sub(mark) + 1))
    }

    fn chars_before(&self, offset: TextSize) -> usize {
        let offset = offset.to_usize();
        let Some(before) = self.continuations.get(offset / BLOCK) else {
            // All ASCII, or the very end of a source of whole blocks.
            let all = self.continuations.last().map_or(0, |before| {
                before
                    + count_continuations(
                        &self.source.as_bytes()[(self.continuations.len() - 1) * BLOCK..],
                    )
            });
            return offset - all;
        };
        let block = &self.source.as_bytes()[offset / BLOCK * BLOCK..offset];
        offset - before - count_continuations(block)
    }
}

fn count_continuations(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_has_the_place_that_counting_gives() {
        let long = "é数a😀".repeat(100);
        for source in [
            "",
            "a",
            "a\n",
            "é\r\nb\rc\n\nd",
            &long,
            &format!("\u{feff}x{long}\n{long}"),
        ] {
            let lines = Lines::of(source);
            for (offset, _) in source.char_indices().chain([(source.len(), ' ')]) {
                let before = source[..offset].replace("\r\n", "\n").replace('\r', "\n");
                let line = before.matches('\n').count() + 1;
                let last = before.rsplit('\n').next().unwrap();
                let column = last.trim_start_matches('\u{feff}').chars().count() + 1;
                if source[..offset].ends_with('\r') && source[offset..].starts_with('\n') {
                    continue; // Inside a line end; nothing points there.
                }
                let at = TextSize::try_from(offset).unwrap();
                let span = lines.span(TextRange::empty(at));
                assert_eq!(
                    (span.line, span.column),
                    (u32::try_from(line).unwrap(), u32::try_from(column).unwrap()),
                    "{offset} of {source:?}"
                );
            }
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        let source = format!("{}\rb", "é".repeat(70));
        let whole = TextRange::up_to(TextSize::of(&source));
        assert_eq!(Lines::of(&source).excerpt(whole), "é".repeat(70));
        let long = "é".repeat(100);
        let whole = TextRange::up_to(TextSize::of(&long));
        assert_eq!(Lines::of(&long).excerpt(whole), "é".repeat(80));
    }
}
