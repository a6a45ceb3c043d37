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
        assert!(announced <= CAPS.total_bytes && received <= announced && names <= CAPS.entries);
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
