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
pub(crate) mod tests {
    use super::*;

    const CAPS: CollectCaps = CollectCaps {
        entries: 8,
        file_bytes: 100,
        total_bytes: 150,
    };

    /// Xorshift with a fixed seed: the same mutations on every machine.
    pub(crate) struct Random(u64);

    impl Random {
        pub(crate) fn new(seed: u64) -> Self {
            Self(seed)
        }

        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % end
        }

        /// `bytes` after one to four changes: a byte set, removed, repeated, or the end cut off.
        pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
            let mut bytes = bytes.to_vec();
            for _ in 0..=self.below(3) {
                let at = self.below(bytes.len());
                match self.below(8) {
                    0..=3 => bytes[at] = self.below(256).try_into().unwrap(),
                    4 => bytes[at] ^= 1 << self.below(8),
                    5 if bytes.len() > 1 => drop(bytes.remove(at)),
                    6 => bytes.insert(at, bytes[at]),
                    _ => bytes.truncate(at + 1),
                }
            }
            bytes
        }
    }

    fn entry(kind: u32, reason: u32, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [MAGIC, kind, reason, name.len().try_into().unwrap()] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&u64::try_from(content.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        [&bytes[..], name, content].concat()
    }

    fn stream() -> Vec<u8> {
        [
            entry(0, 0, b"a/b.csv", b"1,2\n"),
            entry(1, 1, b"link", b""),
            entry(0, 0, b"empty", b""),
            entry(2, 0, b"", b""),
        ]
        .concat()
    }

    /// The events as text, contents of one file joined, so that chunking does not show.
    fn decode(bytes: &[u8], chunk: usize) -> (Vec<String>, Result<(), CollectError>) {
        let mut decoder = CollectDecoder::new(CAPS);
        let (mut events, mut content) = (Vec::new(), Vec::new());
        for part in bytes.chunks(chunk) {
            let result = decoder.push(part, |event| match event {
                CollectFrame::Content(bytes) => content.extend_from_slice(bytes),
                CollectFrame::FileEnd => {
                    events.push(format!("content {:?}", std::mem::take(&mut content)))
                }
                CollectFrame::File {
                    name,
                    content_bytes,
                } => events.push(format!("file {} {content_bytes}", name.text)),
                CollectFrame::Skipped { name, reason } => {
                    events.push(format!("skipped {} {reason}", name.text))
                }
                CollectFrame::End => events.push("end".to_owned()),
            });
            if result.is_err() {
                return (events, result);
            }
        }
        (events, decoder.finish())
    }

    fn check(bytes: &[u8], expected: CollectError) {
        for chunk in [1, 5, 4096] {
            assert_eq!(
                decode(bytes, chunk).1,
                Err(expected),
                "in chunks of {chunk}"
            );
        }
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut() {
        let expected = [
            "file a/b.csv 4",
            "content [49, 44, 50, 10]",
            "skipped link symlink",
            "file empty 0",
            "content []",
            "end",
        ];
        for chunk in [1, 2, 3, 31, 32, 33, 1000] {
            let (events, result) = decode(&stream(), chunk);
            assert_eq!(result, Ok(()));
            assert_eq!(events, expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn every_reason_has_its_word() {
        let words: Vec<_> = (1..=9).map(|reason| reason_word(reason).unwrap()).collect();
        assert_eq!(
            words,
            [
                "symlink",
                "not_regular",
                "hard_link",
                "too_large",
                "too_many",
                "too_deep",
                "bad_name",
                "foreign_owner",
                "unreadable",
            ]
        );
        assert!(reason_word(0).is_err() && reason_word(10).is_err());
    }

    #[test]
    fn headers_no_collector_writes_are_refused() {
        let mut other_magic = stream();
        other_magic[0] ^= 1;
        check(&other_magic, CollectError::BadHeader);
        let mut reserved = stream();
        reserved[31] = 1;
        check(&reserved, CollectError::BadHeader);
        for bad in [
            entry(0, 1, b"a", b""),
            entry(1, 0, b"a", b""),
            entry(1, 10, b"a", b""),
            entry(1, 1, b"a", b"content"),
            entry(2, 0, b"a", b""),
            entry(2, 1, b"", b""),
            entry(3, 0, b"", b""),
        ] {
            check(&bad, CollectError::BadHeader);
        }
    }

    #[test]
    fn names_are_bounded_before_they_are_read() {
        check(&entry(0, 0, b"", b""), CollectError::BadName);
        check(
            &entry(0, 0, &[b'a'; MAX_NAME_BYTES + 1], b"")[..HEADER_BYTES],
            CollectError::BadName,
        );
        let longest = [
            entry(1, 7, &[b'a'; MAX_NAME_BYTES], b""),
            entry(2, 0, b"", b""),
        ]
        .concat();
        assert_eq!(decode(&longest, 4096).1, Ok(()));
        for name in [&b"/etc/passwd"[..], b"a//b", b"a/", b"/"] {
            check(&entry(0, 0, name, b""), CollectError::BadName);
        }
    }

    #[test]
    fn caps_hold_whatever_the_collector_was_told() {
        check(
            &entry(0, 0, b"a", &[0; 101])[..HEADER_BYTES],
            CollectError::OverCap,
        );
        let two = [entry(0, 0, b"a", &[0; 100]), entry(0, 0, b"b", &[0; 51])].concat();
        check(&two, CollectError::OverCap);
        check(&entry(1, 5, b"a", b"").repeat(9), CollectError::OverCap);
        let mut overflow = entry(0, 0, b"a", b"");
        overflow[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        check(&overflow, CollectError::OverCap);
    }

    #[test]
    fn a_stream_without_its_end_is_not_whole() {
        let whole = stream();
        for end in 0..whole.len() {
            check(&whole[..end], CollectError::Truncated);
        }
        check(&[&whole[..], b"x"].concat(), CollectError::Trailing);
    }

    #[test]
    fn mutated_streams_never_panic_and_never_pass_a_cap() {
        let mut random = Random::new(11);
        let good = stream();
        let mut survived = 0;
        for _ in 0..20_000 {
            let mutated = random.mutate(&good);
            let mut decoder = CollectDecoder::new(CAPS);
            let (mut announced, mut received, mut names) = (0, 0, 0);
            let pushed = decoder.push(&mutated, |event| match event {
                CollectFrame::File { content_bytes, .. } => {
                    announced += content_bytes;
                    names += 1;
                }
                CollectFrame::Content(bytes) => received += u64::try_from(bytes.len()).unwrap(),
                CollectFrame::Skipped { .. } => names += 1,
                CollectFrame::FileEnd => assert_eq!(received, announced),
                CollectFrame::End => survived += 1,
            });
            assert!(
                announced <= CAPS.total_bytes && received <= announced && names <= CAPS.entries
            );
            assert!(decoder.partial.len() <= MAX_NAME_BYTES);
            let whole = pushed.and_then(|()| decoder.finish());
            assert!(whole.is_err() || received == announced);
        }
        assert!(
            survived > 100,
            "mutations of names and contents still decode: {survived}"
        );
    }

    #[test]
    fn names_are_shown_without_deceiving() {
        for (raw, text) in [
            (&b"plot.png"[..], "plot.png"),
            (b"sub dir/100%.txt", "sub dir/100%.txt"),
            ("图表.csv".as_bytes(), "图表.csv"),
            (b"a\nb\x1b[31m", "a%0Ab%1B[31m"),
            (b"a%0Ab", "a%250Ab"),
            (b"a\\b", "a%5Cb"),
            (b"\xff\xfe.bin", "%FF%FE.bin"),
            (b"\xe4\xb8", "%E4%B8"),
            ("cod\u{202e}gnp.exe".as_bytes(), "cod%E2%80%AEgnp.exe"),
            ("a\u{85}\u{200b}".as_bytes(), "a%C2%85%E2%80%8B"),
            (b"..", "%2E%2E"),
            (b"a/./..", "a/%2E/%2E%2E"),
            (b"...", "..."),
            (b"nul\0", "nul%00"),
        ] {
            let name = display_name(raw).unwrap();
            assert_eq!(
                (name.text.as_str(), name.escaped),
                (text, text.as_bytes() != raw),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn different_names_never_look_the_same() {
        let alphabet: [&[u8]; 6] = [b"%", b"0", b"A", b"\n", b"\xff", b"a"];
        let mut shown = std::collections::BTreeMap::new();
        for code in 0..6_usize.pow(5) {
            let parts = (0..5_u32).map(|place| alphabet[code / 6_usize.pow(place) % 6]);
            let raw = parts.collect::<Vec<_>>().concat();
            let name = display_name(&raw).unwrap().text;
            if let Some(other) = shown.insert(name.clone(), raw.clone()) {
                panic!("{raw:?} and {other:?} are both {name}");
            }
        }
    }
}
