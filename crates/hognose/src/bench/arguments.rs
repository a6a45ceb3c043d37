//! The command line of `hognose bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::arguments::CommonArguments;

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Measure only these; may be repeated [default: all but environments]
    #[arg(long = "set", value_name = "SET")]
    pub(crate) sets: Vec<Set>,
    /// Rounds of each latency row [default: 1000; 50 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rounds: Option<u32>,
    /// Seconds of each throughput row [default: 10; 1 with --quick]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<f64>,
    /// Fewer rounds and shorter windows: to see that it works, not to quote
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write one JSON document; with `-` to standard output, and the tables to standard error
    #[arg(long, value_name = "FILE|-")]
    pub(crate) json: Option<PathBuf>,
    /// Another hognose binary, measured in alternating blocks of this run
    #[arg(long, value_name = "BINARY")]
    pub(crate) against: Option<PathBuf>,
    /// Refused: figures of two runs are not compared
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) compare: Vec<PathBuf>,
    /// Folder for environments and for what is made meanwhile [default: $XDG_DATA_HOME/hognose]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<String>,
    /// The interpreter guests and baselines run [default: the first usable one]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<String>,
    /// The weakest tier that may serve: full, rootless or nested [default: rootless]
    #[arg(long, value_name = "TIER")]
    pub(crate) min_tier: Option<String>,
}

impl BenchArguments {
    /// The settings that it shares with every command.
    pub(crate) fn common(&self) -> CommonArguments {
        common(&self.state_dir, &self.python, &self.min_tier)
    }
}

/// Settings of every command with only these chosen: a measurement has defaults for all others.
pub(crate) fn common(
    state_dir: &Option<String>,
    python: &Option<String>,
    min_tier: &Option<String>,
) -> CommonArguments {
    let mut flags = CommonArguments::default();
    flags.state_dir.clone_from(state_dir);
    flags.python.clone_from(python);
    flags.min_tier.clone_from(min_tier);
    flags
}

/// A set of figures. Source: benches/README.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Set {
    /// One execution at a time, beside the baselines
    Latency,
    /// 1, 8 and 64 in flight, and CPU time per execution
    Throughput,
    /// Memory of idle children
    Density,
    /// A requested environment beside the default one; needs the package index
    Environments,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| (0.1..=3600.0).contains(seconds))
        .ok_or_else(|| "use seconds from 0.1 to 3600".to_owned())
}
