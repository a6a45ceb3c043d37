//! Whether a source's syntax tree is sure to be shallow, decided from its tokens.
//!
//! The lexer is a loop with stacks on the heap, so any text may pass through it. The depth that is
//! counted here is never less than that of the tree: everything that could nest adds to it, and
//! only what surely ends a nest (a comma or the matching bracket) takes away from it. The parser
//! reads some broken texts by other tokens than the lexer alone; those are refused.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Longest source that is scanned. Source: the default of `source_bytes`.
pub(crate) const SOURCE_BYTES: usize = 1024 * 1024;
/// Most tokens of one source: a tree has tens of bytes per byte of a dense source.
const TOKENS: usize = 300_000;
/// Deepest tree: bracket levels, blocks, operators and chains, all together.
const DEPTH: usize = 1000;
/// Most bracket levels, f-strings counted. Source: CPython refuses more than 200.
const BRACKETS: usize = 200;
/// Most blocks in one another. Source: CPython refuses more than 100.
const BLOCKS: usize = 100;

/// Deepest tree that is safe to walk and drop on the stacks of `pool`, in a debug build too.
const SAFE_DEPTH: usize = 8 * DEPTH;

/// Whether the tree of `source` may be built.
///
/// A source that no Python compiles because its brackets do not match is refused too: there the
/// parser's recovery decides what nests in what, which tokens do not tell.
pub(crate) fn admits(source: &str) -> bool {
    let mut lexer = lexer::lex(source, Mode::Module);
    let mut depth = Depth::default();
    for _ in 0..TOKENS {
        match lexer.next_token() {
            TokenKind::EndOfFile => return depth.levels.is_empty(),
            token => {
                if !depth.take(token) {
                    return false;
                }
            }
        }
    }
    false
}

/// Whether a tree that was built from `tokens` is safe to walk and drop: the second check, on what
/// the parser really read.
pub(crate) fn is_safe(tokens: impl Iterator<Item = TokenKind>) -> bool {
    deepest(tokens) <= SAFE_DEPTH
}

fn deepest(tokens: impl Iterator<Item = TokenKind>) -> usize {
    let mut depth = Depth::default();
    let totals = tokens.map(|token| {
        depth.take(token);
        depth.total()
    });
    totals.max().unwrap_or(0)
}

/// How deep the tree can be at this token.
#[derive(Debug, Default)]
struct Depth {
    blocks: usize,
    /// The statement's own counts, then those of each open bracket.
    statement: Level,
    levels: Vec<(Closer, Level)>,
    /// The sum over `statement` and `levels`.
    sum: usize,
    /// Open f-strings and t-strings.
    strings: usize,
}

/// What has been nested on one bracket level.
#[derive(Debug, Default, Clone, Copy)]
struct Level {
    /// Operators, attributes and calls since the last comma.
    chain: usize,
    /// Words whose nest goes on behind a comma, such as `lambda a, b: lambda c, d:`.
    held: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closer {
    Parenthesis,
    Bracket,
    Brace,
    String,
}

impl Depth {
    /// Counts one token; whether the source may go on.
    fn take(&mut self, token: TokenKind) -> bool {
        match token {
            TokenKind::Unknown | TokenKind::IpyEscapeCommand => return false,
            // An unclosed string ends there, and the parser may take its quote for the f-string's.
            TokenKind::NonLogicalNewline => return self.strings == 0,
            TokenKind::Indent => self.blocks += 1,
            TokenKind::Dedent => self.blocks = self.blocks.saturating_sub(1),
            TokenKind::Newline => {
                self.sum -= self.statement.chain + self.statement.held;
                self.statement = Level::default();
            }
            TokenKind::Comma | TokenKind::Semi => {
                let chain = std::mem::take(&mut self.level().chain);
                self.sum -= chain;
            }
            other => match bracket(other) {
                Some((closer, true)) => self.open(closer),
                Some((closer, false)) => return self.close(closer),
                None => self.count(other),
            },
        }
        self.total() <= DEPTH && self.levels.len() <= BRACKETS && self.blocks <= BLOCKS
    }

    fn total(&self) -> usize {
        self.sum + self.levels.len() + self.blocks
    }

    fn open(&mut self, closer: Closer) {
        // A call or a subscript is a link of the chain around it, also once it is closed.
        self.level().chain += 1;
        self.sum += 1;
        self.levels.push((closer, Level::default()));
        self.strings += usize::from(closer == Closer::String);
    }

    /// A bracket that closes nothing changes nothing.
    fn close(&mut self, closer: Closer) -> bool {
        let Some((_, level)) = self.levels.pop_if(|(expected, _)| *expected == closer) else {
            return false;
        };
        self.sum -= level.chain + level.held;
        self.strings -= usize::from(closer == Closer::String);
        true
    }

    fn count(&mut self, token: TokenKind) {
        let level = self.level();
        if holds(token) {
            level.held += 1;
        } else if nests(token) {
            level.chain += 1;
        } else {
            return;
        }
        self.sum += 1;
    }

    fn level(&mut self) -> &mut Level {
        self.levels
            .last_mut()
            .map_or(&mut self.statement, |(_, level)| level)
    }
}

/// Which bracket a token is, and whether it opens.
fn bracket(token: TokenKind) -> Option<(Closer, bool)> {
    Some(match token {
        TokenKind::Lpar => (Closer::Parenthesis, true),
        TokenKind::Rpar => (Closer::Parenthesis, false),
        TokenKind::Lsqb => (Closer::Bracket, true),
        TokenKind::Rsqb => (Closer::Bracket, false),
        TokenKind::Lbrace => (Closer::Brace, true),
        TokenKind::Rbrace => (Closer::Brace, false),
        TokenKind::FStringStart | TokenKind::TStringStart => (Closer::String, true),
        TokenKind::FStringEnd | TokenKind::TStringEnd => (Closer::String, false),
        _ => return None,
    })
}

fn holds(token: TokenKind) -> bool {
    matches!(
        token,
        TokenKind::Lambda
            | TokenKind::Yield
            | TokenKind::Await
            | TokenKind::Async
            | TokenKind::Class
            | TokenKind::Def
            | TokenKind::With
            | TokenKind::Try
            | TokenKind::Except
            | TokenKind::Finally
            | TokenKind::While
            | TokenKind::For
            | TokenKind::If
            | TokenKind::Elif
            | TokenKind::Else
            | TokenKind::Match
            | TokenKind::Case
    )
}

/// Whether a token can make the tree deeper; names and literals alone cannot.
fn nests(token: TokenKind) -> bool {
    !matches!(
        token,
        TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::True
            | TokenKind::False
            | TokenKind::None
            | TokenKind::Ellipsis
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_sources_pass_however_long_they_are() {
        let table = format!("x = [{}]\n", "{'a': -1, 'b': f(2)}, ".repeat(9_000));
        let lines = "x = a.b(c)[0] + 1\n".repeat(20_000);
        let text = "'''((((((((((\n'''\n# [[[[[[\n".repeat(1_000);
        for source in ["", "x", &table, &lines, &text, "f'{a:{b}}' f\"{f'{c}'}\""] {
            assert!(admits(source), "{source:.40}");
        }
    }

    #[test]
    fn depth_is_refused_at_its_cap_and_not_before() {
        let sum = |links: usize| format!("x = 1{}", "+1".repeat(links));
        assert!(admits(&sum(DEPTH - 1)) && !admits(&sum(DEPTH)));
        let nest = |levels: usize| format!("{}{}", "(".repeat(levels), ")".repeat(levels));
        assert!(admits(&nest(BRACKETS)) && !admits(&nest(BRACKETS + 1)));
        let many = |commas: usize| format!("f({})", "lambda a, b: ".repeat(commas));
        assert!(admits(&many(100)) && !admits(&many(1000)));
    }

    #[test]
    fn what_no_python_compiles_is_refused() {
        for source in ["(", ")", "(]", "f'{x", "f'{' \n}'", "x = $"] {
            assert!(!admits(source), "{source}");
        }
    }

    /// Random texts in which the quotes can be paired in two ways, around a nest no cap allows.
    #[test]
    fn the_parser_never_reads_an_admitted_source_deeper() {
        let deep = ["-".repeat(2 * DEPTH), "a.".repeat(2 * DEPTH)];
        let before = [
            "f'{", "f'", "f'''{", "f\"{", "'\n", "' #\n", "}''", "}'", "'", "\"", "'''", "(", ")",
            "a b\n", "!r'\n", ":{",
        ];
        let behind = ["'", "", "\n)", "'''"];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |most: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % most as u64).unwrap()
        };
        let rounds = 20_000;
        let mut admitted = 0;
        for _ in 0..rounds {
            let mut text: String = (0..2 + below(3))
                .map(|_| before[below(before.len())])
                .collect();
            text += &deep[below(deep.len())];
            text += behind[below(behind.len())];
            if !admits(&text) {
                continue;
            }
            admitted += 1;
            let tree = ruff_python_parser::parse_unchecked(&text, Mode::Module.into());
            let read = deepest(tree.tokens().iter().map(|token| token.kind()));
            std::mem::forget(tree);
            assert!(
                read < 2 * DEPTH,
                "{}",
                text.replace(&deep[0], "DEEP").replace(&deep[1], "DEEP")
            );
        }
        assert!(
            admitted > rounds / 50,
            "only {admitted} of {rounds} say anything"
        );
    }
}
