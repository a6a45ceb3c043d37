//! The collector's stream: it reads the same however it is cut, and stays within its caps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::collect::{CollectCaps, CollectDecoder, CollectError, CollectFrame, MAX_NAME_BYTES};

const CAPS: CollectCaps = CollectCaps {
    entries: 8,
    file_bytes: 1000,
    total_bytes: 1500,
};

// The first byte chooses how the stream is cut.
fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(whole, decode(bytes, usize::from(*how) + 1));
    let (seen, result) = whole;
    assert!(seen.entries <= CAPS.entries && seen.total_bytes <= CAPS.total_bytes);
    assert_eq!(seen.ends, u32::from(result.is_ok() || result == Err(CollectError::Trailing)));
    // Only the last file may be cut short, and only if the stream is.
    assert!(seen.begun == seen.whole || (result.is_err() && seen.begun == seen.whole + 1));
});

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    entries: u32,
    begun: u32,
    whole: u32,
    ends: u32,
    total_bytes: u64,
    names: Vec<String>,
    contents: Vec<Vec<u8>>,
}

fn decode(bytes: &[u8], chunk: usize) -> (Seen, Result<(), CollectError>) {
    let mut decoder = CollectDecoder::new(CAPS);
    let (mut seen, mut left) = (Seen::default(), 0);
    for part in bytes.chunks(chunk) {
        let result = decoder.push(part, |frame| match frame {
            CollectFrame::File { name, content_bytes } => {
                seen.entries += 1;
                seen.begun += 1;
                assert!(content_bytes <= CAPS.file_bytes);
                left = content_bytes;
                seen.contents.push(Vec::new());
                seen.names.push(checked(name.text));
            }
            CollectFrame::Content(bytes) => {
                left = left.checked_sub(bytes.len() as u64).expect("a content is as long as announced");
                seen.total_bytes += bytes.len() as u64;
                seen.contents.last_mut().expect("a file has begun").extend_from_slice(bytes);
            }
            CollectFrame::FileEnd => {
                assert_eq!(left, 0);
                seen.whole += 1;
            }
            CollectFrame::Skipped { name, .. } => {
                seen.entries += 1;
                seen.names.push(checked(name.text));
            }
            CollectFrame::End => seen.ends += 1,
        });
        if result.is_err() {
            return (seen, result);
        }
    }
    let result = decoder.finish();
    (seen, result)
}

/// A name that goes nowhere and hides nothing.
fn checked(name: String) -> String {
    assert!(name.len() <= MAX_NAME_BYTES * 3);
    assert!(!name.contains(|c: char| c.is_control() || c == '\\'));
    assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")));
    name
}
