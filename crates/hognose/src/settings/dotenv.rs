//! The lines of `.env`.

use std::collections::HashMap;

use anyhow::Context;

/// `NAME=VALUE` lines; `export`, comments and matching quotes around a value are understood.
///
/// Errors: the number of the first line that is nothing of the kind.
pub(super) fn parse(text: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut values = HashMap::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pair = line.strip_prefix("export ").unwrap_or(line).split_once('=');
        let pair = pair.map(|(name, value)| (name.trim(), unquoted(value.trim())));
        let pair = pair.filter(|(name, _)| is_variable(name));
        let (name, value) =
            pair.with_context(|| format!("line {} of .env is not NAME=VALUE", index + 1))?;
        values.insert(name.to_owned(), value.to_owned());
    }
    Ok(values)
}

fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(is_part)
}

fn unquoted(value: &str) -> &str {
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    // Outside quotes a `#` after a space begins a comment.
    quoted.unwrap_or_else(|| {
        value
            .split_once(" #")
            .map_or(value, |(value, _)| value.trim_end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotenv_lines_are_read_as_shells_write_them() {
        let values = parse("# A=0\nA=1\nexport B='x y'\nC=\"#\"\nD=v # why\n\n").unwrap();
        let get = |name: &str| values.get(name).map(String::as_str);
        assert_eq!(
            (get("A"), get("B"), get("C"), get("D")),
            (Some("1"), Some("x y"), Some("#"), Some("v"))
        );
        assert_eq!(values.len(), 4);
    }

    #[test]
    fn a_line_of_dotenv_that_is_no_setting_is_named() {
        for (text, line) in [
            ("A=1\n\nHOGNOSE_SLOTS 4", 3),
            ("1A=1", 1),
            ("# c\nA B=1", 2),
            ("=1", 1),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert_eq!(told, format!("line {line} of .env is not NAME=VALUE"));
        }
        let read = parse(" # c\nexport A = 'x' \nB=\n").unwrap();
        assert_eq!((read["A"].as_str(), read["B"].as_str()), ("x", ""));
    }
}
