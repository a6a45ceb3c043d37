//! `hognose bench`: our paths and what they are compared with, side by side in one run.
//!
//! Decides what is measured and in which order. Servers are this very binary with its defaults;
//! every answer is checked; figures of two runs are never compared, because nothing says that the
//! machine was the same.

mod arguments;
mod baseline;
mod cancel;
mod client;
mod contestant;
mod environments;
mod floor;
mod lane;
mod latency;
mod machine;
mod memory;
mod processes;
mod program;
mod report;
mod scratch;
mod server;
mod statistics;
mod throughput;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stepflow_python::{Engine, EngineExecutor, Environment, LimitPolicy, inspect};
use tokio::runtime::Handle;

use crate::exit;
use crate::output::{line, note};
use crate::settings::{Common, Sources};
use crate::signals::Stop;
use crate::start::{self, Size};

pub(crate) use self::arguments::BenchArguments;
pub(crate) use self::floor::answer_with_floors;

use self::arguments::Set;
use self::baseline::{Process, Venv};
use self::cancel::Cancel;
use self::contestant::Contestant;
use self::latency::{Entry, Measured};
use self::machine::{Machine, load_average, random_hex};
use self::program::Expected;
use self::report::{DensityRow, Document, Ratio, Settings, ThroughputRow};
use self::scratch::Scratch;
use self::server::Setting;
use self::throughput::{IN_FLIGHT, Tally, WINDOWS};

/// How long our engine may take to clean up.
const FAREWELL: Duration = Duration::from_secs(5);
/// Exit code when an execution failed under load, or got another one's output.
const FAULTY: u8 = 1;

/// What one run is made of.
struct Plan {
    sets: Vec<Set>,
    settings: Settings,
    machine: Machine,
    environment: Environment,
    setting: Setting,
    against: Option<PathBuf>,
    bubblewrap: Option<PathBuf>,
    run: String,
    cancel: Cancel,
    /// Everything that is made goes with it.
    folder: Scratch,
}

/// Measures and tells; returns the exit code.
pub(crate) async fn bench(arguments: BenchArguments, sources: &Sources) -> Result<u8> {
    refuse_comparison(&arguments)?;
    let common = sources.common(&arguments.common())?;
    let json = arguments.json.as_deref().map(Sink::open).transpose()?;
    let mut stop = Stop::watch()?;
    let environment = tokio::select! {
        environment = start::environment(&common) => environment?,
        () = stop.wanted() => return Ok(exit::CANCELLED),
    };
    let plan = plan(&arguments, common, environment, sources)?;
    let cancel = plan.cancel.clone();
    let runtime = Handle::current();
    let mut work = tokio::task::spawn_blocking(move || run(plan, &runtime));
    let document = tokio::select! {
        document = &mut work => document.context("the measurement broke off")??,
        () = stop.wanted() => {
            cancel.wish();
            // It ends its servers; what it says about being cancelled is no news.
            let _ = work.await;
            return Ok(exit::CANCELLED);
        }
    };
    tell(&document, json)?;
    match document.faults() {
        0 => Ok(0),
        faults => {
            note(&format!(
                "error: {faults} executions under load failed or were mixed up"
            ));
            Ok(FAULTY)
        }
    }
}

/// Errors: always when somebody wants documents compared.
fn refuse_comparison(arguments: &BenchArguments) -> Result<()> {
    if arguments.compare.is_empty() {
        return Ok(());
    }
    bail!(
        "figures of two runs are not compared, because the machine, its load and its clock speed differ between them; \
         measure both binaries in one run with `hognose bench --against BINARY`"
    )
}

fn plan(
    arguments: &BenchArguments,
    common: Common,
    environment: Environment,
    sources: &Sources,
) -> Result<Plan> {
    let folder = Scratch::make(&common.state_dir)?;
    let against = arguments.against.as_ref().map(|binary| {
        let found = binary.canonicalize();
        found.with_context(|| format!("cannot find the binary `{}`", binary.display()))
    });
    let against = against.transpose()?;
    Ok(Plan {
        sets: match arguments.sets.as_slice() {
            [] => vec![Set::Latency, Set::Throughput, Set::Density],
            chosen => chosen.to_vec(),
        },
        settings: settings(arguments, against.as_deref())?,
        machine: Machine::look(&environment, &inspect()),
        setting: Setting {
            state: common.state_dir.clone(),
            folder: folder.path().to_owned(),
            python: environment.interpreter.executable.clone(),
            min_tier: common.min_tier,
            variables: sources.foreign(),
        },
        against,
        bubblewrap: sources.program("bwrap"),
        environment,
        run: random_hex(16)?,
        cancel: Cancel::default(),
        folder,
    })
}

fn settings(arguments: &BenchArguments, against: Option<&Path>) -> Result<Settings> {
    let quick = |full, quick| if arguments.quick { quick } else { full };
    Ok(Settings {
        rounds: arguments.rounds.unwrap_or(quick(1000, 50)) as usize,
        seconds: arguments.seconds.unwrap_or(f64::from(quick(10, 1))),
        quick: arguments.quick,
        // A server of ours sees none of the caller's settings.
        slots: Sources::default().slots(None)?,
        against: against.map(|binary| binary.display().to_string()),
    })
}

/// The whole measurement. Blocks.
fn run(plan: Plan, runtime: &Handle) -> Result<Document> {
    warn_of(&plan.machine);
    let wants = |set| plan.sets.contains(&set);
    let mut measured = Vec::new();
    if wants(Set::Environments) {
        note("measuring environments");
        measured.extend(environments::measure(&plan, runtime)?);
    }
    let contestants = if plan.sets.iter().all(|set| *set == Set::Environments) {
        Vec::new()
    } else {
        contestants(&plan)?
    };
    if wants(Set::Latency) {
        note("measuring latency");
        measured.extend(measure_latency(&plan, &contestants, runtime)?);
    }
    let mut throughput = Vec::new();
    if wants(Set::Throughput) {
        throughput = measure_throughput(&plan, &contestants)?;
    }
    let mut density = Vec::new();
    if wants(Set::Density) {
        note("measuring idle children");
        for contestant in &contestants {
            density.extend(contestant.density()?);
        }
    }
    for contestant in contestants {
        contestant.stop()?;
    }
    Ok(Document {
        run: plan.run,
        machine: plan.machine,
        settings: plan.settings,
        rows: measured.iter().map(Measured::row).collect(),
        ratios: compared(&measured),
        throughput,
        density,
        load_average_after: load_average(),
    })
}

fn warn_of(machine: &Machine) {
    if cfg!(debug_assertions) {
        note("this is a debug build: its figures say nothing about a release build");
    }
    if machine.is_busy() {
        let (load, cpus) = (&machine.load_average, machine.cpus);
        note(&format!(
            "the machine is busy (load {load} on {cpus} CPUs): figures will be worse and scattered"
        ));
    }
}

/// This binary, and the other one if there is one, each with its servers.
fn contestants(plan: &Plan) -> Result<Vec<Contestant>> {
    note("starting servers");
    let start = |binary: &Path, label: &str| {
        Contestant::start(
            &plan.setting,
            binary,
            label,
            plan.machine.tier,
            &plan.cancel,
        )
        .with_context(|| format!("cannot measure `{}`", binary.display()))
    };
    // The other one first: an older binary may not know the folders of ours when it cleans up at
    // its start.
    let other = plan.against.as_deref().map(|other| start(other, "against"));
    let other = other.transpose()?;
    let own = start(&own_program()?, "")?;
    Ok(std::iter::once(own).chain(other).collect())
}

fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this very program")
}

fn measure_latency(
    plan: &Plan,
    contestants: &[Contestant],
    runtime: &Handle,
) -> Result<Vec<Measured>> {
    let rounds = plan.settings.rounds;
    let engine = runtime.block_on(own_engine(plan))?;
    let executor = Arc::new(EngineExecutor::new(engine.clone()));
    let mut entries: Vec<Entry> = Vec::new();
    for contestant in contestants {
        entries.extend(contestant.tcp_entries(rounds));
    }
    if let Some(own) = contestants.first() {
        entries.extend(own.other_entries(rounds));
    }
    entries.extend(local_entries(plan, &executor, runtime));
    entries.extend(baselines(plan)?);
    entries.push(floor::entry(&own_program()?, plan.folder.path(), rounds));
    let measured = latency::measure(&mut entries, &plan.cancel);
    // Their clones of the engine have to be gone before it can leave.
    drop((entries, executor));
    runtime.block_on(engine.shutdown(FAREWELL));
    measured
}

/// An engine of this process, as a server has it.
async fn own_engine(plan: &Plan) -> Result<Engine> {
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .context("a path is no UTF-8")
    };
    // Defaults for everything else, whatever the caller's variables say.
    let flags = arguments::common(
        &Some(text(&plan.folder.path().join("in-process"))?),
        &Some(text(&plan.setting.python)?),
        &Some(plan.setting.min_tier.name().to_owned()),
    );
    let common = Sources::default().common(&flags)?;
    common.create_state_dir()?;
    let policy = LimitPolicy::default();
    let size = Size {
        slots: plan.settings.slots,
        pool_bytes: Sources::default().pool_bytes(None)?,
    };
    let engine = start::engine(&common, plan.environment.clone(), size, policy).await?;
    engine.warm().await?;
    Ok(engine)
}

fn local_entries(plan: &Plan, executor: &Arc<EngineExecutor>, runtime: &Handle) -> Vec<Entry> {
    let lane = |source, preload| {
        let expected = Expected {
            preload,
            tier: plan.machine.tier,
        };
        lane::Local::new(Arc::clone(executor), runtime.clone(), source, expected)
    };
    let rounds = plan.settings.rounds;
    vec![
        Entry::of("in-process, bare", rounds, lane(program::PRINT, "bare")),
        Entry::of(
            "in-process, full by imports",
            rounds,
            lane(program::STACK, "full"),
        ),
    ]
}

const PYTHON: &str = "python -c print(1), no sandbox";
const BUBBLEWRAP: &str = "bwrap + python -c print(1)";
const FRESH: &str = "fresh python, imports the stack";

fn baselines(plan: &Plan) -> Result<Vec<Entry>> {
    let (environment, folder) = (&plan.environment, plan.folder.path());
    let rounds = plan.settings.rounds;
    let bare = Venv::bare(environment, &folder.join("venv-bare"))?;
    let stack = Venv::with_packages(environment, &folder.join("venv-stack"))?;
    let bubblewrap = match &plan.bubblewrap {
        Some(bwrap) => Entry::of(BUBBLEWRAP, rounds, Process::bubblewrap(bwrap, &bare)),
        None => Entry::absent(&[BUBBLEWRAP], "bwrap is not installed"),
    };
    let fresh = Entry {
        // It takes seconds.
        rounds: (rounds / 100).clamp(1, 20),
        warm_up: (1, 0),
        ..Entry::of(FRESH, rounds, Process::stack(&stack))
    };
    let python = Entry::of(PYTHON, rounds, Process::python(&bare));
    Ok(vec![python, bubblewrap, fresh])
}

/// The ratios that are told: baselines to our paths, our paths to each other, and binaries.
fn compared(measured: &[Measured]) -> Vec<Ratio> {
    let row = |name: &str| measured.iter().find(|row| row.name == name);
    let mut pairs = vec![
        (PYTHON.to_owned(), contestant::TCP_BARE.to_owned()),
        (PYTHON.to_owned(), contestant::TCP_FORCED.to_owned()),
        (BUBBLEWRAP.to_owned(), contestant::TCP_BARE.to_owned()),
        (contestant::TCP_FORCED.to_owned(), floor::REAPED.to_owned()),
        (
            contestant::EVENTS_FORCED.to_owned(),
            floor::FIRST_OUTPUT.to_owned(),
        ),
        (FRESH.to_owned(), contestant::TCP_FULL.to_owned()),
        (FRESH.to_owned(), contestant::TCP_FORCED.to_owned()),
        (contestant::TCP_BARE.to_owned(), "unix, bare".to_owned()),
        (
            contestant::TCP_BARE.to_owned(),
            "in-process, bare".to_owned(),
        ),
        (
            contestant::TCP_FULL.to_owned(),
            "in-process, full by imports".to_owned(),
        ),
    ];
    pairs.extend(contestant::TCP_ROWS.map(|name| (format!("{name} (against)"), name.to_owned())));
    pairs.extend(environments::pairs());
    let known = pairs
        .iter()
        .filter_map(|(of, to)| Some((row(of)?, row(to)?)));
    known.filter_map(|(of, to)| of.ratio_to(to)).collect()
}

fn measure_throughput(plan: &Plan, contestants: &[Contestant]) -> Result<Vec<ThroughputRow>> {
    let seconds = plan.settings.seconds / f64::from(WINDOWS);
    let prefix: String = plan.run.chars().take(8).collect();
    let targets: Vec<_> = contestants
        .iter()
        .map(|contestant| contestant.targets(&prefix))
        .collect();
    let kinds = targets.iter().map(Vec::len).max().unwrap_or(0);
    let mut rows = Vec::new();
    let mut number = 0;
    for kind in 0..kinds {
        let rivals: Vec<_> = targets.iter().filter_map(|all| all.get(kind)).collect();
        for in_flight in IN_FLIGHT {
            note(&format!(
                "measuring throughput, {in_flight} in flight: {}",
                rivals[0].name
            ));
            let mut tallies: Vec<Tally> = rivals.iter().map(|_| Tally::default()).collect();
            for window in 0..WINDOWS {
                let mut order: Vec<_> = rivals.iter().zip(&mut tallies).collect();
                if window % 2 == 1 {
                    order.reverse();
                }
                for (target, tally) in order {
                    target.window(tally, number, in_flight, seconds, &plan.cancel)?;
                    number += 1;
                }
            }
            let pairs = rivals.iter().zip(tallies);
            rows.extend(pairs.map(|(target, tally)| tally.row(&target.name, in_flight)));
        }
    }
    Ok(rows)
}

/// Where the JSON document goes; opened before anything is measured.
enum Sink {
    Stdout,
    File(File),
}

impl Sink {
    fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let file = File::create(path);
        file.map(Self::File)
            .with_context(|| format!("cannot write `{}`", path.display()))
    }
}

fn tell(document: &Document, json: Option<Sink>) -> Result<()> {
    let text = serde_json::to_string_pretty(document).context("cannot write the document")?;
    let written = match json {
        Some(Sink::Stdout) => {
            note(&document.tables());
            line(&text)
        }
        Some(Sink::File(mut file)) => {
            writeln!(file, "{text}").context("cannot write the document")?;
            line(&document.tables())
        }
        None => line(&document.tables()),
    };
    written.context("cannot write to standard output")
}

/// A command of a program that is measured.
#[expect(
    clippy::disallowed_methods,
    reason = "servers and baselines are what is measured; no guest is started here"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}
