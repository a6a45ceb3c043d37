//! Whether a source's syntax tree is sure to be shallow, decided before it is built.
//!
//! A source that has too few signs and keywords for a deep tree needs no more than that count, which
//! holds however its quotes are paired. In a longer one the depth is counted on tokens: it is never
//! less than that of the tree, for everything that could nest adds to it, and only what surely ends
//! a nest (a comma or the matching bracket) takes away from it. The lexer is a loop with stacks on
//! the heap, so any text may pass through it. Behind a syntax error the parser may read other tokens
//! than the lexer alone; a long source in which it could is refused.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Longest source that is scanned. Source: the default of `source_bytes`.
pub(crate) const SOURCE_BYTES: usize = 1024 * 1024;
/// Most tokens of one source: a tree has tens of bytes per byte of a dense source.
const TOKENS: usize = 300_000;
/// Deepest tree of a long source: bracket levels, blocks, operators and chains, all together.
const DEPTH: usize = 1000;
/// Most bracket levels, f-strings counted. Source: CPython refuses more than 200.
const BRACKETS: usize = 200;
/// Most blocks in one another. Source: CPython refuses more than 100.
const BLOCKS: usize = 100;

/// Deepest tree that is safe to walk and drop on the stacks of `pool`, in a debug build too.
const SAFE_DEPTH: usize = 16 * DEPTH;

/// Why a source is not parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its tree could be deeper than is safe to walk.
    TooDeep,
    /// It has too many tokens.
    TooLong,
    /// No Python compiles it, and it is too long to find out safely where it breaks.
    Broken,
}

/// Why a tree may be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// Too few signs and keywords for a deep tree, by whatever tokens the parser reads.
    Shallow,
    /// As far as its tokens tell; [`is_safe`] has to look at those that the parser has read.
    ByTokens,
}

/// Whether the tree of `source` may be built.
///
/// Errors: a long source that could nest too deep, or whose brackets do not match.
pub(crate) fn admit(source: &str) -> Result<Admitted, Refused> {
    let few = |pieces: usize| pieces + DEEPEST_STAIRS < SAFE_DEPTH;
    let is_shallow = few(most_pieces(source.as_bytes())) || few(pieces(source.as_bytes()));
    // It has no more tokens than bytes.
    if is_shallow && source.len() <= TOKENS {
        return Ok(Admitted::Shallow);
    }
    let admitted = if is_shallow {
        Admitted::Shallow
    } else {
        Admitted::ByTokens
    };
    let mut lexer = lexer::lex(source, Mode::Module);
    let mut depth = Depth::default();
    let mut is_doubtful = false;
    for _ in 0..TOKENS {
        let step = match lexer.next_token() {
            TokenKind::EndOfFile if is_doubtful || !depth.levels.is_empty() => Step::Broken,
            TokenKind::EndOfFile => return Ok(admitted),
            token => depth.take(token),
        };
        match step {
            Step::Doubtful => is_doubtful = true,
            Step::Fine => {}
            Step::Broken | Step::TooDeep if is_shallow => return Ok(admitted),
            Step::Broken => return Err(Refused::Broken),
            Step::TooDeep => return Err(Refused::TooDeep),
        }
    }
    Err(Refused::TooLong)
}

/// At least [`pieces`], taking every word for a keyword: without a branch, so that it costs a tenth.
fn most_pieces(source: &[u8]) -> usize {
    let one = |before: u8, byte: u8| {
        let begins = byte.is_ascii_alphabetic() & !before.is_ascii_alphabetic();
        let opens = (byte == b'(') | (byte == b'[') | (byte == b'{');
        let is_quote = (byte == b'\'') | (byte == b'"');
        let prefix = before | 0x20;
        let formats = is_quote & ((prefix == b'f') | (prefix == b't') | (prefix == b'r'));
        // Every other sign that counts lies in these ranges.
        let sign = (byte == b'!') | (byte == b'%') | (byte == b'&') | (byte == b'@');
        let sign = sign | (byte.wrapping_sub(b'*') <= b'/' - b'*') | (byte == b'|');
        let sign = sign | (byte == b'~') | (byte == b'^') | (byte == b'<') | (byte == b'>');
        u8::from(begins) + 2 * u8::from(opens | formats) + u8::from(sign)
    };
    let first = source.first().map_or(0, |&byte| usize::from(one(0, byte)));
    let bytes = source.get(1..).unwrap_or_default();
    // Three for each byte of a chunk fit into eight bits.
    let chunks = source.chunks(64).zip(bytes.chunks(64));
    let sum = |(before, bytes): (&[u8], &[u8])| {
        let all = before.iter().zip(bytes);
        usize::from(all.fold(0_u8, |sum, (&before, &byte)| sum + one(before, byte)))
    };
    first + chunks.map(sum).sum::<usize>()
}

/// However the quotes are paired, no count of [`Depth`] gets higher than this one, which counts
/// what stands in strings and comments too, and takes nothing away.
fn pieces(source: &[u8]) -> usize {
    let (mut count, mut word) = (0, 0);
    for (at, &byte) in source.iter().enumerate() {
        let weight = WEIGHTS[usize::from(byte)];
        if weight == LETTER {
            continue;
        }
        if at > word + 1 {
            count += usize::from(is_keyword(&source[word..at]));
        }
        word = at + 1;
        count += match weight {
            // It may begin an f-string, or a t-string, maybe a raw one.
            QUOTE if at > 0 && b"fFtTrR".contains(&source[at - 1]) => 2,
            QUOTE => 0,
            weight => usize::from(weight),
        };
    }
    count + usize::from(is_keyword(&source[word..]))
}

/// A byte of a word.
const LETTER: u8 = u8::MAX;
/// What may begin a string.
const QUOTE: u8 = u8::MAX - 1;
/// What a byte alone adds to [`pieces`], or what kind of byte it is. A table, since this loop takes
/// a large part of the time that a source takes.
const WEIGHTS: [u8; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        weights[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'\'' | b'"' => QUOTE,
            b'(' | b'[' | b'{' => 2,
            b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'~' | b'<'
            | b'>' | b'!' => 1,
            _ => 0,
        };
        byte += 1;
    }
    weights
};

fn is_keyword(word: &[u8]) -> bool {
    match word.len() {
        2 => matches!(word, b"as" | b"if" | b"or"),
        3 => matches!(word, b"and" | b"def" | b"del" | b"for" | b"not" | b"try"),
        4 => matches!(
            word,
            b"case" | b"elif" | b"else" | b"from" | b"lazy" | b"pass" | b"type" | b"with"
        ),
        5 => matches!(
            word,
            b"async" | b"await" | b"break" | b"class" | b"match" | b"raise" | b"while" | b"yield"
        ),
        6 => matches!(
            word,
            b"assert" | b"except" | b"global" | b"import" | b"lambda" | b"return"
        ),
        7 => word == b"finally",
        8 => matches!(word, b"continue" | b"nonlocal"),
        _ => false,
    }
}

/// Blocks that fit into a source: each is indented by one more space than the one around it.
const DEEPEST_STAIRS: usize = 1_500;

/// Whether a tree that was built from `tokens` is safe to walk and drop: the second check, on what
/// the parser really read.
pub(crate) fn is_safe(tokens: impl Iterator<Item = TokenKind>) -> bool {
    deepest(tokens) <= SAFE_DEPTH
}

fn deepest(tokens: impl Iterator<Item = TokenKind>) -> usize {
    let mut depth = Depth::default();
    let totals = tokens.map(|token| {
        let _ = depth.take(token);
        depth.total()
    });
    totals.max().unwrap_or(0)
}

/// What one token does to the count.
enum Step {
    Fine,
    /// Behind a syntax error the parser may read what follows by other tokens.
    Doubtful,
    /// No Python compiles a source with this token here.
    Broken,
    TooDeep,
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
    fn take(&mut self, token: TokenKind) -> Step {
        match token {
            TokenKind::Unknown | TokenKind::IpyEscapeCommand => return Step::Broken,
            // Behind an error the parser may end the string here, and then all quotes pair otherwise.
            TokenKind::NonLogicalNewline if self.strings > 0 => return Step::Doubtful,
            TokenKind::NonLogicalNewline => return Step::Fine,
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
                Some((closer, false)) if !self.close(closer) => return Step::Broken,
                Some((_, false)) => {}
                None => self.count(other),
            },
        }
        if self.total() <= DEPTH && self.levels.len() <= BRACKETS && self.blocks <= BLOCKS {
            Step::Fine
        } else {
            Step::TooDeep
        }
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

/// Whether a token can make the tree deeper; names, literals and what makes a flat list cannot.
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
            // A list of targets or of comparisons is flat, and what has a colon has a keyword or a
            // bracket, too.
            | TokenKind::Colon
            | TokenKind::ColonEqual
            | TokenKind::Equal
            | TokenKind::EqEqual
            | TokenKind::NotEqual
            | TokenKind::Less
            | TokenKind::LessEqual
            | TokenKind::Greater
            | TokenKind::GreaterEqual
            | TokenKind::In
            | TokenKind::Is
    )
}

#[cfg(test)]
mod tests;
