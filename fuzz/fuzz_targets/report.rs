//! The report of a guest: whatever it writes, the decoder stays within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::report::{
    ExceptionFrame, MAX_CAUSES, MAX_FRAMES, MAX_TEXT_BYTES, ReportDecoder, ReportError, ReportFrame,
};

const NONCE: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

// The first byte chooses how the stream is cut, and whether it is the JSON of a frame that is
// otherwise right: few inputs would get past the nonce by themselves.
fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else {
        return;
    };
    let framed = (how & 1 == 1).then(|| {
        let length = u32::try_from(rest.len()).expect("inputs are short");
        [&NONCE[..], &length.to_le_bytes(), rest].concat()
    });
    let bytes = framed.as_deref().unwrap_or(rest);
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(whole, decode(bytes, usize::from(how >> 1) + 1));
    match whole {
        Ok(ReportFrame::Raised(exception)) => {
            assert!(exception.causes.len() <= MAX_CAUSES);
            for cause in &exception.causes {
                assert!(cause.causes.is_empty());
                is_bounded(cause);
            }
            is_bounded(&exception);
        }
        Ok(ReportFrame::Completed(value)) => {
            for text in [value.repr, value.error].into_iter().flatten() {
                assert!(text.len() <= MAX_TEXT_BYTES);
            }
        }
        Err(_) => {}
    }
});

fn decode(bytes: &[u8], chunk: usize) -> Result<ReportFrame, ReportError> {
    let mut decoder = ReportDecoder::new();
    for part in bytes.chunks(chunk) {
        decoder.push(part);
    }
    decoder.finish(&NONCE)
}

fn is_bounded(exception: &ExceptionFrame) {
    assert!(exception.frames.len() <= MAX_FRAMES);
    let frames = exception.frames.iter();
    let texts = frames.flat_map(|frame| [&frame.file, &frame.function]);
    for text in texts.chain([&exception.kind, &exception.message, &exception.traceback]) {
        assert!(text.len() <= MAX_TEXT_BYTES);
    }
}
