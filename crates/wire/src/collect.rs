//! The stream of a collector: the files a guest left behind.
//!
//! The collector runs with the guest's uid and reads what the guest made, so names and sizes are
//! hostile. They are bounded here again, whatever the collector was told.
//!
//! Shape: entries of a 32-byte little-endian header, a name and a content: `u32` magic, `u32` kind
//! (0 file, 1 skipped, 2 end), `u32` reason, `u32` length of the name, `u64` length of the content,
//! `u64` zero. An end entry closes the stream.

use std::fmt::Write as _;

/// First word of every header: `HOGC` read as bytes.
pub const MAGIC: u32 = 0x4347_4f48;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// Most bytes of a name.
pub const MAX_NAME_BYTES: usize = 4096;

/// What a stream may hold.
#[derive(Debug, Clone, Copy)]
pub struct CollectCaps {
    /// Most entries, skipped ones included.
    pub entries: u32,
    /// Most bytes of one file.
    pub file_bytes: u64,
    /// Most bytes of all files.
    pub total_bytes: u64,
}

/// Why a stream cannot be used further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// A header that no collector writes.
    #[error("the collector sent a malformed header")]
    BadHeader,
    /// A name that is empty or has an empty component.
    #[error("the collector sent a malformed name")]
    BadName,
    /// More entries or bytes than the caps allow.
    #[error("the collector sent more than it may")]
    OverCap,
    /// The stream ended without its end entry.
    #[error("the collector's stream ends early")]
    Truncated,
    /// Bytes behind the end entry.
    #[error("bytes follow the end of the collector's stream")]
    Trailing,
}

/// A name that is safe to show, to log and to put into a URL's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName {
    /// Valid UTF-8 with `/` between components; two different names never look the same here.
    pub text: String,
    /// Whether something had to be percent-escaped.
    pub escaped: bool,
}

/// What the stream says next.
#[derive(Debug, PartialEq, Eq)]
pub enum CollectFrame<'a> {
    /// A file begins; exactly `content_bytes` follow as content.
    File {
        /// Below `output/`.
        name: DisplayName,
        /// Size of the content.
        content_bytes: u64,
    },
    /// The next bytes of the file that began last.
    Content(&'a [u8]),
    /// The file that began last is whole.
    FileEnd,
    /// An entry stayed behind.
    Skipped {
        /// Below `output/`.
        name: DisplayName,
        /// One of the words of `engine::outcome::SkippedArtifact`.
        reason: &'static str,
    },
    /// Nothing follows.
    End,
}

/// Decodes a stream as it arrives. After an error, drop it and end the collector.
#[derive(Debug)]
pub struct CollectDecoder {
    caps: CollectCaps,
    state: State,
    /// Bytes of the header or name under way; at most [`MAX_NAME_BYTES`].
    partial: Vec<u8>,
    entries: u32,
    total_bytes: u64,
}

#[derive(Debug)]
enum State {
    Header,
    Name { entry: Entry, name_bytes: usize },
    Content { left: u64 },
    Ended,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    File { content_bytes: u64 },
    Skipped { reason: &'static str },
}

impl CollectDecoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new(caps: CollectCaps) -> Self {
        Self {
            caps,
            state: State::Header,
            partial: Vec::new(),
            entries: 0,
            total_bytes: 0,
        }
    }

    /// Takes what was read and hands on what it says, in order.
    ///
    /// Errors: everything up to the error has been handed on; a file without its `FileEnd` is not
    /// whole and must be discarded.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut handle: impl FnMut(CollectFrame<'_>),
    ) -> Result<(), CollectError> {
        while !bytes.is_empty() {
            match self.state {
                State::Header => {
                    if self.fill(&mut bytes, HEADER_BYTES) {
                        self.header(&mut handle)?;
                    }
                }
                State::Name { entry, name_bytes } => {
                    if self.fill(&mut bytes, name_bytes) {
                        self.name(entry, &mut handle)?;
                    }
                }
                State::Content { left } => {
                    let room = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (content, rest) = bytes.split_at(room);
                    bytes = rest;
                    handle(CollectFrame::Content(content));
                    let taken = u64::try_from(room).unwrap_or(left);
                    self.content(left - taken, &mut handle);
                }
                State::Ended => return Err(CollectError::Trailing),
            }
        }
        Ok(())
    }

    /// Says whether the stream was whole, once it has ended.
    pub fn finish(self) -> Result<(), CollectError> {
        match self.state {
            State::Ended => Ok(()),
            State::Header | State::Name { .. } | State::Content { .. } => {
                Err(CollectError::Truncated)
            }
        }
    }

    /// Moves bytes into `partial` until it has `wanted`; whether it has.
    fn fill(&mut self, bytes: &mut &[u8], wanted: usize) -> bool {
        let (taken, rest) = bytes.split_at(bytes.len().min(wanted - self.partial.len()));
        self.partial.extend_from_slice(taken);
        *bytes = rest;
        self.partial.len() == wanted
    }

    fn header(&mut self, handle: &mut impl FnMut(CollectFrame<'_>)) -> Result<(), CollectError> {
        let header = Header::decode(&self.partial)?;
        self.partial.clear();
        if (header.magic, header.reserved) != (MAGIC, 0) {
            return Err(CollectError::BadHeader);
        }
        let entry = match (header.kind, header.reason, header.content_bytes) {
            (0, 0, content_bytes) => Entry::File { content_bytes },
            (1, reason, 0) => Entry::Skipped {
                reason: reason_word(reason)?,
            },
            (2, 0, 0) if header.name_bytes == 0 => {
                self.state = State::Ended;
                handle(CollectFrame::End);
                return Ok(());
            }
            _ => return Err(CollectError::BadHeader),
        };
        let name_bytes = usize::try_from(header.name_bytes).map_err(|_| CollectError::BadName)?;
        if !(1..=MAX_NAME_BYTES).contains(&name_bytes) {
            return Err(CollectError::BadName);
        }
        self.count(header.content_bytes)?;
        self.state = State::Name { entry, name_bytes };
        Ok(())
    }

    fn count(&mut self, content_bytes: u64) -> Result<(), CollectError> {
        self.entries = self.entries.saturating_add(1);
        self.total_bytes = self.total_bytes.saturating_add(content_bytes);
        let over = self.entries > self.caps.entries
            || content_bytes > self.caps.file_bytes
            || self.total_bytes > self.caps.total_bytes;
        if over {
            Err(CollectError::OverCap)
        } else {
            Ok(())
        }
    }

    fn name(
        &mut self,
        entry: Entry,
        handle: &mut impl FnMut(CollectFrame<'_>),
    ) -> Result<(), CollectError> {
        let name = display_name(&self.partial)?;
        self.partial.clear();
        match entry {
            Entry::File { content_bytes } => {
                handle(CollectFrame::File {
                    name,
                    content_bytes,
                });
                self.content(content_bytes, handle);
            }
            Entry::Skipped { reason } => {
                handle(CollectFrame::Skipped { name, reason });
                self.state = State::Header;
            }
        }
        Ok(())
    }

    fn content(&mut self, left: u64, handle: &mut impl FnMut(CollectFrame<'_>)) {
        if left > 0 {
            self.state = State::Content { left };
            return;
        }
        self.state = State::Header;
        handle(CollectFrame::FileEnd);
    }
}

struct Header {
    magic: u32,
    kind: u32,
    reason: u32,
    name_bytes: u32,
    content_bytes: u64,
    reserved: u64,
}

impl Header {
    fn decode(bytes: &[u8]) -> Result<Self, CollectError> {
        let (words, rest) = bytes.as_chunks::<4>();
        let &[
            magic,
            kind,
            reason,
            name_bytes,
            content_low,
            content_high,
            low,
            high,
        ] = words
        else {
            return Err(CollectError::BadHeader);
        };
        if !rest.is_empty() {
            return Err(CollectError::BadHeader);
        }
        let long = |low, high| {
            u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << 32
        };
        Ok(Self {
            magic: u32::from_le_bytes(magic),
            kind: u32::from_le_bytes(kind),
            reason: u32::from_le_bytes(reason),
            name_bytes: u32::from_le_bytes(name_bytes),
            content_bytes: long(content_low, content_high),
            reserved: long(low, high),
        })
    }
}

fn reason_word(reason: u32) -> Result<&'static str, CollectError> {
    Ok(match reason {
        1 => "symlink",
        2 => "not_regular",
        3 => "hard_link",
        4 => "too_large",
        5 => "too_many",
        6 => "too_deep",
        7 => "bad_name",
        8 => "foreign_owner",
        9 => "unreadable",
        _ => return Err(CollectError::BadHeader),
    })
}

/// The name as it may be shown.
///
/// Shape: bytes that are not UTF-8, control and direction characters, invisible ones, backslashes
/// and the components `.` and `..` become `%XX` per byte; so does a percent sign that would read as
/// such an escape, which keeps different names different.
/// Errors: `BadName` for an empty name or component.
pub fn display_name(raw: &[u8]) -> Result<DisplayName, CollectError> {
    let mut text = String::with_capacity(raw.len());
    for component in raw.split(|byte| *byte == b'/') {
        if component.is_empty() {
            return Err(CollectError::BadName);
        }
        if !text.is_empty() {
            text.push('/');
        }
        if matches!(component, b"." | b"..") {
            escape(&mut text, component);
        } else {
            push_component(&mut text, component);
        }
    }
    let escaped = text.as_bytes() != raw;
    Ok(DisplayName { text, escaped })
}

fn push_component(text: &mut String, component: &[u8]) {
    for chunk in component.utf8_chunks() {
        for (at, character) in chunk.valid().char_indices() {
            let bytes = &chunk.valid().as_bytes()[at..at + character.len_utf8()];
            let reads_as_escape = character == '%' && {
                let next = &chunk.valid().as_bytes()[at + 1..];
                next.len() >= 2 && next[..2].iter().all(u8::is_ascii_hexdigit)
            };
            if reads_as_escape || is_deceptive(character) {
                escape(text, bytes);
            } else {
                text.push(character);
            }
        }
        escape(text, chunk.invalid());
    }
}

/// Characters that move the cursor, reorder the text around them, hide, or act as a separator.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\\'
            | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "%{byte:02X}");
    }
}

#[cfg(test)]
pub(crate) mod tests;
