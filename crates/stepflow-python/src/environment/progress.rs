//! What a build is doing, for whoever draws a bar.

use std::collections::HashMap;

/// One remark of a running build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which step.
    pub step: Step,
    /// How much of `total` is done; bytes when downloading, else packages.
    pub done: u64,
    /// 0 when it is not known.
    pub total: u64,
    /// A few words for a person.
    pub text: String,
}

/// Steps of a build, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Another process builds the same environment.
    Waiting,
    /// `uv` is installed for our own use.
    Installer,
    /// The lock is read.
    Resolving,
    /// Wheels come in.
    Downloading,
    /// Wheels are unpacked.
    Installing,
    /// Modules are compiled to bytecode.
    Compiling,
    /// The font list is built.
    Fonts,
    /// The tree is written to disk and gets its name.
    Finishing,
}

impl Progress {
    /// A step whose extent is not known.
    pub(super) fn step(step: Step, text: impl Into<String>) -> Self {
        Self { step, done: 0, total: 0, text: text.into() }
    }
}

/// Reads the lines that `uv pip install` writes when nobody watches.
#[derive(Debug, Default)]
pub(super) struct UvLines {
    packages: u64,
    sizes: HashMap<String, u64>,
    done: u64,
}

impl UvLines {
    /// What one line says, if it says anything.
    ///
    /// Shape: `Resolved 42 packages in 1ms`, `Downloading numpy (16.1MiB)`, ` Downloaded numpy`,
    /// `Prepared 42 packages in 2s`, `Installed 42 packages in 3s`.
    pub(super) fn read(&mut self, line: &str) -> Option<Progress> {
        let mut words = line.split_whitespace();
        let (verb, object) = (words.next()?, words.next()?);
        let count = object.parse().unwrap_or(0);
        match verb {
            "Resolved" => {
                self.packages = count;
                Some(Progress { step: Step::Resolving, done: count, total: count, text: line.trim().into() })
            }
            "Downloading" => {
                let size = words.next().and_then(parse_size).unwrap_or(0);
                self.sizes.insert(object.to_owned(), size);
                Some(self.downloading(object))
            }
            "Downloaded" => {
                self.done += self.sizes.get(object).copied().unwrap_or(0);
                Some(self.downloading(object))
            }
            "Prepared" | "Installed" => {
                let done = if verb == "Installed" { self.packages } else { 0 };
                Some(Progress { step: Step::Installing, done, total: self.packages, text: line.trim().into() })
            }
            _ => None,
        }
    }

    fn downloading(&self, package: &str) -> Progress {
        Progress { step: Step::Downloading, done: self.done, total: self.sizes.values().sum(), text: package.to_owned() }
    }
}

/// `(16.1MiB)` in bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim_matches(['(', ')']);
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (whole, tenths) = text[..unit].split_once('.').unwrap_or((&text[..unit], "0"));
    let factor: u64 = match &text[unit..] {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let tenths: u64 = tenths.get(..1)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(factor * tenths / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_counted_in_bytes() {
        let mut lines = UvLines::default();
        let mut read = |line: &str| lines.read(line).map(|progress| (progress.step, progress.done, progress.total));
        assert_eq!(read("Using CPython 3.11.7 interpreter at: python3"), None);
        assert_eq!(read("Resolved 42 packages in 292ms"), Some((Step::Resolving, 42, 42)));
        assert_eq!(read("Downloading numpy (1.5KiB)"), Some((Step::Downloading, 0, 1536)));
        assert_eq!(read("Downloading lxml (5.0MiB)"), Some((Step::Downloading, 0, 5_244_416)));
        assert_eq!(read(" Downloaded numpy"), Some((Step::Downloading, 1536, 5_244_416)));
        assert_eq!(read("Prepared 42 packages in 2.00s"), Some((Step::Installing, 0, 42)));
        assert_eq!(read("Installed 42 packages in 3.78s"), Some((Step::Installing, 42, 42)));
        assert_eq!(read(" + numpy==2.4.6"), None);
    }

    #[test]
    fn sizes_that_cannot_be_read_are_no_sizes() {
        for text in ["", "()", "(MiB)", "(x.1MiB)", "(1.MiB)", "(1.1Zib)", "(99999999999999999999GiB)"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
