//! The command line as it is written; what it means is decided by the modules that take it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use stepflow_python::EnvironmentChoice;

use crate::bench::BenchArguments;

/// Runs Python that nobody has read, confined, and says truthfully how it ended.
#[derive(Debug, Parser)]
#[command(name = "hognose", version, about, arg_required_else_help = false)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script, a folder or a module confined and hand back what it printed, drew and wrote
    Run(RunArguments),
    /// Serve executions over HTTP and on a unix socket
    Serve(ServeArguments),
    /// Show what is wrong with a script and what the policy has against it, without running it
    Check(CheckArguments),
    /// Say which isolation layers hold here, and how to mend those that do not
    Doctor(DoctorArguments),
    /// Register Python modules as tools, show them, and call their functions with JSON
    #[command(arg_required_else_help = false)]
    Tool {
        #[command(subcommand)]
        command: ToolCommand,
    },
    /// Tell what the running server has counted: outcomes, times, memory, environments, pools
    Stats(StatsArguments),
    /// Measure our paths beside plain Python, in one run on this machine
    Bench(BenchArguments),
    /// For `bench`: the least that the kernel takes for an isolated process, at every line of input
    #[command(hide = true)]
    Floor,
    /// Show executions that were recorded, or one of them
    History(HistoryArguments),
    /// Make, change, list and remove the environments guests see
    #[command(name = "env", arg_required_else_help = false)]
    Environment {
        #[command(subcommand)]
        command: EnvironmentCommand,
    },
}

/// Settings that every command takes. Each has a variable, `HOGNOSE_…`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CommonArguments {
    /// Folder for environments, keys and artifacts [default: $XDG_DATA_HOME/hognose]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<String>,
    /// The interpreter guests run [default: the first usable one]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<String>,
    /// The preload of every execution: bare, numpy, pandas or full [default: its imports choose]
    #[arg(long, value_name = "NAME")]
    pub(crate) preload: Option<String>,
    /// Fork zygotes as their imports left them, without a snapshot: slower, for comparison
    #[arg(long)]
    pub(crate) plain: bool,
    /// The weakest tier that may serve: full, rootless or nested [default: rootless]
    #[arg(long, value_name = "TIER")]
    pub(crate) min_tier: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The script, a folder with a `__main__.py`, or `-` to read a script from standard input
    #[arg(value_name = "FILE|FOLDER", required_unless_present = "module")]
    pub(crate) path: Option<String>,
    /// Run this file of the folder instead of its `__main__.py`
    #[arg(
        long,
        value_name = "FILE",
        requires = "path",
        conflicts_with = "module"
    )]
    pub(crate) entry: Option<String>,
    /// Run this module or package, of the folder or of the environment, as `python -m` does
    #[arg(short, long, value_name = "MODULE")]
    pub(crate) module: Option<String>,
    /// What the script finds in `sys.argv[1:]`
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<String>,
    /// Pass our standard input on; without it the script reads an empty one
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Call this function of the script after it ran, and show what it returns
    #[arg(long, value_name = "NAME", conflicts_with_all = ["entry", "module"])]
    pub(crate) function: Option<String>,
    /// The function's arguments: a JSON list by position, or a JSON object by keyword
    #[arg(long, value_name = "JSON", requires = "function")]
    pub(crate) args_json: Option<String>,
    /// Place a file into the script's input/ folder; may be repeated
    #[arg(long = "file", value_name = "NAME=PATH")]
    pub(crate) files: Vec<String>,
    /// Set a limit, such as wall_ms=5s or memory_bytes=256M; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
    /// Where the files go that the script left in output/
    #[arg(long, value_name = "DIR", default_value = "hognose-output")]
    pub(crate) output: PathBuf,
    /// Print one JSON object, as the HTTP interface answers, instead of streaming
    #[arg(long)]
    pub(crate) json: bool,
    /// Use an engine of our own even if a server runs
    #[arg(long)]
    pub(crate) no_server: bool,
    /// Reject the script for what it uses: permissive, standard or strict [default: permissive]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) policy: Option<String>,
    /// Run in this environment of `hognose env create`: its id, or the beginning of its digest
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Option<String>,
    /// Have this package there, installed if it is not; may be repeated
    #[arg(long = "package", value_name = "REQUIREMENT")]
    pub(crate) packages: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

impl RunArguments {
    /// Whose packages the script shall see.
    pub(crate) fn choice(&self) -> EnvironmentChoice {
        if self.environment.is_none() && self.packages.is_empty() {
            return EnvironmentChoice::Default;
        }
        EnvironmentChoice::Asked {
            name: self.environment.clone(),
            packages: self.packages.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8726]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// The key callers must send [default: one made at the first start]
    #[arg(long, value_name = "KEY", conflicts_with = "keyless")]
    pub(crate) api_key: Option<String>,
    /// Ask callers for no key; loopback addresses only
    #[arg(long)]
    pub(crate) keyless: bool,
    /// Executions at once, 1 to 200 [default: two per processor, at least 4]
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<String>,
    /// Memory that sandboxes which wait for a program may hold in all; 0 for none that wait [default: 192M]
    #[arg(long, value_name = "BYTES")]
    pub(crate) pool_bytes: Option<String>,
    /// A name callers may use in `Host` beside loopback names; may be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,
    /// Set the default of a limit, such as wall_ms=5s; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
    /// The policy level no request goes below: permissive, standard or strict [default: permissive]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) policy_floor: Option<String>,
    #[command(flatten)]
    pub(crate) records: RecordsArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Where executions are recorded, and for how long.
#[derive(Debug, Args)]
pub(crate) struct RecordsArguments {
    /// Where executions are recorded: a path, postgres://…, or off [default: records.sqlite in the state folder]
    #[arg(long, value_name = "URL")]
    pub(crate) records: Option<String>,
    /// How long a record is kept, such as 12h [default: 30d]
    #[arg(long, value_name = "TIME")]
    pub(crate) records_age: Option<String>,
    /// How much all records may hold, such as 500M; the oldest go first [default: 2G]
    #[arg(long, value_name = "BYTES")]
    pub(crate) records_bytes: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// Show all that was recorded of this execution
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only those that ended so: completed, raised, rejected, limit_exceeded, crashed or cancelled
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// Only those in this state: running, finished, failed or lost
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only those in this environment: its id, or the beginning of its digest
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Only calls of this tool: its name, or its id
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// Only those started then or later: a time in UTC, or how long ago, such as 2h
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Only those started before
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// The next page: what the last one ended with
    #[arg(long, value_name = "CURSOR")]
    pub(crate) before: Option<String>,
    /// Print one JSON object, as the HTTP interface answers
    #[arg(long)]
    pub(crate) json: bool,
    /// Read these records, as `serve` was told, instead of asking a running server
    #[arg(long, value_name = "URL")]
    pub(crate) records: Option<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The script, or `-` to read it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// What to look for beside syntax errors: permissive, standard or strict [default: permissive]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) policy: Option<String>,
    /// The Python whose syntax counts, such as 3.11 [default: the newest known]
    #[arg(long, value_name = "VERSION")]
    pub(crate) python_version: Option<String>,
    /// Print one JSON object, as `POST /v1/validate` answers
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// Register a module: it is parsed and judged, and nothing of it runs
    Add(Box<ToolWish>),
    /// List the tools
    List {
        /// Print JSON, as `GET /v1/tools` answers
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Show a tool's functions and what they take
    Show {
        /// Its name
        name: String,
        /// Print JSON, as `GET /v1/tools/NAME` answers
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Call a function
    Call {
        /// The tool's name
        name: String,
        /// The function's name
        function: String,
        /// One JSON object with the arguments, or `-` to read it from standard input
        #[arg(value_name = "JSON", default_value = "{}")]
        arguments: String,
        /// Where the files go that the function left in output/
        #[arg(long, value_name = "DIR", default_value = "hognose-output")]
        output: PathBuf,
        /// Print one JSON object, as the HTTP interface answers, instead of streaming
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Remove tools
    Remove {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        common: CommonArguments,
    },
}

impl ToolCommand {
    pub(crate) fn common(&self) -> &CommonArguments {
        match self {
            Self::Add(wish) => &wish.common,
            Self::List { common, .. }
            | Self::Show { common, .. }
            | Self::Call { common, .. }
            | Self::Remove { common, .. } => common,
        }
    }
}

/// A tool that is to be registered, and how its calls are run.
#[derive(Debug, Args)]
pub(crate) struct ToolWish {
    /// Its name: letters, digits, `_` and `-`
    pub(crate) name: String,
    /// The module, or `-` to read it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Its version, such as 1.2.0; a newer one replaces an older one [default: 1.0.0]
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// What it is for [default: the module's docstring]
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Judge it and its calls by this level: permissive, standard or strict [default: permissive]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) policy: Option<String>,
    /// The id of an environment for its calls
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Option<String>,
    /// A requirement that has to be there; may be repeated
    #[arg(long = "package", value_name = "REQUIREMENT")]
    pub(crate) packages: Vec<String>,
    /// Set a limit for its calls, such as wall_ms=5s; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
    /// Take the place of a tool that is not older
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArguments {
    /// Print JSON, as `GET /metrics` answers those who accept it
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestedCommand {
    /// Make an environment with packages of your choice; prints its id
    Create {
        /// Requirements, such as numpy==1.26.4
        packages: Vec<String>,
        /// A requirements file, a pyproject.toml, or a script with its own metadata; may be repeated
        #[arg(short, long = "requirements", value_name = "FILE")]
        requirements: Vec<PathBuf>,
        /// The Python it runs, such as 3.11 [default: that of the default environment]
        #[arg(long = "python-version", value_name = "VERSION")]
        python_version: Option<String>,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Add packages to an environment
    Install {
        /// Its id
        id: String,
        /// Requirements
        packages: Vec<String>,
        /// A file of requirements, as with `create`; may be repeated
        #[arg(short, long = "requirements", value_name = "FILE")]
        requirements: Vec<PathBuf>,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Print an environment's packages with their versions
    Freeze {
        /// Its id
        id: String,
        /// Print the lock, with the hash of every file
        #[arg(long)]
        hashes: bool,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Remove environments
    Remove {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Remove what no id names: packages that executions asked for
    Prune {
        #[command(flatten)]
        common: CommonArguments,
    },
}

impl RequestedCommand {
    pub(crate) fn common(&self) -> &CommonArguments {
        match self {
            Self::Create { common, .. }
            | Self::Install { common, .. }
            | Self::Freeze { common, .. }
            | Self::Remove { common, .. }
            | Self::Prune { common } => common,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// List the environments that were built
    List {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Build the default environment unless it is there
    Build {
        #[command(flatten)]
        common: CommonArguments,
    },
    #[command(flatten)]
    Requested(RequestedCommand),
    /// Show an environment's packages
    Show {
        /// Its id, or the beginning of its digest [default: the only default one]
        #[arg(value_name = "NAME")]
        digest: Option<String>,
        #[command(flatten)]
        common: CommonArguments,
    },
}
