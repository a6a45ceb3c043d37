//! Hostile requests from raw sockets, in blocks; after each block the server is as it was.
//!
//! The probes are those of the threat model's list for the HTTP door that apply to the native
//! dialect. There is no fetching of addresses yet and one key, so nothing of either is probed.

mod access;
mod framing;
mod load;
mod names;
mod raw;
mod sources;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::tree::{self, Footprint};
use crate::say;
use crate::serve::{self, Mode, Server};
use crate::tally::Tally;

/// How long a health check may take, under attack and after it.
const PROMPT: Duration = Duration::from_secs(1);
/// What the allocator may keep of a burst, where that is more than a tenth.
const ALLOCATOR_KIB: u64 = 2 * 1024;
/// Slots of a block of 256 uids and the block's own folder, in four hierarchies.
const MOST_CGROUPS: usize = 4 * 256;
/// How long a server may take to give back what a block made it use.
const REST: Duration = Duration::from_secs(30);

/// How much is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Seconds: every kind of probe, few of each.
    Quick,
    /// Minutes: as many as the list asks for.
    Whole,
}

impl Size {
    fn pick(self, quick: usize, whole: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Whole => whole,
        }
    }
}

/// What a block of probes works on.
struct Target<'a> {
    server: &'a Server,
    size: Size,
    tally: Tally,
}

impl Target<'_> {
    /// Counts one probe, and tells what speaks against it.
    fn judge(&mut self, name: &str, verdict: Result<()>) {
        if let Err(error) = &verdict {
            say(&format!("FAILED {name}: {error:#}"));
        }
        self.tally += Tally::of(verdict.is_ok());
    }

    /// The number in a line of `/metrics`.
    fn metric(&self, name: &str) -> Result<u64> {
        let text = self.server.endpoint.get("/metrics")?.body;
        let text = String::from_utf8(text)?;
        let mut found = text.lines().filter_map(|line| {
            let (label, number) = line.rsplit_once(' ')?;
            label.split('{').next().filter(|label| *label == name)?;
            number.parse::<u64>().ok()
        });
        let first = found.next().with_context(|| format!("no {name}"))?;
        Ok(first + found.sum::<u64>())
    }

    /// Executions that have ended, however.
    fn executions(&self) -> Result<u64> {
        self.metric("hognose_executions_total")
    }

    /// A program of somebody else still gets its answer, promptly.
    fn is_prompt(&self) -> Result<()> {
        let took = self.server.is_healthy()?;
        ensure!(took < PROMPT, "a health check took {took:?}");
        Ok(())
    }
}

type Block = (&'static str, fn(&mut Target<'_>) -> Result<()>);

const BLOCKS: &[Block] = &[
    ("names", names::run),
    ("access", access::run),
    ("framing", framing::run),
    ("sources", sources::run),
    ("load", load::run),
];

/// The part of `cargo xtask test`: every kind of probe in a few seconds.
pub(crate) fn quick(root: &Path) -> Result<Tally> {
    say("== hostile requests");
    run(root, Size::Quick)
}

/// Runs every block against one server.
///
/// Errors: the server did not start, or died.
pub(crate) fn run(root: &Path, size: Size) -> Result<Tally> {
    let mut server = serve::start(root, Mode::Caller)?;
    let mut target = Target {
        server: &server,
        size,
        tally: Tally::default(),
    };
    // A first pass makes what is made once, and the largest burst sets what the allocator keeps; what
    // leaks rises again in the second.
    for (name, block) in BLOCKS {
        let ran = block(&mut target);
        target.judge(&format!("block {name}, once before"), ran);
    }
    let base = tree::footprint_at_rest(&server)?;
    let state = listing();
    for (name, block) in BLOCKS {
        let since = Instant::now();
        let ran = block(&mut target);
        target.judge(&format!("block {name}"), ran);
        let took = since.elapsed();
        let rested = is_as_before(&target, base, &state);
        target.judge(&format!("the server after block {name}"), rested);
        say(&format!("{name}: {:.1} s", took.as_secs_f64()));
    }
    let mut tally = target.tally;
    tally += Tally::of(!server.has_ended());
    let log = fs::read_to_string(&server.log).unwrap_or_default();
    let leaks = [server.endpoint.key.as_str(), names::CANARY]
        .into_iter()
        .filter(|secret| log.contains(secret))
        .count();
    tally += Tally::of(leaks == 0);
    if leaks > 0 {
        say(&format!(
            "FAILED the log {} holds a key or a source",
            server.log.display()
        ));
    }
    server.stop()?;
    Ok(tally)
}

/// Errors: what differs from before, once the server has had time to come to rest.
fn is_as_before(target: &Target<'_>, base: Footprint, state: &[String]) -> Result<()> {
    target.is_prompt()?;
    let pid = target.server.pid();
    let deadline = Instant::now() + REST;
    loop {
        let (now, zombies) = (tree::footprint(pid)?, tree::zombies(pid)?);
        let risen = risen(base, now);
        if risen.is_empty() && zombies == 0 {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "{zombies} zombies, and above the base: {risen:?} ({base:?}, now {now:?})"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let now = listing();
    ensure!(now == state, "the state folder changed: {now:?}");
    Ok(())
}

/// What the server uses of the host more than a tenth above its base. Slots are kept for their next
/// use, with their cgroups and the files of these; of them there are no more than a block has uids.
fn risen(base: Footprint, now: Footprint) -> Vec<&'static str> {
    let count = |base: usize, now: usize| now > base + base / 10;
    let apart = |all: Footprint| all.descriptors - all.cgroup_files;
    [
        (
            "memory",
            now.resident_kib > base.resident_kib + (base.resident_kib / 10).max(ALLOCATOR_KIB),
        ),
        ("descriptors", count(apart(base), apart(now))),
        ("processes", count(base.processes, now.processes)),
        ("mounts", count(base.mounts, now.mounts)),
        ("cgroups", now.cgroups > MOST_CGROUPS),
    ]
    .into_iter()
    .filter_map(|(name, risen)| risen.then_some(name))
    .collect()
}

/// The names in the server's state folder and in those of its folders that requests could reach.
fn listing() -> Vec<String> {
    let mut found = Vec::new();
    for folder in serve::state_dir()
        .iter()
        .flat_map(|state| [state.clone(), state.join("environments")])
    {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    found.extend(
        fs::read_dir("/")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().display().to_string()),
    );
    found.sort();
    found
}
