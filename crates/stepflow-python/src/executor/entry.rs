//! Whether what a request names to be run is a name, and its values are within bounds.
//!
//! The guest only ever looks names up, so nothing here keeps it safe: a caller gets a sentence at once
//! instead of a program that ends oddly.

use engine::{Call, Entry, ExecutionError, ExecutionRequest, Limits};
use ruff_python_stdlib::identifiers::is_identifier;

/// Longest name. Units: bytes.
const MOST_NAME: usize = 512;
/// Deepest value. The same as for what comes back.
const MOST_DEPTH: u32 = 64;
/// Longest number. Source: `sys.int_info.default_max_str_digits`.
const MOST_DIGITS: u32 = 4300;

/// Errors: an `Entry` with one sentence.
pub(super) fn check(request: &ExecutionRequest) -> Result<(), ExecutionError> {
    let checked = match &request.entry {
        Entry::Source | Entry::Script(_) => Ok(()),
        Entry::Globals(globals) => globals
            .values()
            .try_for_each(|value| check_json(value.get())),
        Entry::Function(call) => check_call(call),
        Entry::Module(name) => check_module(name, &request.source),
    };
    checked.map_err(|reason| ExecutionError::Entry { reason })
}

/// Errors: a source over its limit.
pub(super) fn check_length(
    request: &ExecutionRequest,
    limits: &Limits,
) -> Result<(), ExecutionError> {
    let bytes = u64::try_from(request.source.len()).unwrap_or(u64::MAX);
    let limit = limits.source_bytes;
    if bytes > limit {
        return Err(ExecutionError::SourceTooLong { bytes, limit });
    }
    Ok(())
}

fn check_call(call: &Call) -> Result<(), String> {
    let name = &call.function;
    let is_plain = |part: &str| is_identifier(part) && !part.starts_with("__");
    if name.len() > MOST_NAME || !name.split('.').all(is_plain) {
        return Err(format!(
            "`{}` names no function: use a name of the program, such as `f` or `Class.method`",
            short(name)
        ));
    }
    let mut values = call.args.iter().chain(call.kwargs.values());
    values.try_for_each(|value| check_json(value.get()))
}

fn check_module(name: &str, source: &str) -> Result<(), String> {
    // A module need not be importable by a statement: `python -m my-tool` works.
    let is_plain = |part: &str| !part.starts_with('-') && is_identifier(&part.replace('-', "_"));
    if name.len() > MOST_NAME || !name.split('.').all(is_plain) {
        return Err(format!(
            "`{}` names no module: use a name such as `package` or `package.module`",
            short(name)
        ));
    }
    if !source.is_empty() {
        return Err("a module is run from its own file: leave the source empty".to_owned());
    }
    Ok(())
}

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Whether Python reads a JSON text of any shape: nesting and the length of numbers are its bounds.
fn check_json(text: &str) -> Result<(), String> {
    let (mut depth, mut digits, mut in_text, mut escaped) = (0_u32, 0_u32, false, false);
    for byte in text.bytes() {
        if in_text {
            (escaped, in_text) = match byte {
                b'\\' => (!escaped, true),
                b'"' => (false, escaped),
                _ => (false, true),
            };
            continue;
        }
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_DEPTH {
            return Err(format!("a value is nested deeper than {MOST_DEPTH} levels"));
        }
        if digits > MOST_DIGITS {
            return Err(format!("a number has more than {MOST_DIGITS} digits"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn told(entry: Entry) -> String {
        let request = ExecutionRequest {
            entry,
            ..Default::default()
        };
        check(&request).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn functions_are_names_and_nothing_else() {
        let call = |function: &str| {
            told(Entry::Function(Call {
                function: function.into(),
                args: Vec::new(),
                kwargs: Default::default(),
            }))
        };
        for good in ["f", "_f", "Class.method", "a.b.c", "größe", "f1"] {
            assert_eq!(call(good), "ok");
        }
        let long = "f".repeat(513);
        for bad in [
            "",
            ".",
            "f.",
            ".f",
            "f()",
            "1f",
            "class",
            "lambda",
            "__import__",
            "A.__class__",
            "__builtins__.eval",
            "f\0",
            "a b",
            "a/b",
            &long,
        ] {
            assert!(call(bad).contains("names no function"), "{bad:?}");
        }
    }

    #[test]
    fn modules_are_names_and_have_no_source() {
        for good in ["pkg", "pkg.mod", "my-tool", "__main__", "pkg.__main__"] {
            assert_eq!(told(Entry::Module(good.into())), "ok");
        }
        for bad in ["", "a/b", "../a", "a..b", "-", "import", "a\n"] {
            assert!(
                told(Entry::Module(bad.into())).contains("names no module"),
                "{bad:?}"
            );
        }
        let request = ExecutionRequest {
            source: "1".into(),
            entry: Entry::Module("a".into()),
            ..Default::default()
        };
        assert!(check(&request).is_err());
    }

    #[test]
    fn values_are_within_what_python_reads() {
        let value = |text: &str| {
            let value = RawValue::from_string(text.to_owned()).unwrap();
            told(Entry::Globals([("x".to_owned(), value)].into()))
        };
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for good in [
            &nested(64),
            "12345678901234567890123",
            "1e308",
            r#""\\""#,
            r#"["\"[[[[", "\\", {"{": 1}]"#,
            &"1".repeat(4300),
            &format!("\"{}\"", "[".repeat(100)),
        ] {
            assert_eq!(value(good), "ok", "{good}");
        }
        assert!(value(&nested(65)).contains("deeper than 64"));
        assert!(value(&nested(100_000)).contains("deeper than 64"));
        assert!(value(&format!(r#"["\\", {}]"#, nested(64))).contains("deeper"));
        assert!(value(&"1".repeat(4301)).contains("4300 digits"));
        assert!(value(&format!("1.{}", "1".repeat(4301))).contains("4300 digits"));
    }
}
