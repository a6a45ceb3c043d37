//! What a caller asks for. Every door converts its wire request into this one type.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::environment::Environment;
use crate::limits::LimitOverrides;

/// One source text to run, with everything it may see.
#[derive(Debug, Clone, Default)]
pub struct ExecutionRequest {
    /// The program, already decoded: coding cookies in it have no effect.
    pub source: String,
    /// Bytes on standard input; `None` is `/dev/null`.
    pub stdin: Option<Bytes>,
    /// `sys.argv[1:]`.
    pub args: Vec<String>,
    /// Files placed into `/code/input` before the program starts.
    pub files: Vec<InputFile>,
    /// Limits the caller wants tightened. Anything absent has the server's default.
    pub limits: LimitOverrides,
    /// Top-level names the source imports; they choose the preload. Filled by `stepflow-python`.
    pub imports: BTreeSet<String>,
    /// The byte at which the source's last expression begins, its length if it ends in another way,
    /// `None` if nobody has looked: a child then looks for itself, which takes it longer. Filled by
    /// `stepflow-python`.
    pub last_expression: Option<u32>,
    /// How much the language policy refuses. `stepflow-python` judges by it, the engine never.
    pub policy: SecurityLevel,
    /// Whether it gives way to all others from its start; else it does once it has used much CPU
    /// time.
    pub gives_way: bool,
    /// Whose packages it sees.
    pub environment: EnvironmentChoice,
}

/// How much the language policy refuses. The kernel is the boundary at every level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityLevel {
    /// Nothing: the source is not even read.
    #[default]
    Permissive,
    /// What starts programs, and what runs text as code.
    Standard,
    /// The list of seed 000.
    Strict,
}

impl SecurityLevel {
    /// Every level, the laxest first.
    pub const ALL: [Self; 3] = [Self::Permissive, Self::Standard, Self::Strict];

    /// The stable word for this level at every door.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Permissive => "permissive",
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

impl FromStr for SecurityLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no policy level; use `permissive`, `standard` or `strict`")
        })
    }
}

/// Whose packages an execution sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EnvironmentChoice {
    /// The environment the engine was started with.
    #[default]
    Default,
    /// What a caller wrote. `stepflow-python` makes it a `Built` one; the engine refuses it.
    Asked {
        /// The id of an environment, or the beginning of its digest.
        name: Option<String>,
        /// Requirements that have to be there, too. Source: PEP 508.
        packages: Vec<String>,
    },
    /// One that is in the folder of requested environments.
    Built(Arc<Environment>),
}

/// A file the guest finds in `/code/input`.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// One path component: no `/`, no NUL, not `.` or `..`, at most 255 bytes.
    pub name: String,
    /// The exact bytes.
    pub content: Bytes,
}

impl InputFile {
    /// Whether `name` can be one file directly in `/code/input`.
    ///
    /// Source: security/REPORT.md, section 8 (names).
    #[must_use]
    pub fn is_valid_name(name: &str) -> bool {
        let bidi = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !name.is_empty()
            && name.len() <= 255
            && name != "."
            && name != ".."
            && !name.chars().any(|c| c == '/' || c.is_control() || bidi(c))
    }
}

#[cfg(test)]
mod tests {
    use super::InputFile;

    #[test]
    fn only_single_visible_components_are_file_names() {
        for good in ["data.csv", "数据.csv", "-rf", ".hidden", "a b"] {
            assert!(InputFile::is_valid_name(good), "{good:?}");
        }
        let long = "x".repeat(256);
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/etc/passwd",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            &long,
        ] {
            assert!(!InputFile::is_valid_name(bad), "{bad:?}");
        }
    }
}
