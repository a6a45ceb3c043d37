//! What a tool said when it failed, as one sentence for people.
//!
//! uv draws its reasons as a tree over several lines; its first words are what went wrong, what
//! stands before them is progress.

/// What the lines of a tree begin with.
const BRANCHES: [char; 6] = ['×', '╰', '├', '│', '─', '▶'];
/// Before what is the cause of what stands above.
const CAUSE: &str = "Caused by: ";
/// uv's advice on a package that has only a source, around its name.
const NO_WHEEL: (&str, &str) = (
    "hint: Wheels are required for `",
    "` because building from source is disabled",
);

/// Whether a line tells an error, and what follows it as well.
pub(super) fn is_error(line: &str) -> bool {
    line.starts_with("error: ") || line.starts_with('×')
}

/// The package of which only a source was found.
pub(super) fn without_wheel(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once(NO_WHEEL.0)?;
    Some(rest.split_once(NO_WHEEL.1)?.0)
}

/// The same with advice for whom builds from source are not allowed, instead of that of uv.
pub(super) fn with_advice(said: &str) -> String {
    let Some(name) = without_wheel(said) else {
        return said.to_owned();
    };
    let is_hint = |line: &&str| line.trim_start().starts_with(NO_WHEEL.0);
    let mut lines: Vec<&str> = said.lines().filter(|line| !is_hint(line)).collect();
    let advice = format!(
        "hint: name a version of `{name}` that has a wheel, or have the operator allow builds from source (HOGNOSE_SOURCE_BUILDS=1)"
    );
    lines.push(&advice);
    lines.join("\n")
}

/// The last lines of a tool in one line, from where it tells an error.
pub(super) fn sentence(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let begin = lines.iter().position(|line| is_error(line)).unwrap_or(0);
    let mut told = String::new();
    for line in &lines[begin..] {
        let text = line.trim_start_matches(BRANCHES).trim_start();
        let text = text.strip_prefix("error: ").unwrap_or(text);
        let cause = text.strip_prefix(CAUSE);
        let is_cause = cause.is_some() || line.starts_with(['╰', '├']);
        let text = cause.unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        if !told.is_empty() {
            let ends = told.ends_with([':', '.', ',', ';']);
            let is_next = text.starts_with("hint: ") && !ends;
            told.push_str(if is_cause && !ends {
                ": "
            } else if is_next {
                "; "
            } else {
                " "
            });
        }
        told.push_str(text);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_reasons_is_one_line() {
        for (said, told) in [
            ("", ""),
            ("one\ntwo", "one two"),
            (
                "Resolved 3 packages\n  × No solution found when resolving dependencies:\n  ╰─▶ Because a was not found in the\n      package registry and you require a, we can conclude that your\n      requirements are unsatisfiable.\n\n      hint: The network was disabled",
                "No solution found when resolving dependencies: Because a was not found in the package registry and you require a, we can conclude that your requirements are unsatisfiable. hint: The network was disabled",
            ),
            (
                "error: Request failed after 3 retries in 3.1s\n  Caused by: Failed to fetch: `http://h/a/`\n  Caused by: refused",
                "Request failed after 3 retries in 3.1s: Failed to fetch: `http://h/a/`: refused",
            ),
            (
                "  × Failed to download `a==1`\n  ├─▶ Failed to unzip\n  ╰─▶ end of file",
                "Failed to download `a==1`: Failed to unzip: end of file",
            ),
        ] {
            assert_eq!(sentence(said), told);
        }
    }

    #[test]
    fn the_package_without_a_wheel_is_named_with_what_the_operator_can_do() {
        let said = "  × No solution found:\n  ╰─▶ Because a has no usable wheels.\n\nhint: Wheels are required for `Source.Only` because building from source is disabled for all packages (i.e., with `--no-build`)";
        assert_eq!(without_wheel(said), Some("Source.Only"));
        assert_eq!(without_wheel("Because a==1 is missing"), None);
        let told = sentence(&with_advice(said));
        assert!(told.ends_with("usable wheels. hint: name a version of `Source.Only` that has a wheel, or have the operator allow builds from source (HOGNOSE_SOURCE_BUILDS=1)"), "{told}");
        assert!(!told.contains("no-build"), "{told}");
        assert_eq!(with_advice("one\ntwo"), "one\ntwo");
    }
}
