//! The hostile programs of `tests/escapes` and the header lines that say how each must end.
//!
//! The grammar is described in `tests/escapes/README.md`; a line that does not fit is an error, so
//! that a typing mistake never turns into a test that cannot fail.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

/// One program and what is expected of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attempt {
    /// Path below `tests/escapes`, without `.py`.
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) attempts: String,
    pub(crate) expect: Vec<Expectation>,
    /// Replaces `expect` in the rootless tier; empty means `bounded otherwise`.
    pub(crate) rootless: Option<Vec<Expectation>>,
    pub(crate) limits: Map<String, Value>,
    pub(crate) stdin: Option<String>,
    pub(crate) artifacts: Vec<ArtifactRule>,
    /// Texts that may stand in no field but stdout and stderr, and in no artifact.
    pub(crate) never: Vec<String>,
    /// Paths that must not exist on the host afterwards.
    pub(crate) host_absent: Vec<PathBuf>,
    /// The most time the answer may take. Units: milliseconds.
    pub(crate) within_ms: Option<u64>,
    pub(crate) repeat: u32,
    /// Whether the last line printed must differ from run to run.
    pub(crate) distinct: bool,
    /// Whether what it prints differs from run to run, so that rounds are not compared by it.
    pub(crate) stdout_varies: bool,
    pub(crate) pair: Option<Pair>,
}

/// One way a program may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expectation {
    Completed(Proof),
    Raised(Option<String>),
    RaisedStatus(i64),
    LimitExceeded(String),
    Crashed,
    CrashedSignal(i64),
    CrashedStatus(i64),
    Rejected,
}

/// What a completed program must show besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    None,
    /// The last line of stdout is JSON with `"escaped": false`.
    Safe,
    /// The last line of stdout is this.
    Prints(String),
    /// The value of the last expression has this `repr`.
    Value(String),
    /// Output was dropped, and the answer says so.
    Truncated,
}

/// What is expected of the collected files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArtifactRule {
    Present(String),
    Absent(String),
    Skipped {
        name: String,
        reason: Option<String>,
    },
    AtMost(usize),
}

/// One half of a test for what an earlier run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pair {
    Plant(String),
    Check { name: String, times: u32 },
}

impl Attempt {
    /// Whether it is an honest program that must work.
    pub(crate) fn is_honest(&self) -> bool {
        self.name.starts_with("works")
    }
}

/// Reads every program below `folder`, in the order of their names.
pub(crate) fn read(folder: &Path) -> Result<Vec<Attempt>> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in
            std::fs::read_dir(&next).with_context(|| format!("cannot list {}", next.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let attempts = paths.iter().map(|path| {
        let source = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name = path
            .strip_prefix(folder)?
            .with_extension("")
            .to_string_lossy()
            .into_owned();
        parse(&name, &source).with_context(|| format!("{}", path.display()))
    });
    attempts.collect()
}

/// Reads one program's header lines.
pub(crate) fn parse(name: &str, source: &str) -> Result<Attempt> {
    let mut attempt = Attempt {
        name: name.into(),
        source: source.into(),
        repeat: 1,
        ..Attempt::default()
    };
    let mut lines = source.lines();
    let first = lines
        .next()
        .unwrap_or_default()
        .strip_prefix("# Attempts: ");
    attempt.attempts = first.context("line 1 must be `# Attempts: …`")?.to_owned();
    let second = lines.next().unwrap_or_default().strip_prefix("# Expect: ");
    attempt.expect = expectations(second.context("line 2 must be `# Expect: …`")?)?;
    for line in lines {
        let Some((key, value)) = line
            .strip_prefix("# ")
            .and_then(|line| line.split_once(": "))
        else {
            break;
        };
        let value = value.trim();
        match key {
            "Limits" => attempt.limits = limits(value)?,
            "Stdin" => attempt.stdin = Some(format!("{value}\n")),
            "Artifacts" => {
                attempt.artifacts = value
                    .split(", ")
                    .map(artifact_rule)
                    .collect::<Result<_>>()?
            }
            "Never" => attempt.never = value.split(", ").map(str::to_owned).collect(),
            "Host" => attempt.host_absent.push(
                value
                    .strip_suffix(" absent")
                    .context("`# Host: PATH absent`")?
                    .into(),
            ),
            "Within" => {
                attempt.within_ms = Some(value.parse().context("`# Within:` takes milliseconds")?)
            }
            "Repeat" => {
                let (count, distinct) = value
                    .strip_suffix(" distinct")
                    .map_or((value, false), |count| (count, true));
                attempt.repeat = count.parse().context("`# Repeat: N [distinct]`")?;
                attempt.distinct = distinct;
            }
            "Stdout" => {
                let reason = value.strip_prefix("varies because ");
                let reason = reason.context("`# Stdout: varies because REASON`")?;
                ensure!(!reason.trim().is_empty(), "`# Stdout:` needs its reason");
                attempt.stdout_varies = true;
            }
            "Pair" => attempt.pair = Some(pair(value)?),
            "Rootless" => attempt.rootless = Some(rootless(value)?),
            _ => bail!("unknown header `{key}`"),
        }
    }
    Ok(attempt)
}

fn rootless(value: &str) -> Result<Vec<Expectation>> {
    let (rule, reason) = value
        .split_once(" because ")
        .context("`# Rootless: … because REASON`")?;
    ensure!(!reason.trim().is_empty(), "`# Rootless:` needs its reason");
    if rule == "bounded otherwise" {
        Ok(Vec::new())
    } else {
        expectations(rule)
    }
}

fn expectations(value: &str) -> Result<Vec<Expectation>> {
    value
        .split(" | ")
        .map(|alternative| expectation(alternative.trim()))
        .collect()
}

fn expectation(text: &str) -> Result<Expectation> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    let number = || {
        argument
            .parse()
            .with_context(|| format!("`{text}` needs a number"))
    };
    Ok(match (kind, word) {
        ("completed", "") => Expectation::Completed(Proof::None),
        ("completed", "safe") => Expectation::Completed(Proof::Safe),
        ("completed", "works") => Expectation::Completed(Proof::Prints("works".into())),
        ("completed", "truncated") => Expectation::Completed(Proof::Truncated),
        ("completed", "prints") => Expectation::Completed(Proof::Prints(argument.into())),
        ("completed", "value") => Expectation::Completed(Proof::Value(argument.into())),
        ("raised", "") => Expectation::Raised(None),
        ("raised", "status") => Expectation::RaisedStatus(number()?),
        ("raised", kind) if argument.is_empty() => Expectation::Raised(Some(kind.into())),
        ("limit_exceeded", "wall" | "cpu" | "memory" | "processes" | "disk" | "output") => {
            Expectation::LimitExceeded(word.into())
        }
        ("crashed", "") => Expectation::Crashed,
        ("crashed", "signal") => Expectation::CrashedSignal(number()?),
        ("crashed", "status") => Expectation::CrashedStatus(number()?),
        ("rejected", "") => Expectation::Rejected,
        _ => bail!("`{text}` is no expectation"),
    })
}

fn limits(value: &str) -> Result<Map<String, Value>> {
    let pairs = value.split(' ').map(|pair| {
        let (name, number) = pair
            .split_once('=')
            .with_context(|| format!("`{pair}` is not NAME=NUMBER"))?;
        Ok((
            name.to_owned(),
            Value::from(number.parse::<u64>().with_context(|| format!("`{pair}`"))?),
        ))
    });
    pairs.collect()
}

fn artifact_rule(rule: &str) -> Result<ArtifactRule> {
    let words: Vec<_> = rule.split(' ').collect();
    Ok(match words[..] {
        ["count", "<=", most] => ArtifactRule::AtMost(most.parse()?),
        [name, "present"] => ArtifactRule::Present(name.into()),
        [name, "absent"] => ArtifactRule::Absent(name.into()),
        [name, "skipped"] => ArtifactRule::Skipped {
            name: name.into(),
            reason: None,
        },
        [name, "skipped", reason] => ArtifactRule::Skipped {
            name: name.into(),
            reason: Some(reason.into()),
        },
        _ => bail!("`{rule}` is no rule for artifacts"),
    })
}

fn pair(value: &str) -> Result<Pair> {
    let words: Vec<_> = value.split(' ').collect();
    Ok(match words[..] {
        ["plant", name] => Pair::Plant(name.into()),
        ["check", name, times] => {
            let times = times
                .strip_prefix('x')
                .context("`# Pair: check NAME xN`")?
                .parse()?;
            Pair::Check {
                name: name.into(),
                times,
            }
        }
        _ => bail!("`{value}` is no half of a pair"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_first_other_line() {
        let source = "# Attempts: a.\n# Expect: crashed signal 6 | raised status 3\n# Limits: wall_ms=5\n# Pair: check x x20\n# Stdout: varies because it prints the time\nimport os\n# Nonsense: no\n";
        let attempt = parse("a", source).unwrap();
        assert_eq!(
            attempt.expect,
            [Expectation::CrashedSignal(6), Expectation::RaisedStatus(3)]
        );
        assert_eq!(attempt.limits["wall_ms"], 5);
        assert!(attempt.stdout_varies);
        assert_eq!(
            attempt.pair,
            Some(Pair::Check {
                name: "x".into(),
                times: 20
            })
        );
    }

    #[test]
    fn a_header_that_does_not_fit_is_an_error() {
        for bad in [
            "# Attempts: a.\nimport os",
            "# Attempts: a.\n# Expect: survived",
            "# Attempts: a.\n# Expect: limit_exceeded patience",
            "# Attempts: a.\n# Expect: crashed signal nine",
            "# Attempts: a.\n# Expect: completed\n# Rootless: bounded otherwise",
            "# Attempts: a.\n# Expect: completed\n# Artefacts: x present",
            "# Attempts: a.\n# Expect: completed\n# Stdout: varies",
        ] {
            assert!(parse("bad", bad).is_err(), "{bad}");
        }
    }
}
