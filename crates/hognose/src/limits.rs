//! Limits as people write them: `NAME=VALUE`, with units where the name has one.

use anyhow::{Context, bail};
use stepflow_python::LimitOverrides;

/// Every name, as in the HTTP interface; their variables are `HOGNOSE_` and the name in capitals.
pub(crate) const NAMES: [&str; 11] = [
    "wall_ms",
    "cpu_ms",
    "memory_bytes",
    "processes",
    "workdir_bytes",
    "workdir_inodes",
    "output_bytes",
    "output_hard_bytes",
    "artifacts",
    "artifact_bytes",
    "source_bytes",
];

/// Sets one limit from `NAME=VALUE`.
///
/// Errors: an unknown name with the list of those there are; a value that is no amount of its unit.
pub(crate) fn set_pair(limits: &mut LimitOverrides, pair: &str) -> anyhow::Result<()> {
    let (name, value) = pair
        .split_once('=')
        .with_context(|| format!("`--limit {pair}` must be NAME=VALUE, such as wall_ms=5s"))?;
    set(limits, name, value)
}

/// Sets the limit `name`.
pub(crate) fn set(limits: &mut LimitOverrides, name: &str, value: &str) -> anyhow::Result<()> {
    let field = match name {
        "wall_ms" => &mut limits.wall_ms,
        "cpu_ms" => &mut limits.cpu_ms,
        "memory_bytes" => &mut limits.memory_bytes,
        "processes" => &mut limits.processes,
        "workdir_bytes" => &mut limits.workdir_bytes,
        "workdir_inodes" => &mut limits.workdir_inodes,
        "output_bytes" => &mut limits.output_bytes,
        "output_hard_bytes" => &mut limits.output_hard_bytes,
        "artifacts" => &mut limits.artifacts,
        "artifact_bytes" => &mut limits.artifact_bytes,
        "source_bytes" => &mut limits.source_bytes,
        _ => bail!("`{name}` is no limit; use one of {}", NAMES.join(", ")),
    };
    *field = Some(amount(name, value)?);
    Ok(())
}

/// A whole number, times its unit.
fn amount(name: &str, text: &str) -> anyhow::Result<u64> {
    number(name, text)
        .with_context(|| format!("limit `{name}` is `{text}`; use {}", expected(name)))
}

/// A number of bytes, with or without a unit.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    number("_bytes", text)
}

fn number(name: &str, text: &str) -> Option<u64> {
    let units: &[(&str, u64)] = if name.ends_with("_ms") {
        &[("ms", 1), ("s", 1000)]
    } else if name.ends_with("_bytes") {
        &[
            ("k", 1 << 10),
            ("K", 1 << 10),
            ("M", 1 << 20),
            ("G", 1 << 30),
        ]
    } else {
        &[]
    };
    let unit = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    // `parse` would take a sign as well.
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    plain
        .then(|| number.parse::<u64>().ok()?.checked_mul(factor))
        .flatten()
}

fn expected(name: &str) -> &'static str {
    if name.ends_with("_ms") {
        "a whole number of milliseconds, or one with `ms` or `s`"
    } else if name.ends_with("_bytes") {
        "a whole number of bytes, or one with `k`, `M` or `G`"
    } else {
        "a whole number"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pair: &str, expected: Result<u64, &str>) {
        let mut limits = LimitOverrides::default();
        let set = set_pair(&mut limits, pair).map_err(|error| error.to_string());
        match (set, expected) {
            (Ok(()), Ok(value)) => {
                let all = [
                    limits.wall_ms,
                    limits.memory_bytes,
                    limits.processes,
                    limits.output_bytes,
                ];
                assert_eq!(
                    all.into_iter().flatten().collect::<Vec<_>>(),
                    [value],
                    "{pair}"
                );
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{pair}: {error}"),
            (set, _) => panic!("{pair}: {set:?}"),
        }
    }

    #[test]
    fn amounts_have_the_units_of_their_names() {
        check("wall_ms=250", Ok(250));
        check("wall_ms=250ms", Ok(250));
        check("wall_ms=5s", Ok(5000));
        check("memory_bytes=64M", Ok(64 << 20));
        check("memory_bytes=2G", Ok(2 << 30));
        check("output_bytes=1k", Ok(1024));
        check("processes=8", Ok(8));
    }

    #[test]
    fn what_is_no_amount_is_refused_with_what_would_be_one() {
        for wrong in [
            "wall_ms=5M",
            "wall_ms=",
            "wall_ms=s",
            "wall_ms=-1",
            "wall_ms=+1",
            "wall_ms=1.5s",
            "wall_ms= 1",
        ] {
            check(wrong, Err("milliseconds"));
        }
        check("memory_bytes=99999999999999999999", Err("bytes"));
        check("memory_bytes=99999999999999G", Err("bytes"));
        check("processes=1k", Err("a whole number"));
        check("wall=5s", Err("use one of wall_ms, cpu_ms"));
        check("wall_ms", Err("NAME=VALUE"));
    }

    #[test]
    fn every_name_in_the_list_sets_its_own_field() {
        let mut limits = LimitOverrides::default();
        for (value, name) in (1_u64..).zip(NAMES) {
            set(&mut limits, name, &value.to_string()).unwrap();
        }
        let shown = format!("{limits:?}");
        for (value, name) in (1_u64..).zip(NAMES) {
            assert!(
                shown.contains(&format!("{name}: Some({value})")),
                "{name} in {shown}"
            );
        }
    }
}
