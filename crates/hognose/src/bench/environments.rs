//! The default environment beside a requested one with the same numpy, on one server.
//!
//! The requested one is made here, from the package index. Every program runs at two paces: once all
//! pools hold what they should, as for a caller after a quiet moment, and in a loop without pauses,
//! in which a pool may lag behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use server::RemoteExecutor;
use stepflow_python::{
    Dependency, Environment, EnvironmentId, EnvironmentOrder, ProgressSink, PythonExecutor,
};
use tokio::runtime::Handle;

use super::cancel::Cancel;
use super::client::Accept;
use super::lane::{Lane, Remote};
use super::latency::{self, Entry, Measured};
use super::program::{Expected, NUMPY, PRINT};
use super::server::Server;
use super::{Plan, own_program};
use crate::output::note;

/// Longest wait for pools that fill up.
const FILLING: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Name, source and preload of what is run.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("print(1)", PRINT, "bare"),
    ("import numpy", NUMPY, "numpy"),
];
const DEFAULT: &str = "default";
/// The fields by which a request asks for the requested environment.
const REQUESTED: [&str; 2] = ["environment", "packages"];
const RESTED: &str = "rested";
const PACES: [&str; 2] = [RESTED, "in a loop"];

/// Starts a server, makes the environment and runs all rows.
pub(crate) fn measure(plan: &Plan, runtime: &Handle) -> Result<Vec<Measured>> {
    let (setting, cancel) = (&plan.setting, &plan.cancel);
    let server = Server::start(setting, &own_program()?, "environments", None, cancel)?;
    let remote = runtime.block_on(RemoteExecutor::connect(server.socket()))?;
    let remote = remote.context("a server does not listen on its socket")?;
    let numpy = numpy_of(&plan.environment);
    let id = runtime.block_on(async {
        tokio::select! {
            made = create(&remote, &plan.environment, &numpy) => made,
            error = cancelled(cancel) => Err(error),
        }
    })?;
    let wishes = [
        (DEFAULT, json!({})),
        (REQUESTED[0], json!({ REQUESTED[0]: id.to_string() })),
        (REQUESTED[1], json!({ REQUESTED[1]: [numpy] })),
    ];
    let mut entries = Vec::new();
    for pace in PACES {
        for (program, source, preload) in PROGRAMS {
            for (way, wish) in &wishes {
                let mut body = wish.clone();
                body["source"] = source.into();
                let expected = Expected {
                    preload,
                    tier: plan.machine.tier,
                };
                let (endpoint, body) = (server.tcp(), body.to_string());
                let lane = Remote::new(endpoint, server.key(), Accept::Whole, &body, expected);
                let (name, rounds) = (row(way, program, pace), plan.settings.rounds);
                entries.push(if pace == RESTED {
                    Entry::of(&name, rounds, Rested::of(lane, &remote, runtime))
                } else {
                    Entry::of(&name, rounds, lane)
                });
            }
        }
    }
    let measured = latency::measure(&mut entries, cancel)?;
    server.stop()?;
    Ok(measured)
}

/// What is compared: each row of the requested environment with that of the default one.
pub(crate) fn pairs() -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pace in PACES {
        for (program, ..) in PROGRAMS {
            let default = row(DEFAULT, program, pace);
            pairs.extend(REQUESTED.map(|way| (row(way, program, pace), default.clone())));
        }
    }
    pairs
}

fn row(way: &str, program: &str, pace: &str) -> String {
    format!("{way}, {program}, {pace}")
}

/// numpy in the version of the default environment, so that both import the same.
fn numpy_of(environment: &Environment) -> String {
    let mut packages = environment.packages.iter();
    let found = packages.find(|(name, _)| name == "numpy");
    found.map_or("numpy".to_owned(), |(name, version)| {
        format!("{name}=={version}")
    })
}

/// An environment with the default one's minor version of Python, its zygotes warmed.
async fn create(
    remote: &RemoteExecutor,
    default: &Environment,
    requirement: &str,
) -> Result<EnvironmentId> {
    let environments = remote.environments();
    let environments = environments.context("a server has no environments")?;
    let (major, minor, _) = default.interpreter.version;
    let order = EnvironmentOrder {
        python: format!("{major}.{minor}"),
        packages: vec![Dependency::parse(requirement)?],
    };
    let silent: ProgressSink = Arc::new(|_| {});
    let made = environments.create(order, silent).await;
    let made = made.with_context(|| {
        format!("cannot make the environment that is measured, with {requirement}")
    })?;
    let python = default.interpreter.version_text();
    if made.python != python {
        // With root, only what every user may run is offered for requested environments.
        let own = &made.python;
        note(&format!(
            "the requested environment has Python {own}, the default one {python}"
        ));
    }
    let warmed = environments.activate(made.id).await;
    warmed.context("cannot warm an environment")?;
    Ok(made.id)
}

async fn cancelled(cancel: &Cancel) -> anyhow::Error {
    loop {
        if let Err(error) = cancel.check() {
            return error;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A lane whose rounds begin once every pool holds what it should.
struct Rested {
    lane: Remote,
    remote: RemoteExecutor,
    runtime: Handle,
}

impl Rested {
    fn of(lane: Remote, remote: &RemoteExecutor, runtime: &Handle) -> Self {
        Self {
            lane,
            remote: remote.clone(),
            runtime: runtime.clone(),
        }
    }
}

impl Lane for Rested {
    fn prepare(&mut self) -> Result<()> {
        self.lane.prepare()
    }

    fn round(&mut self) -> Result<Vec<Duration>> {
        self.runtime.block_on(filled(&self.remote))?;
        self.lane.round()
    }
}

async fn filled(server: &RemoteExecutor) -> Result<()> {
    let deadline = Instant::now() + FILLING;
    while Instant::now() < deadline {
        let pools = server.pools().await;
        // Where nobody has launched a zygote nothing waits.
        let mut used = pools.iter().filter(|pool| pool.zygotes > 0).peekable();
        if used.peek().is_some() && used.all(|pool| pool.ready >= pool.wanted) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("the pools of a server did not fill up within {FILLING:?}")
}
