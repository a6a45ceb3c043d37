//! The block in which a script names what it needs. Source: PEP 723.

use ruff_python_ast::script::ScriptTag;
use ruff_text_size::Ranged;
use serde::{Deserialize, Serialize};

/// The content of a `# /// script` block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScriptMetadata {
    /// Versions of Python it runs on, such as `>=3.11`.
    pub requires_python: Option<String>,
    /// Requirements as PEP 508 writes them.
    pub dependencies: Vec<String>,
    /// The text without its comment signs: TOML, for whatever else it holds.
    pub text: String,
}

/// A block that is there and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// PEP 723 wants an error here.
    #[error("the script has two `# /// script` blocks: keep one")]
    Twice,
    /// What is between the signs is something else.
    #[error("the `# /// script` block is not valid TOML: {0}")]
    Toml(String),
    /// It is TOML, and no metadata.
    #[error("`{key}` in the `# /// script` block must be {expected}")]
    Type {
        /// The key at fault.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// The metadata of a script; `None` when it has none.
///
/// Errors: two blocks, or a block that is not what PEP 723 says.
pub fn script_metadata(source: &str) -> Result<Option<ScriptMetadata>, MetadataError> {
    let Some(tag) = ScriptTag::parse(source.as_bytes()) else {
        return Ok(None);
    };
    let rest = source
        .get(tag.range().end().to_usize()..)
        .unwrap_or_default();
    if ScriptTag::parse(rest.as_bytes()).is_some() {
        return Err(MetadataError::Twice);
    }
    let text = tag.metadata().to_owned();
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| MetadataError::Toml(error.message().to_owned()))?;
    let requires_python = match table.get("requires-python") {
        None => None,
        Some(value) => Some(
            value
                .as_str()
                .map(str::to_owned)
                .ok_or(MetadataError::Type {
                    key: "requires-python",
                    expected: "a string",
                })?,
        ),
    };
    let dependencies = match table.get("dependencies") {
        None => Vec::new(),
        Some(value) => strings(value).ok_or(MetadataError::Type {
            key: "dependencies",
            expected: "a list of strings",
        })?,
    };
    Ok(Some(ScriptMetadata {
        requires_python,
        dependencies,
        text,
    }))
}

fn strings(value: &toml::Value) -> Option<Vec<String>> {
    let all = value.as_array()?.iter();
    all.map(|one| one.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &str) -> String {
        let lines: String = lines.lines().map(|line| format!("# {line}\n")).collect();
        format!("# /// script\n{lines}# ///\n")
    }

    #[test]
    fn a_block_is_read_as_the_pep_says() {
        let read = |source: &str| script_metadata(source);
        let full = block(
            "requires-python = '>=3.11'\ndependencies = ['rich', 'requests<3']\n[tool.x]\ny = 1",
        );
        let found = read(&format!("#!/usr/bin/env python\n{full}print(1)\n"))
            .unwrap()
            .unwrap();
        assert_eq!(found.requires_python.as_deref(), Some(">=3.11"));
        assert_eq!(found.dependencies, ["rich", "requests<3"]);
        assert!(found.text.ends_with("[tool.x]\ny = 1\n"), "{}", found.text);
        for source in [
            "",
            "print(1)",
            "# /// script\n# a = 1\nprint(1)\n# ///",
            "# /// other\n# ///\n",
            "x = 1  # /// script\n# ///",
        ] {
            assert_eq!(read(source), Ok(None), "{source}");
        }
        assert_eq!(
            read(&format!("{}x\n", block("")).repeat(2)),
            Err(MetadataError::Twice)
        );
        let toml = read(&block("not toml")).unwrap_err().to_string();
        assert!(
            toml.starts_with("the `# /// script` block is not valid TOML: "),
            "{toml}"
        );
        for (wrong, key) in [
            ("requires-python = 3", "requires-python"),
            ("dependencies = 'a'", "dependencies"),
            ("dependencies = [1]", "dependencies"),
        ] {
            let told = read(&block(wrong)).unwrap_err().to_string();
            assert!(told.starts_with(&format!("`{key}` ")), "{told}");
        }
    }
}
