//! The request a child reads before the first byte of user code runs.

use serde::Serialize;

#[derive(Serialize)]
struct RequestFrame<'a> {
    source_bytes: usize,
    args: &'a [String],
    files: Vec<FileFrame<'a>>,
}

#[derive(Serialize)]
struct FileFrame<'a> {
    name: &'a str,
    bytes: usize,
}

/// The head of a request; the caller writes the source and then each file's bytes behind it.
///
/// Shape: `u32` little-endian length, then that many bytes of JSON
/// `{"source_bytes":N,"args":[…],"files":[{"name":…,"bytes":N},…]}`.
/// Units: bytes; the prefix does not count itself. The caller bounds its arguments and names: over
/// 4 GiB of them panic.
#[must_use]
pub fn encode_request(source: &str, args: &[String], files: &[(&str, usize)]) -> Vec<u8> {
    let files = files
        .iter()
        .map(|&(name, bytes)| FileFrame { name, bytes })
        .collect();
    let frame = RequestFrame {
        source_bytes: source.len(),
        args,
        files,
    };
    let mut json = serde_json::to_vec(&frame).expect("strings and numbers are always JSON");
    let length = u32::try_from(json.len()).expect("a request's arguments are far below 4 GiB");
    json.splice(0..0, length.to_le_bytes());
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_a_length_and_that_much_json() {
        let args = ["-v".to_owned(), "\"quoted\" \u{0} 中".to_owned()];
        let head = encode_request("print('é')", &args, &[("data.csv", 12), ("b", 0)]);
        let length = u32::from_le_bytes(head[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), head.len() - 4);
        let json: serde_json::Value = serde_json::from_slice(&head[4..]).unwrap();
        let expected = serde_json::json!({
            "source_bytes": 11,
            "args": args,
            "files": [{"name": "data.csv", "bytes": 12}, {"name": "b", "bytes": 0}],
        });
        assert_eq!(json, expected);
    }
}
