//! Requirements as files hold them: requirements files, `pyproject.toml`, a script's own block.

use serde::Deserialize;

use super::{Dependency, DependencyError};
use crate::parser::script_metadata;

/// Begins files that some editors write. Source: Unicode, "byte order mark".
const MARK: char = '\u{feff}';

/// Reads a requirements file. Comments, empty lines and continued lines are understood.
///
/// Errors, by their line: options that would fetch from elsewhere (`-r`, `-e`, `--index-url`), and
/// hashes, which nobody would compare.
pub fn requirements_file(text: &str) -> Result<Vec<Dependency>, DependencyError> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let mut found = Vec::new();
    let mut logical = String::new();
    let mut began = 1;
    for (index, line) in text.lines().enumerate() {
        if logical.is_empty() {
            began = index + 1;
        }
        match line.strip_suffix('\\') {
            Some(part) => logical.push_str(part),
            None => {
                logical.push_str(line);
                found.extend(requirement_of_line(&logical, began)?);
                logical.clear();
            }
        }
    }
    found.extend(requirement_of_line(&logical, began)?);
    Ok(found)
}

fn requirement_of_line(line: &str, number: usize) -> Result<Option<Dependency>, DependencyError> {
    let at_line = |reason: String| DependencyError::Line {
        line: number,
        reason,
    };
    let line = without_comment(line).trim();
    if line.is_empty() {
        return Ok(None);
    }
    if line.contains(" --hash") {
        let reason = "hashes are not taken, since what is installed is resolved anew and locked with hashes of its own; leave `--hash` out";
        return Err(at_line(reason.to_owned()));
    }
    if line.starts_with('-') {
        let option = line.split([' ', '=']).next().unwrap_or(line);
        let reason = format!("the option `{option}` is not taken; only requirements are");
        return Err(at_line(reason));
    }
    let dependency = Dependency::parse(line).map_err(|error| at_line(error.to_string()))?;
    Ok(Some(dependency))
}

/// A `#` begins a comment at the start and after white space. Source: pip's requirements format.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (index, letter) in line.char_indices() {
        if letter == '#' && before.is_whitespace() {
            return &line[..index];
        }
        before = letter;
    }
    line
}

#[derive(Deserialize)]
struct Pyproject {
    project: Option<Project>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Project {
    dependencies: Vec<String>,
    optional_dependencies: std::collections::BTreeMap<String, Vec<String>>,
    dynamic: Vec<String>,
}

/// The dependencies of a `pyproject.toml` with those of the named extras. Source: PEP 621.
///
/// Errors: no `[project]`, dependencies that only a build would tell, an extra that is not there.
pub fn pyproject(text: &str, extras: &[&str]) -> Result<Vec<Dependency>, DependencyError> {
    const DOCUMENT: &str = "pyproject.toml";
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let wrong = |reason: String| DependencyError::Document {
        document: DOCUMENT,
        reason,
    };
    let parsed: Pyproject =
        toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
    let project = parsed
        .project
        .ok_or_else(|| wrong("it has no [project] table".into()))?;
    if project.dynamic.iter().any(|name| name == "dependencies") {
        return Err(wrong(
            "its dependencies are dynamic: only a build would tell them".into(),
        ));
    }
    let mut lines = project.dependencies;
    for extra in extras {
        let more = project.optional_dependencies.get(*extra);
        let more = more.ok_or_else(|| wrong(format!("it has no extra `{extra}`")))?;
        lines.extend(more.iter().cloned());
    }
    lines.iter().map(|line| Dependency::parse(line)).collect()
}

/// What a script's own metadata asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// `requires-python`.
    pub python: Option<String>,
    /// `dependencies`.
    pub dependencies: Vec<Dependency>,
}

/// The `script` block in a source's comments; `None` when it has none. Source: PEP 723.
///
/// Errors: two blocks, or one that is no TOML.
pub fn script(source: &str) -> Result<Option<Script>, DependencyError> {
    let found = script_metadata(source).map_err(|error| DependencyError::Document {
        document: "the script's metadata",
        reason: error.to_string(),
    })?;
    let Some(metadata) = found else {
        return Ok(None);
    };
    let lines = metadata.dependencies.iter();
    let dependencies = lines.map(|line| Dependency::parse(line));
    Ok(Some(Script {
        python: metadata.requires_python,
        dependencies: dependencies.collect::<Result<_, _>>()?,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(found: &[Dependency]) -> Vec<&str> {
        found
            .iter()
            .map(|one| one.requirements[0].as_str())
            .collect()
    }

    #[test]
    fn requirements_files_are_read_as_pip_reads_them() {
        let text = "# top\nnumpy \\\n    ==1.26.4\n\nPandas>=2 # why\na @ file:///x#egg\n";
        let found = requirements_file(text).unwrap();
        let expected = ["numpy==1.26.4", "pandas>=2", "a @ file:///x#egg"];
        assert_eq!(names(&found), expected);
        let marked = requirements_file(&format!("{MARK}numpy==1.26.4\n"));
        assert_eq!(names(&marked.unwrap()), ["numpy==1.26.4"]);
        for (text, line) in [
            ("a\n-r other.txt", 2),
            ("--index-url=x\n", 1),
            ("a\\\n==\n", 1),
            ("b\na==1 \\\n  --hash=sha256:ab\n", 2),
        ] {
            let error = requirements_file(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line}: ")), "{error}");
        }
    }

    #[test]
    fn pyproject_gives_dependencies_and_extras() {
        let text = "[project]\nname='x'\ndependencies=['a>1']\n[project.optional-dependencies]\nplot=['b']\n";
        assert_eq!(names(&pyproject(text, &["plot"]).unwrap()), ["a>1", "b"]);
        for (text, extra) in [
            (text, "none"),
            ("[tool.x]\n", ""),
            ("[project]\ndynamic=['dependencies']", ""),
        ] {
            let extras: &[&str] = if extra.is_empty() { &[] } else { &[extra] };
            assert!(pyproject(text, extras).is_err(), "{text}");
        }
    }

    #[test]
    fn a_scripts_block_is_read() {
        let source = "#!/x\n# /// script\n# requires-python = '>=3.11'\n# dependencies = [\n#   'rich',\n# ]\n#\n# ///\nprint()\n";
        let found = script(source).unwrap().unwrap();
        assert_eq!(found.python.as_deref(), Some(">=3.11"));
        assert_eq!(names(&found.dependencies), ["rich"]);
        assert_eq!(script("print(1)\n# /// script\nx = 1\n"), Ok(None));
        assert!(script("# /// script\n# ///\n\n# /// script\n# ///\n").is_err());
        assert!(script("# /// script\n# not toml\n# ///\n").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_an_error(text in "[ -~\n#\\\\]{0,300}") {
            let _ = requirements_file(&text);
            let _ = pyproject(&text, &[]);
            let _ = script(&format!("# /// script\n{text}\n# ///\n"));
        }
    }
}
