//! One requirement: PEP 508 with versions of PEP 440, and Conda's shorter form.

use std::str::FromStr;

use engine::Environment;
use pep508_rs::pep440_rs::{Operator, Version, VersionSpecifiers};
use pep508_rs::{
    MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl,
};

use super::{Dependency, DependencyError, DependencySource};

/// Longest requirement that is looked at. Unit: bytes.
const MOST_BYTES: usize = 4096;

pub(super) fn parse(text: &str) -> Result<Dependency, DependencyError> {
    let text = text.trim();
    let head = text.split([' ', '@', ';', '[', '<', '>', '=', '!', '~', '(']);
    if head
        .into_iter()
        .next()
        .is_some_and(|head| head.contains("::"))
    {
        return parse_conda(text);
    }
    let parsed = read(text)?;
    let (version, source) = match &parsed.version_or_url {
        None => (None, DependencySource::PyPI),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            let pins = specifiers
                .iter()
                .filter(|one| *one.operator() == Operator::Equal);
            (
                pins.map(|one| one.version().to_string()).next(),
                DependencySource::PyPI,
            )
        }
        Some(VersionOrUrl::Url(url)) => (None, source_of(text, url)?),
    };
    Ok(Dependency {
        name: parsed.name.to_string(),
        version,
        source,
        requirements: vec![parsed.to_string()],
    })
}

fn read(text: &str) -> Result<Requirement<VerbatimUrl>, DependencyError> {
    if text.len() > MOST_BYTES || text.contains(['\n', '\r', '\0']) {
        return Err(refused(text, "it must be one line of at most 4096 bytes"));
    }
    // The library panics on a name or an extra like `a-`. Found by the property tests below.
    let head = text
        .split(|c| "<>=!~;@(".contains(c))
        .next()
        .unwrap_or(text);
    let mut words = head.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    if words.any(|word| word.ends_with(['-', '_', '.'])) {
        return Err(refused(text, "a name ends with a letter or a digit"));
    }
    Requirement::from_str(text).map_err(|error| {
        // The library draws the place below the text; its first line says what is wrong.
        let message = error.message.to_string();
        refused(text, message.lines().next().unwrap_or("it cannot be read"))
    })
}

fn source_of(text: &str, url: &VerbatimUrl) -> Result<DependencySource, DependencyError> {
    match url.scheme() {
        scheme if scheme.starts_with("git+") => Ok(DependencySource::Git),
        "file" => Ok(DependencySource::Local),
        _ => Err(refused(
            text,
            "a direct reference must be `git+…` or `file:…`; name a version on the index instead",
        )),
    }
}

/// Source: conda's MatchSpec, the part `channel::name=version`.
pub(super) fn parse_conda(text: &str) -> Result<Dependency, DependencyError> {
    let text = text.trim();
    let (channel, spec) = text.split_once("::").unwrap_or(("", text));
    let (name, version) = match spec.split_once('=') {
        Some((name, version)) => (name, Some(version.trim_start_matches('='))),
        None => (spec, None),
    };
    let plain = |part: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(good)
    };
    if !plain(name) || version.is_some_and(|version| !plain(version)) {
        return Err(refused(text, "write `channel::name=version` or `name`"));
    }
    if text.contains("::") && !channel.split('/').all(plain) {
        return Err(refused(
            text,
            "the channel must be a plain name, no address",
        ));
    }
    Ok(Dependency {
        name: name.to_lowercase(),
        version: version.map(str::to_owned),
        source: DependencySource::Conda,
        requirements: vec![text.to_owned()],
    })
}

fn refused(text: &str, reason: &str) -> DependencyError {
    let line = text.lines().next().unwrap_or_default();
    DependencyError::Requirement {
        text: line.chars().take(120).collect(),
        reason: reason.to_owned(),
    }
}

/// A distribution's name as indexes compare it. Source: PEP 503.
#[must_use]
pub fn normal_name(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Whether an environment has what a requirement asks for, or its markers do not concern it.
///
/// Errors: the requirement cannot be read.
pub fn satisfied(requirement: &str, environment: &Environment) -> Result<bool, DependencyError> {
    let lack = lack(
        requirement,
        environment.interpreter.version,
        &environment.packages,
    );
    Ok(lack?.is_none())
}

/// What an environment has not that a requirement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The distribution, by its normalised name.
    Package(String),
    /// Its version; this one is there.
    Version(String),
}

/// What `packages` (normalised name, version) on a Python lack; `None` if nothing, or if the markers
/// of the requirement do not concern them.
///
/// Errors: the requirement cannot be read.
pub(crate) fn lack(
    requirement: &str,
    python: (u8, u8, u8),
    packages: &[(String, String)],
) -> Result<Option<Lack>, DependencyError> {
    let wanted = read(requirement.trim())?;
    let markers = markers(python);
    if markers.is_some_and(|markers| !wanted.evaluate_markers(&markers, &[])) {
        return Ok(None);
    }
    let name = wanted.name.to_string();
    let Some((_, version)) = packages.iter().find(|(have, _)| *have == name) else {
        return Ok(Some(Lack::Package(name)));
    };
    let fits = match &wanted.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            Version::from_str(version).is_ok_and(|version| specifiers.contains(&version))
        }
        Some(VersionOrUrl::Url(_)) | None => true,
    };
    Ok((!fits).then(|| Lack::Version(version.clone())))
}

/// Whether a Python is what `wanted` says: a version or the beginning of one, or specifiers.
///
/// Errors: it is neither. Source: PEP 440.
pub(crate) fn is_python(have: &str, wanted: &str) -> Result<bool, DependencyError> {
    let wanted = wanted.trim();
    if wanted.starts_with(|c: char| c.is_ascii_digit()) {
        let rest = have.strip_prefix(wanted);
        return Ok(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    }
    let specifiers = VersionSpecifiers::from_str(wanted);
    let specifiers = specifiers.map_err(|_| refused(wanted, "it is no version of Python"))?;
    Ok(Version::from_str(have).is_ok_and(|have| specifiers.contains(&have)))
}

/// Whether a requirement lets `name` have `version`; one of another name does.
pub(crate) fn admits(requirement: &str, name: &str, version: &Version) -> bool {
    let Ok(wanted) = read(requirement.trim()) else {
        return true;
    };
    match &wanted.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(specifiers)) if wanted.name.to_string() == name => {
            specifiers.contains(version)
        }
        Some(_) | None => true,
    }
}

/// What markers see inside a guest; `None` only if a version of ours were none.
fn markers((major, minor, micro): (u8, u8, u8)) -> Option<MarkerEnvironment> {
    let (full, short) = (
        format!("{major}.{minor}.{micro}"),
        format!("{major}.{minor}"),
    );
    let builder = MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: std::env::consts::ARCH,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: &full,
        python_version: &short,
        sys_platform: "linux",
    };
    builder.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dependencies::imports::tests::environment;

    #[test]
    fn each_source_is_told_from_its_requirement() {
        let check = |text: &str, name: &str, version: Option<&str>, source| {
            let found = parse(text).unwrap();
            assert_eq!(
                (found.name.as_str(), found.version.as_deref()),
                (name, version)
            );
            assert_eq!(found.source, source);
        };
        check(
            "Requests[socks]>=2,<3; python_version>'3.8'",
            "requests",
            None,
            DependencySource::PyPI,
        );
        check(
            "numpy==1.26.4",
            "numpy",
            Some("1.26.4"),
            DependencySource::PyPI,
        );
        check(
            "a @ git+https://x.example/a.git@v1",
            "a",
            None,
            DependencySource::Git,
        );
        check(
            "Some_Thing @ file:///srv/w.whl",
            "some-thing",
            None,
            DependencySource::Local,
        );
        let conda = parse_conda("conda-forge::NumPy=1.26").unwrap();
        assert_eq!(conda.source, DependencySource::Conda);
        assert_eq!(
            (conda.name.as_str(), conda.version.as_deref()),
            ("numpy", Some("1.26"))
        );
        assert_eq!(conda.requirements[0], "conda-forge::NumPy=1.26");
    }

    #[test]
    fn what_is_no_requirement_is_refused_in_one_line() {
        for wrong in [
            "",
            "--index-url x",
            "-e .",
            "a b",
            "numpy==",
            "a\nb",
            "a @ https://x.example/a.whl",
            "../a",
            "a;os_name",
            &"a".repeat(5000),
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        for wrong in [
            "",
            "::numpy",
            "https://x::numpy",
            "numpy=1 --offline",
            "-y",
            "a::",
        ] {
            assert!(parse_conda(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_and_markers_are_compared() {
        let environment = environment(&[("numpy", "1.26.4"), ("a-b", "2.0rc1")]);
        for (requirement, expected) in [
            ("numpy", true),
            ("numpy>=1.20,<2", true),
            ("numpy>=2", false),
            ("numpy~=1.26.0", true),
            ("A_B", true),
            ("a.b>=2.0rc1", true),
            ("torch", false),
            ("torch; python_version < '3.0'", true),
            ("torch; sys_platform == 'linux'", false),
        ] {
            assert_eq!(
                satisfied(requirement, &environment),
                Ok(expected),
                "{requirement}"
            );
        }
    }

    fn names() -> impl Strategy<Value = String> {
        "[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?"
    }

    fn versions() -> impl Strategy<Value = String> {
        (
            "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}",
            "((a|b|rc)[0-9])?(\\.post[0-9])?(\\.dev[0-9])?",
        )
            .prop_map(|(release, suffix)| release + &suffix)
    }

    proptest! {
        #[test]
        fn what_the_grammar_allows_is_read_and_read_again_the_same(
            name in names(),
            extras in prop::collection::vec(names(), 0..3),
            clauses in prop::collection::vec((prop::sample::select(vec!["==", ">=", "<=", "!=", "<", ">"]), versions()), 0..3),
            space in "[ \t]{0,2}",
        ) {
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            let clauses: Vec<String> = clauses.into_iter().map(|(op, version)| format!("{op}{space}{version}")).collect();
            let text = format!("{name}{space}{extras}{space}{}", clauses.join(","));
            let first = parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&first.name, &normal_name(&name));
            prop_assert_eq!(&parse(&first.requirements[0]).unwrap(), &first);
        }

        #[test]
        fn no_text_is_more_than_an_error(
            text in prop_oneof!["\\PC{0,200}", "[ab.-]{1,3}[a-b0-9\\[\\](){}<>=!~;,@'\"_.* -]{0,24}"],
        ) {
            let _ = parse(&text);
            let _ = parse_conda(&text);
        }

        #[test]
        fn what_is_read_is_one_line_that_no_installer_takes_for_an_option(text in "[ -~]{0,60}") {
            if let Ok(found) = parse(&text) {
                let line = found.to_requirement();
                prop_assert!(!line.starts_with('-') && !line.contains('\n'), "{}", line);
            }
        }
    }
}
