//! The head of a request: whoever follows its lengths gets back what was put in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::request::{UNKNOWN, encode_request};

// Lines of the input are the arguments, but for the first, the source; those with a colon are files.
fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let source = lines.next().unwrap_or_default();
    let (mut args, mut files) = (Vec::new(), Vec::new());
    for line in lines {
        match line.split_once(':') {
            Some((name, content)) => files.push((name, content.len())),
            None => args.push(line.to_owned()),
        }
    }
    let place = u32::try_from(data.len()).ok().filter(|place| place % 2 == 0);
    let head = encode_request(source, place, &args, &files);
    let mut reader = Reader(&head);
    let counts = [reader.small(), reader.small(), reader.small()];
    assert_eq!(counts, [source.len(), args.len(), files.len()]);
    assert_eq!(reader.small() as u32, place.unwrap_or(UNKNOWN));
    for arg in &args {
        let length = reader.small();
        assert_eq!(reader.take(length), arg.as_bytes());
    }
    for (name, bytes) in &files {
        let length = reader.small();
        assert_eq!(reader.large(), *bytes as u64);
        assert_eq!(reader.take(length), name.as_bytes());
    }
    assert!(reader.0.is_empty());
});

/// Reads as the child does.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn small(&mut self) -> usize {
        let bytes = self.take(4).try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    }

    fn large(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))
    }
}
