//! The `hognose` command line: reads arguments and settings, calls out, tells how it went.
//!
//! A guest's end decides the exit code; a failure of ours is one sentence on standard error and 125.

mod arguments;
mod bench;
mod check;
mod doctor;
mod environment;
mod exit;
mod history;
mod input;
mod limits;
mod output;
mod program;
mod progress;
mod records;
mod report;
mod requested;
mod run;
mod script;
mod serve;
mod settings;
mod signals;
mod start;
mod stats;
mod table;
mod tool;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;
use stepflow_python::environment::end_builds;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::{Arguments, Command};
use crate::output::note;
use crate::settings::Sources;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    match dispatch(arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            note(&format!("error: {}", sentence(&error)));
            exit::OWN_ERROR.into()
        }
    }
}

fn dispatch(arguments: Arguments) -> anyhow::Result<u8> {
    // What serves, asks a server or reads its records, and runs nothing of a caller's.
    let for_operator = matches!(
        arguments.command,
        Command::Serve(_) | Command::Stats(_) | Command::History(_)
    );
    let sources = Sources::read(for_operator)?;
    let default_log = if matches!(arguments.command, Command::Serve(_)) {
        "info"
    } else {
        "warn"
    };
    log_to_stderr(sources.log_filter(default_log)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .context("cannot start the threads of this program")?;
    let ended = runtime.block_on(async {
        match arguments.command {
            Command::Run(arguments) => run::run(arguments, &sources).await,
            Command::Serve(arguments) => serve::serve(arguments, &sources).await,
            Command::Check(arguments) => check::check(arguments, &sources).await,
            Command::Tool { command } => tool::tool(command, &sources).await,
            Command::Stats(arguments) => stats::stats(arguments, &sources).await,
            Command::Doctor(arguments) => doctor::doctor(arguments, &sources).await,
            Command::History(arguments) => history::history(arguments, &sources).await,
            Command::Bench(arguments) => bench::bench(arguments, &sources).await,
            Command::Floor => bench::answer_with_floors(),
            Command::Environment { command } => environment::environment(command, &sources).await,
        }
    });
    // A build that nobody waits for any more would leave what it has made so far.
    end_builds();
    // A thread may still wait for somebody to type; it goes with the process.
    runtime.shutdown_background();
    ended
}

/// Half of the processors: children take four fifths of all time, and a second thread on two of them
/// is woken more often than it helps.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2))
}

fn log_to_stderr(filter: Targets) {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
}

/// The error and its causes as one sentence; a cause that was told already is not told again.
fn sentence(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |told, cause| match told.as_str() {
            "" => cause,
            before if before.ends_with(&cause) => told,
            before => format!("{before}: {cause}"),
        })
}

/// Help and version as asked for; what was wrong with the arguments in one sentence.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // Nobody reads it if this fails.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let rendered = error.render().to_string();
    note(&format!(
        "error: {}; see `{} --help`",
        argument_sentence(&rendered),
        command_of(&rendered)
    ));
    exit::OWN_ERROR.into()
}

/// The first paragraph of what clap says, and its guess at what was meant.
fn argument_sentence(rendered: &str) -> String {
    let mut paragraphs = rendered.split("\n\n");
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = one_line(paragraphs.next().unwrap_or_default());
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    let guess = paragraphs.map(one_line).find_map(|text| {
        let guess = text.strip_prefix("tip: ")?.to_owned();
        guess.contains("similar").then_some(guess)
    });
    guess.map_or(what.clone(), |guess| format!("{what}; {guess}"))
}

/// The command whose usage clap shows, such as `hognose tool add`.
fn command_of(rendered: &str) -> String {
    let usage = rendered
        .lines()
        .find_map(|line| line.strip_prefix("Usage: "));
    let words = usage.unwrap_or("hognose").split(' ');
    let is_command = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
    words.take_while(is_command).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot read `a`: no such file")
            .context("cannot start");
        assert_eq!(
            sentence(&error),
            "cannot start: cannot read `a`: no such file"
        );
    }

    #[test]
    fn what_clap_says_becomes_one_sentence() {
        let rendered = "error: unexpected argument '--limt' found\n\n  tip: a similar argument exists: '--limit'\n\nUsage: hognose --limit\n";
        assert_eq!(
            argument_sentence(rendered),
            "unexpected argument '--limt' found; a similar argument exists: '--limit'"
        );
        assert_eq!(command_of(rendered), "hognose");
        let rendered = "error: x\n\nUsage: hognose tool add [OPTIONS] <NAME>\n";
        assert_eq!(command_of(rendered), "hognose tool add");
        let rendered = "error: the following were not provided:\n  <FILE>\n\nUsage: x\n";
        assert_eq!(
            argument_sentence(rendered),
            "the following were not provided: <FILE>"
        );
    }
}
