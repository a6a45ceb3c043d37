//! What a caller asks for. Every door converts its wire request into this one type.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::limits::LimitOverrides;

/// Longest path of a file. Units: bytes.
const MOST_NAME: usize = 1024;
/// Most components of a file's path.
const MOST_DEPTH: usize = 16;

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
    /// What of it is run.
    pub entry: Entry,
    /// Where it starts, a folder below `/code`; `None` is `/code` itself.
    pub directory: Option<String>,
    /// By whom it is run, by name; `None` leaves it to the configuration. The engine never looks.
    pub executor: Option<String>,
    /// The tool whose function it calls, by id, for its record. The engine never looks.
    pub tool: Option<String>,
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

/// What of a request is run. No value in it ever becomes code.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// The source, as `main.py`.
    #[default]
    Source,
    /// The source, with these globals set before.
    Globals(BTreeMap<String, Box<RawValue>>),
    /// The source, as the file at this path below `/code`: what `python PATH` does.
    Script(String),
    /// A module or package among the files or in the environment: what `python -m` does. There is no
    /// source.
    Module(String),
    /// The source, then one of its functions. What that returns is the value.
    #[serde(untagged)]
    Function(Call),
}

/// A call of a function of the program.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// A name in the program, or a path of attributes such as `Class.method`.
    pub function: String,
    /// By position. They travel as the JSON they are, so that no number loses a digit.
    pub args: Vec<Box<RawValue>>,
    /// By keyword.
    pub kwargs: BTreeMap<String, Box<RawValue>>,
}

/// The part of a request that says what is run.
#[derive(Serialize)]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "is_source")]
    entry: &'a Entry,
}

fn is_source(entry: &Entry) -> bool {
    matches!(entry, Entry::Source)
}

impl ExecutionRequest {
    /// What the guest is told about what is run; `None` when it is the source and nothing else.
    pub(crate) fn entry_part(&self) -> Option<Bytes> {
        if is_source(&self.entry) && self.directory.is_none() {
            return None;
        }
        let part = Part {
            directory: self.directory.as_deref(),
            entry: &self.entry,
        };
        let json = serde_json::to_vec(&part).expect("keys are text, and nothing here can fail");
        Some(json.into())
    }

    /// Whether every path of it can be made, and no two are the same.
    ///
    /// Errors: the first that is wrong, by its name.
    pub(crate) fn check_names(&self) -> Result<(), ExecutionError> {
        let main = match &self.entry {
            Entry::Script(path) => path,
            Entry::Source | Entry::Globals(_) | Entry::Function(_) | Entry::Module(_) => "main.py",
        };
        let names = self.files.iter().map(|file| file.name.as_str());
        let names = names.chain([main]).chain(self.directory.as_deref());
        let wrong = names
            .into_iter()
            .find(|name| !InputFile::is_valid_name(name));
        if let Some(name) = wrong {
            let name = name.to_owned();
            return Err(ExecutionError::FileName { name });
        }
        // What is there has a meaning of its own, and is made before the program's file.
        if main
            .split('/')
            .next()
            .is_some_and(|first| ["input", "output"].contains(&first))
        {
            let reason = format!("a script cannot be below `input` or `output`, as {main:?} is");
            return Err(ExecutionError::Entry { reason });
        }
        match clash(&self.files, main, self.directory.as_deref()) {
            Some(name) => Err(ExecutionError::FileClash {
                name: name.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// A file the guest finds in `/code/input`.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// One file name, or a path of such names below `/code/input`: see [`is_valid_name`](Self::is_valid_name).
    pub name: String,
    /// The exact bytes.
    pub content: Bytes,
}

impl InputFile {
    /// Whether `name` can be a file below `/code/input`: at most 1024 bytes, and 1 to 16 components with
    /// `/` between them, none of which is empty, `.`, `..`, longer than 255 bytes, or has control characters.
    /// `~NAME/…` is no such path: whoever writes it means somebody's home.
    ///
    /// Source: security/REPORT.md, section 8 (names).
    #[must_use]
    pub fn is_valid_name(name: &str) -> bool {
        let bidi = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let is_plain =
            |part: &str| !part.is_empty() && part.len() <= 255 && part != "." && part != "..";
        let is_home = name.starts_with('~') && name.contains('/');
        name.len() <= MOST_NAME
            && !is_home
            && name.split('/').count() <= MOST_DEPTH
            && name.split('/').all(is_plain)
            && !name.chars().any(|c| c.is_control() || bidi(c))
    }
}

/// The name of a file that cannot be placed beside the others: it is there twice, or it is a folder of
/// another one or of the program's own file. `directory` is a folder that is made beside them.
fn clash<'a>(files: &'a [InputFile], main: &'a str, directory: Option<&'a str>) -> Option<&'a str> {
    let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let is_file = |folder: &str| folder == main || names.contains(folder);
    let inside_a_file = |name: &'a str| {
        let mut slashes = name.match_indices('/');
        slashes.any(|(at, _)| is_file(&name[..at])).then_some(name)
    };
    let mut seen = HashSet::new();
    let twice = files.iter().find(|file| !seen.insert(file.name.as_str()));
    let twice = twice.map(|file| file.name.as_str());
    let mut all = std::iter::once(main).chain(names.iter().copied());
    let no_folder = |name: &&'a str| is_file(name) || inside_a_file(name).is_some();
    twice
        .or_else(|| all.find_map(inside_a_file))
        .or_else(|| directory.filter(no_folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_the_folder_of_another_or_there_twice() {
        let file = |name: &&str| InputFile {
            name: (*name).to_owned(),
            content: Bytes::new(),
        };
        for (names, main, expected) in [
            (&["a/b", "a/c", "b"][..], "main.py", None),
            (&["main.py", "x/main.py"], "main.py", None),
            (&["a", "a/b"], "main.py", Some("a/b")),
            (&["a/b/c", "a/b"], "main.py", Some("a/b/c")),
            (&["a", "a"], "main.py", Some("a")),
            (&["main.py/x"], "main.py", Some("main.py/x")),
            (&["tools"], "tools/run.py", Some("tools/run.py")),
            (&["ab", "a/b", "a b"], "tools/run.py", None),
        ] {
            let files: Vec<_> = names.iter().map(file).collect();
            assert_eq!(clash(&files, main, None), expected, "{names:?}");
        }
        let files = [file(&"a/b")];
        for (directory, is_folder) in [
            ("a", true),
            ("new/x", true),
            ("a/b", false),
            ("a/b/c", false),
            ("main.py", false),
        ] {
            let found = clash(&files, "main.py", Some(directory));
            assert_eq!(found.is_none(), is_folder, "{directory}");
        }
    }

    #[test]
    fn a_script_is_never_where_files_have_a_meaning() {
        for (path, passes) in [
            ("input/run.py", false),
            ("output", false),
            ("inputs/run.py", true),
            ("a/input", true),
        ] {
            let request = ExecutionRequest {
                entry: Entry::Script(path.to_owned()),
                ..Default::default()
            };
            assert_eq!(request.check_names().is_ok(), passes, "{path}");
        }
    }

    #[test]
    fn an_entry_travels_as_one_object_and_none_when_there_is_nothing_to_say() {
        let told = |entry, directory: Option<&str>| {
            let request = ExecutionRequest {
                entry,
                directory: directory.map(Into::into),
                ..Default::default()
            };
            let part = request.entry_part();
            part.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(told(Entry::Source, None), None);
        let call = Call {
            function: "A.f".into(),
            args: vec![raw("1.10")],
            kwargs: [("k\"".to_owned(), raw("123456789012345678901"))].into(),
        };
        for (entry, directory, expected) in [
            (Entry::Source, Some("d"), r#"{"directory":"d"}"#),
            (
                Entry::Function(call),
                None,
                r#"{"function":"A.f","args":[1.10],"kwargs":{"k\"":123456789012345678901}}"#,
            ),
            (
                Entry::Globals([("x".to_owned(), raw("[]"))].into()),
                None,
                r#"{"globals":{"x":[]}}"#,
            ),
            (
                Entry::Script("a/b.py".into()),
                None,
                r#"{"script":"a/b.py"}"#,
            ),
            (
                Entry::Module("a.b".into()),
                Some("d"),
                r#"{"directory":"d","module":"a.b"}"#,
            ),
        ] {
            assert_eq!(told(entry, directory).unwrap(), expected);
        }
    }

    #[test]
    fn only_plain_visible_paths_are_file_names() {
        for good in [
            "data.csv",
            "数据.csv",
            "-rf",
            ".hidden",
            "a b",
            "a/b.py",
            "a/.b/c d",
        ] {
            assert!(InputFile::is_valid_name(good), "{good:?}");
        }
        let (long, deep) = ("x".repeat(256), "d/".repeat(MOST_DEPTH) + "x");
        let (fits, whole) = ("d".repeat(204) + "/", "d".repeat(205) + "/");
        let (fits, whole) = (
            fits.repeat(4) + &"x".repeat(204),
            whole.repeat(4) + &"x".repeat(201),
        );
        assert!(InputFile::is_valid_name(&fits), "1024 bytes");
        for bad in [
            "",
            ".",
            "..",
            "a//b",
            "~root/x",
            "a/",
            "a/../b",
            "./a",
            "a/..",
            "/etc/passwd",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            &long,
            &deep,
            &whole,
        ] {
            assert!(!InputFile::is_valid_name(bad), "{bad:?}");
        }
    }
}
