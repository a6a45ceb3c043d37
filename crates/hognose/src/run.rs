//! `hognose run`: one program, confined, with its output as it comes and its end told truthfully.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use server::RemoteExecutor;
use stepflow_python::{
    Engine, EnvironmentChoice, Event, Execution, ExecutionError, ExecutionReport, ExecutionRequest,
    LimitOverrides, PythonExecutor, ServingUser, Tier,
};

use crate::arguments::RunArguments;
use crate::report::{self, Streamed};
use crate::settings::{Common, Sources};
use crate::signals::Stop;
use crate::start;
use crate::{exit, limits, program};

/// Longest wait for our engine to clean up after the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs the script and returns the exit code.
pub(crate) async fn run(arguments: RunArguments, sources: &Sources) -> anyhow::Result<u8> {
    let common = sources.common(&arguments.common)?;
    sources.check_executor()?;
    let mut stop = Stop::watch()?;
    let prepared = tokio::select! {
        prepared = prepare(&arguments, &common, sources) => prepared?,
        () = stop.wanted() => return Ok(exit::CANCELLED),
    };
    let Prepared { runner, request } = prepared;
    let show = Show {
        json: arguments.json,
        output: &arguments.output,
    };
    let executor = runner.executor.as_ref();
    let ended = supervise(&show, executor, executor.start(request), stop).await;
    runner.leave().await;
    ended
}

/// Everything that is needed before anything starts.
struct Prepared {
    runner: Runner,
    request: ExecutionRequest,
}

async fn prepare(
    arguments: &RunArguments,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<Prepared> {
    let mut request = request(arguments).await?;
    request.policy = sources.policy(arguments.policy.as_deref())?;
    request.environment = arguments.choice();
    let runner = Runner::find(arguments, &request.environment, common, sources).await?;
    Ok(Prepared { runner, request })
}

async fn request(arguments: &RunArguments) -> anyhow::Result<ExecutionRequest> {
    if arguments.stdin && arguments.path.as_deref() == Some("-") {
        bail!("standard input cannot be both the script and its input: name the script's file");
    }
    let mut limits = LimitOverrides::default();
    for pair in &arguments.limits {
        limits::set_pair(&mut limits, pair)?;
    }
    let program = program::read(arguments).await?;
    let stdin = if arguments.stdin {
        let read = tokio::task::spawn_blocking(read_stdin).await;
        Some(read.context("cannot read standard input")??)
    } else {
        None
    };
    Ok(ExecutionRequest {
        source: program.source,
        entry: program.entry,
        stdin,
        args: arguments.arguments.clone(),
        files: program.files,
        limits,
        // The executor scans the source for its hints; the level is a setting.
        ..Default::default()
    })
}

fn read_stdin() -> anyhow::Result<Bytes> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    Ok(bytes.into())
}

/// What runs the script: a server of this state folder, or an engine of our own.
struct Runner {
    executor: Arc<dyn PythonExecutor>,
    engine: Option<Engine>,
}

impl Runner {
    /// A server serves unless something was asked for that only an engine of our own can promise.
    async fn find(
        arguments: &RunArguments,
        environment: &EnvironmentChoice,
        common: &Common,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        if !arguments.no_server && arguments.common.python.is_none() {
            let found = RemoteExecutor::connect(&common.socket()).await;
            let found = found.context("give --no-server to run without a server")?;
            if let Some(server) = found.filter(|server| serves(server, common.min_tier)) {
                let executor = Arc::new(server);
                return Ok(Self {
                    executor,
                    engine: None,
                });
            }
        }
        // Whoever builds gives up root first, and could not write the script's files here afterwards.
        if *environment != EnvironmentChoice::Default && ServingUser::is_needed() {
            bail!(
                "as root, `--environment` and `--package` need a server: start `hognose serve` on this state folder, or be an ordinary user"
            );
        }
        let (engine, executor) = start::executor_for(environment, common, sources).await?;
        Ok(Self {
            executor: Arc::new(executor),
            engine: Some(engine),
        })
    }

    /// Waits until our engine has removed what it made.
    async fn leave(self) {
        // Its clone of the engine has to be gone before the engine can leave.
        drop(self.executor);
        if let Some(engine) = self.engine {
            engine.shutdown(FAREWELL).await;
        }
    }
}

/// Whether a server confines as well as was asked for.
pub(crate) fn serves(server: &RemoteExecutor, min_tier: Tier) -> bool {
    server
        .capabilities()
        .isolation
        .tier
        .parse()
        .is_ok_and(|tier: Tier| tier >= min_tier)
}

/// How an execution is told.
pub(crate) struct Show<'a> {
    /// One JSON object at the end, and nothing before.
    pub(crate) json: bool,
    /// Where its files go.
    pub(crate) output: &'a Path,
}

/// From the start, which `executor` makes, to the last line.
pub(crate) async fn supervise(
    show: &Show<'_>,
    executor: &dyn PythonExecutor,
    start: impl Future<Output = Result<Execution, ExecutionError>>,
    mut stop: Stop,
) -> anyhow::Result<u8> {
    let execution = tokio::select! {
        started = start => started?,
        () = stop.wanted() => return Ok(exit::CANCELLED),
    };
    let (report, mut streamed) = follow(execution, !show.json, stop).await?;
    let written = report::write_artifacts(executor, &report, show.output).await;
    let code = exit::code(&report.outcome);
    if show.json {
        report::print_json(report, &written)?;
    } else {
        streamed.finish(&report);
        report::tell(&report, &written);
    }
    let failed = written.into_iter().find_map(|one| one.place.err());
    failed.map_or(Ok(code), Err)
}

/// Passes output on until the end. A reader of ours that went away ends the execution.
async fn follow(
    mut execution: Execution,
    show: bool,
    mut stop: Stop,
) -> Result<(ExecutionReport, Streamed), ExecutionError> {
    let mut streamed = Streamed::default();
    let mut cancelled = false;
    loop {
        tokio::select! {
            event = execution.next() => match event {
                Some(Event::Started) => {}
                Some(Event::Output(stream, bytes)) => {
                    if show && !cancelled && streamed.pass(stream, &bytes).is_err() {
                        execution.cancel();
                        cancelled = true;
                    }
                }
                Some(Event::Finished(report)) => return Ok((*report, streamed)),
                Some(Event::Failed(error)) => return Err(error),
                None => return Err(ExecutionError::Lost { what: "the supervisor task" }),
            },
            () = stop.wanted(), if !cancelled => {
                execution.cancel();
                cancelled = true;
            }
        }
    }
}
