//! Reading what a caller names: a file, a pipe or standard input, up to what an execution may be given.
//!
//! Nothing is read without a bound: a device has no end, and a file that is too large for any
//! execution is not worth its memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};
use stepflow_python::{LimitPolicy, Limits};

/// The most bytes that an execution may be given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// Of a source, or of a call's arguments.
    pub(crate) source: u64,
    /// Of all input files together, and of standard input.
    pub(crate) input: u64,
}

impl Most {
    /// With `limits` in force, of `policy`. A server, whose own limits we do not know, may serve
    /// instead: so it is at least what one takes with the defaults.
    pub(crate) fn of(policy: &LimitPolicy, limits: &Limits) -> Self {
        Self {
            source: policy.maxima.source_bytes,
            input: limits.workdir_bytes.max(Limits::default().workdir_bytes),
        }
    }
}

/// All of the file at `path`, which may be a pipe; `what` names it in a sentence.
///
/// Errors: it cannot be read, or has more than `most` bytes.
pub(crate) fn file(path: impl AsRef<Path>, most: u64, what: &str) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot read {what}"))?;
    all(file, most, what)
}

/// All of standard input.
///
/// Errors: it cannot be read, or has more than `most` bytes.
pub(crate) fn standard(most: u64, what: &str) -> anyhow::Result<Vec<u8>> {
    all(io::stdin(), most, what)
}

fn all(from: impl Read, most: u64, what: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {what}"))?;
    if bytes.len() as u64 > most {
        bail!("{what} has more than {most} bytes, the most that is taken");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused_and_what_fits_is_read_whole() {
        let told = file("/dev/zero", 10_000, "the script `z`").unwrap_err();
        assert_eq!(
            told.to_string(),
            "the script `z` has more than 10000 bytes, the most that is taken"
        );
        assert_eq!(all(&b"abc"[..], 3, "it").unwrap(), b"abc");
        assert!(all(&b"abcd"[..], 3, "it").is_err());
        let told = file("/no/such", 1, "it").unwrap_err();
        assert_eq!(told.to_string(), "cannot read it");
    }

    #[test]
    fn a_wider_limit_takes_more_and_a_tighter_one_leaves_the_rest_to_the_server() {
        let policy = LimitPolicy::default();
        let with = |workdir_bytes| {
            let limits = Limits {
                workdir_bytes,
                ..Limits::default()
            };
            Most::of(&policy, &limits).input
        };
        assert_eq!(with(1 << 30), 1 << 30);
        assert_eq!(with(1 << 20), 256 << 20);
    }
}
