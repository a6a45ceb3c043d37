//! The request a child reads before the first byte of user code runs.

/// The name of the part that says what is run, where it is more than the source; it comes before all
/// files, and none can have that name. Shape: see `guest/entry.py`.
pub const ENTRY: &str = "/entry";

/// Stands for a place that nobody has looked for.
pub const UNKNOWN: u32 = u32::MAX;

/// The head of a request; the caller writes the source and then each file's bytes behind it.
///
/// Shape, all numbers little-endian: four `u32` (bytes of the source, arguments, files, the byte of
/// the source at which its last expression begins); each argument as `u32` length and UTF-8; each file
/// as `u32` length of its name, `u64` length of its content, and its name. A source without a last
/// expression has its own length there, and [`UNKNOWN`] lets the child look for itself. Plain lengths, because parsing anything richer would cost every child.
/// Units: bytes. The caller bounds what it passes: a text of 4 GiB or more panics.
#[must_use]
pub fn encode_request(
    source: &str,
    last_expression: Option<u32>,
    args: &[String],
    files: &[(&str, usize)],
) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    for count in [source.len(), args.len(), files.len()] {
        push_small(&mut head, count);
    }
    head.extend_from_slice(&last_expression.unwrap_or(UNKNOWN).to_le_bytes());
    for arg in args {
        push_small(&mut head, arg.len());
        head.extend_from_slice(arg.as_bytes());
    }
    for (name, bytes) in files {
        push_small(&mut head, name.len());
        head.extend_from_slice(&(*bytes as u64).to_le_bytes());
        head.extend_from_slice(name.as_bytes());
    }
    head
}

fn push_small(head: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("texts of a request are far below 4 GiB");
    head.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_lengths_and_names_in_order() {
        let args = ["-v".to_owned(), "\u{0}中".to_owned()];
        let head = encode_request("print('é')", Some(0), &args, &[("data.csv", 12), ("b", 0)]);
        let expected = [
            &[11, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0][..],
            &[2, 0, 0, 0],
            b"-v",
            &[4, 0, 0, 0],
            "\u{0}中".as_bytes(),
            &[8, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0],
            b"data.csv",
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            b"b",
        ];
        assert_eq!(head, expected.concat());
    }
}
