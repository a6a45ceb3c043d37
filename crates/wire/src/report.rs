//! The report a child sends when its program has ended: one frame of data without authority.
//!
//! A report counts only when it starts with the nonce that the child's native code and the host
//! alone know, when it is whole, and when nothing follows it. What it says is still a claim; the
//! host compares it with what the kernel says.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;
use subtle::ConstantTimeEq;

/// Bytes of the nonce in front of a report.
pub const NONCE_BYTES: usize = 32;
/// Most bytes of a report's JSON.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;
/// Most bytes of each text in a report; longer ones are cut.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Most frames of one exception; the middle of longer stacks is dropped.
pub const MAX_FRAMES: usize = 100;
/// Most causes of an exception; later ones are dropped.
pub const MAX_CAUSES: usize = 16;

const HEAD_BYTES: usize = NONCE_BYTES + 4;
const MAX_BYTES: usize = HEAD_BYTES + MAX_JSON_BYTES;

/// Why there is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The program went without one.
    #[error("the guest sent no report")]
    Missing,
    /// The first bytes are not this child's nonce.
    #[error("the report does not carry this guest's nonce")]
    BadNonce,
    /// More than [`MAX_JSON_BYTES`] were announced or sent.
    #[error("the report is longer than {MAX_JSON_BYTES} bytes")]
    TooLong,
    /// The pipe ended inside the frame.
    #[error("the report ends early")]
    Truncated,
    /// Bytes follow the frame: a second report, or one written by user code.
    #[error("bytes follow the report")]
    Trailing,
    /// Not JSON, nested over 128 levels, or a number beyond what JSON readers take.
    #[error("the report is not JSON")]
    NotJson,
    /// JSON of another shape.
    #[error("the report has an unknown shape")]
    WrongShape,
}

/// How the program says it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportFrame {
    /// It ran to its end.
    Completed(ValueFrame),
    /// An exception or `sys.exit` ended it.
    Raised(ExceptionFrame),
}

/// What the last expression was.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueFrame {
    /// `repr()`; `None` when there is no value.
    pub repr: Option<String>,
    /// The same as JSON, when it is JSON; `Some(Null)` only when JSON `null` was sent.
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Value>,
    /// Why there is none.
    #[serde(default)]
    pub error: Option<String>,
    /// Why it is not JSON.
    #[serde(default)]
    pub not_json: Option<String>,
}

/// An exception.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionFrame {
    /// Qualified name of the class.
    #[serde(rename = "type")]
    pub kind: String,
    /// `str()` of it.
    pub message: String,
    /// The user's frames, outermost first.
    pub frames: Vec<StackFrame>,
    /// Oldest last; a cause has none of its own.
    pub causes: Vec<ExceptionFrame>,
    /// As CPython prints it; the beginning is cut when it is too long.
    pub traceback: String,
    /// The status of `sys.exit`.
    #[serde(default)]
    pub exit_status: Option<i32>,
}

/// One frame of a traceback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackFrame {
    /// Path inside the sandbox.
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// Name of the function, or `<module>`.
    pub function: String,
    /// Text of the line.
    pub source: Option<String>,
}

/// Keeps what a child writes to its report pipe, up to the size of one report.
#[derive(Debug, Default)]
pub struct ReportDecoder {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl ReportDecoder {
    /// An empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. Bytes over the most that a report can have are dropped and remembered.
    pub fn push(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(MAX_BYTES - self.bytes.len());
        self.overflowed |= kept < bytes.len();
        self.bytes.extend_from_slice(&bytes[..kept]);
    }

    /// Decodes the report once the pipe has ended.
    ///
    /// Shape: nonce, `u32` little-endian length, that many bytes of JSON, end of file.
    /// Errors: the nonce is judged before the length, and the length before the JSON, so that the
    /// parser sees nothing that user code alone could have written.
    pub fn finish(self, nonce: &[u8; NONCE_BYTES]) -> Result<ReportFrame, ReportError> {
        if self.bytes.is_empty() {
            return Err(ReportError::Missing);
        }
        let (head, json) = self
            .bytes
            .split_at_checked(HEAD_BYTES)
            .ok_or(ReportError::Truncated)?;
        let (claimed, length) = head.split_at(NONCE_BYTES);
        if !bool::from(claimed.ct_eq(nonce)) {
            return Err(ReportError::BadNonce);
        }
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let length = usize::try_from(length).map_err(|_| ReportError::TooLong)?;
        match json.len() {
            _ if length > MAX_JSON_BYTES => Err(ReportError::TooLong),
            received if received < length => Err(ReportError::Truncated),
            received if received > length || self.overflowed => Err(ReportError::Trailing),
            _ => parse(json),
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "end", rename_all = "lowercase", deny_unknown_fields)]
enum Shape {
    Completed { value: ValueFrame },
    Raised { exception: ExceptionFrame },
}

fn parse(json: &[u8]) -> Result<ReportFrame, ReportError> {
    let shape = serde_json::from_slice(json).map_err(|error| match error.classify() {
        Category::Data => ReportError::WrongShape,
        Category::Syntax | Category::Eof | Category::Io => ReportError::NotJson,
    })?;
    Ok(match shape {
        Shape::Completed { mut value } => {
            cut_optional(&mut value.repr);
            cut_optional(&mut value.error);
            cut_optional(&mut value.not_json);
            ReportFrame::Completed(value)
        }
        Shape::Raised { mut exception } => {
            exception.causes.truncate(MAX_CAUSES);
            for cause in &mut exception.causes {
                cause.causes.clear();
                bound(cause);
            }
            bound(&mut exception);
            ReportFrame::Raised(exception)
        }
    })
}

fn bound(exception: &mut ExceptionFrame) {
    cut(&mut exception.kind);
    cut(&mut exception.message);
    cut_beginning(&mut exception.traceback);
    if exception.frames.len() > MAX_FRAMES {
        // The outermost frames say where it started, the innermost what failed.
        let end = exception.frames.len() - MAX_FRAMES / 2;
        exception.frames.drain(MAX_FRAMES / 2..end);
    }
    for frame in &mut exception.frames {
        cut(&mut frame.file);
        cut(&mut frame.function);
        cut_optional(&mut frame.source);
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
}

fn cut_optional(text: &mut Option<String>) {
    if let Some(text) = text {
        cut(text);
    }
}

fn cut_beginning(text: &mut String) {
    let from = text.len().saturating_sub(MAX_TEXT_BYTES);
    text.drain(..text.ceil_char_boundary(from));
}

/// Keeps JSON `null` apart from a field that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect::tests::Random;

    const NONCE: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

    fn framed(json: &[u8]) -> Vec<u8> {
        let length = u32::try_from(json.len()).unwrap();
        [&NONCE[..], &length.to_le_bytes(), json].concat()
    }

    fn decode(bytes: &[u8]) -> Result<ReportFrame, ReportError> {
        let mut decoder = ReportDecoder::new();
        for part in bytes.chunks(7) {
            decoder.push(part);
        }
        decoder.finish(&NONCE)
    }

    fn decode_json(json: &Value) -> Result<ReportFrame, ReportError> {
        decode(&framed(&serde_json::to_vec(json).unwrap()))
    }

    fn exception(message: &str) -> Value {
        json!({"type": "ValueError", "message": message, "frames": [], "causes": [], "traceback": "t", "exit_status": null})
    }

    fn raised(exception: &Value) -> ExceptionFrame {
        match decode_json(&json!({"end": "raised", "exception": exception})).unwrap() {
            ReportFrame::Raised(exception) => exception,
            ReportFrame::Completed(_) => panic!("it was raised"),
        }
    }

    #[test]
    fn a_value_comes_back() {
        let sent =
            json!({"end": "completed", "value": {"repr": "[1]", "json": [1], "error": null}});
        let value = ValueFrame {
            repr: Some("[1]".into()),
            json: Some(json!([1])),
            ..Default::default()
        };
        assert_eq!(decode_json(&sent), Ok(ReportFrame::Completed(value)));
    }

    #[test]
    fn absent_json_is_not_null() {
        let absent =
            json!({"end": "completed", "value": {"repr": null, "error": "cannot be shown"}});
        let null =
            json!({"end": "completed", "value": {"repr": "None", "json": null, "error": null}});
        for (sent, expected) in [(absent, None), (null, Some(Value::Null))] {
            let Ok(ReportFrame::Completed(value)) = decode_json(&sent) else {
                panic!("{sent}")
            };
            assert_eq!(value.json, expected);
        }
    }

    #[test]
    fn an_exception_comes_back_whole() {
        let mut sent = exception("bad");
        sent["exit_status"] = json!(3);
        sent["causes"] = json!([exception("why")]);
        sent["frames"] =
            json!([{"file": "/code/main.py", "line": 7, "function": "f", "source": null}]);
        let received = raised(&sent);
        assert_eq!(
            (received.kind.as_str(), received.exit_status),
            ("ValueError", Some(3))
        );
        assert_eq!(received.causes[0].message, "why");
        assert_eq!(
            (received.frames[0].line, &received.frames[0].source),
            (7, &None)
        );
    }

    #[test]
    fn long_parts_are_cut() {
        // Three bytes per character, and 64 Ki is no multiple of three.
        let mut sent = exception(&"中".repeat(30_000));
        sent["traceback"] = json!(format!("{}end", "中".repeat(30_000)));
        let frame = |line| json!({"file": "f", "line": line, "function": "g", "source": "s"});
        sent["frames"] = (0..250).map(frame).collect();
        sent["causes"] = (0..40).map(|_| exception("c")).collect();
        sent["causes"][0]["causes"] = json!([exception("nested")]);
        let received = raised(&sent);
        assert_eq!(received.message.len(), 65_535);
        assert!(
            received.traceback.len() <= MAX_TEXT_BYTES && received.traceback.ends_with("中end")
        );
        assert_eq!(received.frames.len(), MAX_FRAMES);
        assert_eq!(
            (
                received.frames[49].line,
                received.frames[50].line,
                received.frames[99].line
            ),
            (49, 200, 249)
        );
        assert_eq!(received.causes.len(), MAX_CAUSES);
        assert!(received.causes[0].causes.is_empty());
    }

    #[test]
    fn a_frame_that_is_not_exactly_one_report_is_refused() {
        let good = framed(br#"{"end":"completed","value":{"repr":null,"error":null}}"#);
        assert!(decode(&good).is_ok());
        let mut other_nonce = good.clone();
        other_nonce[31] ^= 1;
        let mut huge = good.clone();
        huge[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        for (bytes, expected) in [
            (Vec::new(), ReportError::Missing),
            (good[..20].to_vec(), ReportError::Truncated),
            (good[..35].to_vec(), ReportError::Truncated),
            (good[..good.len() - 1].to_vec(), ReportError::Truncated),
            (other_nonce, ReportError::BadNonce),
            (huge, ReportError::TooLong),
            ([good.clone(), good.clone()].concat(), ReportError::Trailing),
            ([&good[..], b"\n"].concat(), ReportError::Trailing),
        ] {
            assert_eq!(decode(&bytes), Err(expected));
        }
    }

    #[test]
    fn a_flood_is_not_kept() {
        let mut decoder = ReportDecoder::new();
        let mut first = framed(&vec![b' '; MAX_JSON_BYTES]);
        decoder.push(&first);
        first.fill(b'x');
        for _ in 0..10 {
            decoder.push(&first);
        }
        assert_eq!(decoder.bytes.len(), MAX_BYTES);
        assert_eq!(decoder.finish(&NONCE), Err(ReportError::Trailing));
    }

    #[test]
    fn json_that_is_no_report_is_refused() {
        let deep = format!("{{\"end\":\"completed\",\"value\":{}", "[".repeat(100_000));
        for (json, expected) in [
            ("", ReportError::NotJson),
            ("{", ReportError::NotJson),
            ("\u{0}", ReportError::NotJson),
            (deep.as_str(), ReportError::NotJson),
            ("null", ReportError::WrongShape),
            ("{}", ReportError::WrongShape),
            (r#"{"end":"cancelled"}"#, ReportError::WrongShape),
            (r#"{"end":"completed"}"#, ReportError::WrongShape),
            (
                r#"{"end":"completed","value":{"repr":1}}"#,
                ReportError::WrongShape,
            ),
            (
                r#"{"end":"completed","value":{"repr":null,"extra":1}}"#,
                ReportError::WrongShape,
            ),
            (
                r#"{"end":"completed","value":{"repr":null},"more":1}"#,
                ReportError::WrongShape,
            ),
            (
                r#"{"end":"raised","exception":{"type":"E"}}"#,
                ReportError::WrongShape,
            ),
        ] {
            assert_eq!(
                decode(&framed(json.as_bytes())),
                Err(expected),
                "{}",
                &json[..json.len().min(60)]
            );
        }
        let latin = framed(b"{\"end\":\"completed\",\"value\":{\"repr\":\"\xff\"}}");
        assert_eq!(decode(&latin), Err(ReportError::NotJson));
    }

    #[test]
    fn mutated_reports_never_panic_and_never_change_the_nonce() {
        let mut sent = exception("m");
        sent["causes"] = json!([exception("c")]);
        let good =
            framed(&serde_json::to_vec(&json!({"end": "raised", "exception": sent})).unwrap());
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let mutated = random.mutate(&good);
            if decode(&mutated).is_ok() {
                assert_eq!(mutated[..32], NONCE);
            }
        }
    }
}
