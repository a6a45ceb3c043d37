//! Runs the programs of `tests/escapes` through the server's own HTTP door, in rounds.
//!
//! A round is one server: as the caller, as an ordinary user and as root without cgroups; without
//! the snapshot, where an honest program must end as it does with it; with each preload; on other
//! interpreters. After each program a health check must pass: a program that ends as expected, but
//! hurts the next one, has escaped.

mod compare;
mod interpreters;
mod round;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use self::compare::Accounts;
pub(crate) use self::interpreters::{CI, SUPPORTED, find as interpreter};
use self::round::Round;
use crate::corpus::{self, Attempt};
use crate::recipes::beside;
use crate::say;
use crate::serve::{self, Mode, Setup, offers};
use crate::tally::Tally;

/// Which programs and rounds a recipe wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    /// Only programs with this in their names.
    pub(crate) word: Option<&'a str>,
    /// Minor versions of the interpreters to run on, where they are found.
    pub(crate) minors: &'a [u8],
    /// Whether the whole corpus runs once more in each preload.
    pub(crate) each_preload: bool,
}

impl Selection<'_> {
    fn takes(&self, attempt: &Attempt) -> bool {
        self.word.is_none_or(|word| attempt.name.contains(word))
    }
}

/// Runs every round; a server that fails is a failed round, and the others go on.
///
/// Two servers at a time, each with a state folder of its own: a program mostly waits for its end.
pub(crate) fn run(root: &Path, selection: Selection<'_>) -> Result<Tally> {
    let attempts = corpus::read(&root.join("tests/escapes"))?;
    let any = attempts.iter().any(|attempt| selection.takes(attempt));
    ensure!(any, "tests/escapes has no such program");
    let preloads = preloads(root, selection)?;
    let second = serve::second_state_dir(root)?;
    let taken = AtomicUsize::new(0);
    let corpus = Corpus {
        root,
        attempts: &attempts,
        selection,
        taken: &taken,
    };
    let (one, other) = beside(
        || {
            let (tally, own) = corpus.rounds_as(Mode::Caller, &preloads);
            tally + corpus.interpreters(own, None)
        },
        || {
            let (tally, _) = corpus.rounds_as(Mode::Ordinary, &preloads);
            let nested = corpus.nested(&second);
            let others = nested.minor.map_or_else(Tally::default, |own| {
                corpus.interpreters(Some(own), Some(&second))
            });
            tally + nested.tally + others
        },
    );
    Ok(one + other)
}

/// What is run, and from where.
#[derive(Clone, Copy)]
struct Corpus<'a> {
    root: &'a Path,
    attempts: &'a [Attempt],
    selection: Selection<'a>,
    /// How many of the interpreters have got their round.
    taken: &'a AtomicUsize,
}

impl Corpus<'_> {
    /// All rounds of a mode on its default interpreter, and which that was.
    fn rounds_as(self, mode: Mode, preloads: &[String]) -> (Tally, Option<u8>) {
        if let Some(reason) = mode.unavailable() {
            say(&format!("SKIPPED escapes as {}: {reason}", mode.name()));
            return (Tally::SKIPPED, None);
        }
        let usual = self.whole(&Setup::of(mode));
        let mut tally = usual.tally;
        tally += self.without_snapshot(mode, &usual.accounts);
        for preload in preloads {
            let setup =
                Setup::of(mode).with(&format!("with preload {preload}"), &["--preload", preload]);
            tally += self.whole(&setup).tally;
        }
        (tally, usual.minor)
    }

    /// Root without cgroups: what attacks, and of what is honest only what was asked for by name.
    /// The ordinary user's round shows that honest programs need no cgroups.
    fn nested(self, state: &Path) -> Round {
        let mode = Mode::Nested;
        if let Some(reason) = mode.unavailable() {
            say(&format!("SKIPPED escapes as {}: {reason}", mode.name()));
            return Round {
                tally: Tally::SKIPPED,
                ..Round::default()
            };
        }
        let all = self.selection.each_preload || self.selection.word.is_some();
        let setup = Setup::of(mode).on_state(state);
        self.round(&setup, |one| all || !one.is_honest())
    }

    /// The honest programs without a snapshot must end as they do with one.
    fn without_snapshot(self, mode: Mode, usual: &Accounts) -> Tally {
        let honest = |one: &Attempt| one.is_honest() && self.selection.takes(one);
        if !offers(self.root, "--plain") || !self.attempts.iter().any(honest) {
            return Tally::default();
        }
        let setup = Setup::of(mode).with("without snapshot", &["--plain"]);
        let plain = self.round(&setup, Attempt::is_honest);
        let mut tally = plain.tally;
        let differences = compare::differences(usual, &plain.accounts);
        tally += Tally::of(differences.is_empty());
        for difference in differences {
            say(&format!("FAILED with snapshot: {difference}"));
        }
        tally
    }

    /// The interpreters that nobody has taken yet, but for the one that was the default.
    fn interpreters(self, default: Option<u8>, state: Option<&Path>) -> Tally {
        let mut tally = Tally::default();
        let next = || self.taken.fetch_add(1, Ordering::Relaxed);
        while let Some(minor) = self.selection.minors.get(next()) {
            if Some(*minor) != default {
                tally += self.on_interpreter(*minor, state);
            }
        }
        tally
    }

    fn on_interpreter(self, minor: u8, state: Option<&Path>) -> Tally {
        match interpreters::find(minor) {
            Ok(python) => {
                let mut setup = Setup::of(Mode::Caller).with(&format!("on CPython 3.{minor}"), &[]);
                setup.python = Some(python);
                if let Some(state) = state {
                    setup = setup.on_state(state);
                }
                self.whole(&setup).tally
            }
            Err(reason) => {
                say(&format!(
                    "SKIPPED (not counted) escapes on CPython 3.{minor}: no usable one is here: {reason}"
                ));
                Tally::default()
            }
        }
    }

    /// A round of everything selected.
    fn whole(self, setup: &Setup) -> Round {
        self.round(setup, |_| true)
    }

    /// A round of what is selected and `chosen`; a server that does not start, or dies, is one
    /// failure more.
    fn round(self, setup: &Setup, chosen: impl Fn(&Attempt) -> bool) -> Round {
        say(&format!("== escapes as {}", setup.name()));
        let mut round = Round::default();
        let chosen = |one: &Attempt| self.selection.takes(one) && chosen(one);
        if let Err(error) = round::run(self.root, setup, self.attempts, chosen, &mut round) {
            say(&format!("FAILED escapes as {}: {error:#}", setup.name()));
            round.tally += Tally::FAILED;
        }
        round
    }
}

/// The preloads that get rounds of their own, by their names in the policy.
fn preloads(root: &Path, selection: Selection<'_>) -> Result<Vec<String>> {
    if !selection.each_preload || !offers(root, "--preload") {
        return Ok(Vec::new());
    }
    let path = root.join("policies/preloads.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let names = preload_names(&text).with_context(|| format!("{}", path.display()))?;
    ensure!(!names.is_empty(), "{} names no preload", path.display());
    Ok(names)
}

fn preload_names(policy: &str) -> Result<Vec<String>> {
    let policy: toml::Table = policy.parse()?;
    let entries = policy.get("preload").and_then(toml::Value::as_array);
    let names = entries.into_iter().flatten().map(|entry| {
        let name = entry.get("name").and_then(toml::Value::as_str);
        Ok(name.context("a preload has no name")?.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preloads_are_named_by_the_policy() {
        let policy = "[[preload]]\nname = \"bare\"\n[[preload]]\nname = \"full\"\n";
        assert_eq!(preload_names(policy).unwrap(), ["bare", "full"]);
        assert!(preload_names("[[preload]]\nmodules = []\n").is_err());
    }

    #[test]
    fn a_word_chooses_by_name() {
        let attempt = Attempt {
            name: "works/numpy".into(),
            ..Attempt::default()
        };
        let chosen = |word| {
            let selection = Selection {
                word,
                minors: &[],
                each_preload: false,
            };
            selection.takes(&attempt)
        };
        assert!(chosen(None) && chosen(Some("works")) && !chosen(Some("forgery")));
        assert!(attempt.is_honest());
    }
}
