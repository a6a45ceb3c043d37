//! The project's recipes: `cargo xtask check | test | escapes | acceptance | requests | kills | bench |
//! tidy`.
//!
//! Every recipe prints what it does and ends with the tally of what passed, failed and was
//! skipped; it exits with 1 if anything failed.

mod acceptance;
mod bench;
mod corpus;
mod escapes;
mod guest;
mod http;
mod judge;
mod lint;
mod postgres;
mod recipes;
mod serve;
mod tally;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::escapes::Selection;
use crate::tally::Tally;

const USAGE: &str = "\
cargo xtask RECIPE

  check       format, clippy, docs, tidy, guest tests
  test        everything: check, release build, all tests, escapes
  escapes     runs tests/escapes through the release binary, as root, as an ordinary user, and on
              every interpreter found; `escapes WORD`: only programs with WORD in their names
  acceptance  heavy: escapes in every preload, kills at random moments, soak, crowd, wall, hostile
              requests, the parser, fuzzing; `acceptance PART`: only that part, of leftovers, escapes,
              kills, soak, crowd, wall, http, parser, fuzz; `acceptance fuzz MINUTES` [default 10] for
              each target
  requests    a few seconds of the hostile requests of `acceptance http`
  kills       the kills of `acceptance` alone
  bench       `hognose bench` of the release build, with the arguments that follow
  tidy        the rules of the house that no lint knows";

fn main() -> ExitCode {
    if let Some(ended) = lint::as_wrapper() {
        return ended;
    }
    let mut arguments = std::env::args().skip(1);
    let recipe = arguments.next().unwrap_or_default();
    if recipe == "bench" {
        let rest: Vec<String> = arguments.collect();
        return match root().and_then(|root| bench::run(&root, &rest)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("xtask: {error:#}"));
                ExitCode::FAILURE
            }
        };
    }
    let (word, minutes) = (arguments.next(), arguments.next());
    match run(&recipe, word.as_deref(), minutes.as_deref()) {
        Ok(tally) => {
            say(&tally.to_string());
            if tally.failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(recipe: &str, word: Option<&str>, minutes: Option<&str>) -> Result<Tally> {
    let root = root()?;
    match recipe {
        "check" => recipes::check(&root),
        "test" => recipes::test(&root),
        "escapes" => escapes::run(
            &root,
            Selection {
                word,
                minors: escapes::SUPPORTED,
                each_preload: false,
            },
        ),
        "acceptance" => acceptance::run(&root, word, minutes),
        "kills" => acceptance::run(&root, Some("kills"), None),
        "requests" => acceptance::quick_requests(&root),
        "tidy" => tidy::run(&root),
        _ => bail!("no such recipe `{recipe}`\n\n{USAGE}"),
    }
}

/// The root of the workspace, wherever the recipe was called from.
fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("call this as `cargo xtask`")?;
    let root = PathBuf::from(manifest).join("..");
    root.canonicalize()
        .with_context(|| format!("cannot find {}", root.display()))
}

/// Prints one line for the person who called the recipe.
#[expect(clippy::print_stdout, reason = "a recipe talks to its caller")]
fn say(text: &str) {
    println!("{text}");
}
