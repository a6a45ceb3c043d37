//! Names and versions of tools.

use std::fmt;
use std::str::FromStr;

/// Longest name. Units: bytes.
const LONGEST: usize = 64;

/// The name of a tool.
///
/// Shape: 1 to 64 ASCII letters, digits, `_` and `-`, the first a letter: what model interfaces
/// take as the name of a tool, and a part of an address as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolName(String);

impl ToolName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ToolName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_inside = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        let is_good = text.len() <= LONGEST
            && text.bytes().all(is_inside)
            && text.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_good {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(80).collect();
        Err(format!(
            "{shown:?} is no name of a tool: give 1 to {LONGEST} of the letters a to z, digits, `_` and `-`, beginning with a letter"
        ))
    }
}

/// The version of a tool; greater is newer.
///
/// Shape: `1.2.3`; `1` and `1.2` are `1.0.0` and `1.2.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolVersion(pub(super) [i32; 3]);

impl ToolVersion {
    /// What a tool has that nobody gave a version.
    pub const FIRST: Self = Self([1, 0, 0]);
}

impl fmt::Display for ToolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl FromStr for ToolVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let is_plain = !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
            part.parse().ok().filter(|_| is_plain)
        };
        let parts: Option<Vec<i32>> = text.split('.').take(4).map(number).collect();
        let version = match parts.as_deref() {
            Some([major]) => Some([*major, 0, 0]),
            Some([major, minor]) => Some([*major, *minor, 0]),
            Some([major, minor, patch]) => Some([*major, *minor, *patch]),
            _ => None,
        };
        version.map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("{shown:?} is no version: write it as 1.2.3")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        let long = "a".repeat(65);
        for good in ["a", "my_tool-2", "Z", &long[1..]] {
            assert_eq!(good.parse::<ToolName>().unwrap().as_str(), good);
        }
        for bad in [
            "", "_a", "2a", "a.b", "a/b", "..", "é", "a b", "a\n", "а", "a%2f", &long,
        ] {
            let told = bad.parse::<ToolName>().unwrap_err();
            assert!(told.contains("is no name") && told.len() < 400, "{told}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<ToolVersion>().unwrap();
        assert!(version("1.10") > version("1.9.9"));
        assert_eq!(version("2").to_string(), "2.0.0");
        for bad in [
            "",
            "1.",
            "1.2.3.4",
            "v1",
            "1.-2",
            "1.+2",
            "99999999999",
            "1.2a",
            "١",
        ] {
            assert!(bad.parse::<ToolVersion>().is_err(), "{bad}");
        }
    }
}
