//! `hognose run`: one program, confined, with its output as it comes and its end told truthfully.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use server::RemoteExecutor;
use stepflow_python::{
    Engine, EnvironmentChoice, Event, Execution, ExecutionError, ExecutionReport, ExecutionRequest,
    LimitOverrides, OutputStream, PythonExecutor, ServingUser, Tier,
};

use crate::arguments::RunArguments;
use crate::input::{self, Most};
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
    let mut request = request(arguments, sources).await?;
    request.policy = sources.policy(arguments.policy.as_deref())?;
    request.environment = arguments.choice();
    let runner = Runner::find(arguments, &request.environment, common, sources).await?;
    Ok(Prepared { runner, request })
}

async fn request(arguments: &RunArguments, sources: &Sources) -> anyhow::Result<ExecutionRequest> {
    if arguments.stdin && arguments.path.as_deref() == Some("-") {
        bail!("standard input cannot be both the script and its input: name the script's file");
    }
    let mut limits = LimitOverrides::default();
    for pair in &arguments.limits {
        limits::set_pair(&mut limits, pair)?;
    }
    let policy = sources.limit_policy(&[])?;
    let most = Most::of(&policy, &policy.resolve(&limits)?);
    let program = program::read(arguments, most).await?;
    let stdin = if arguments.stdin {
        let read = move || input::standard(most.input, "standard input").map(Bytes::from);
        let read = tokio::task::spawn_blocking(read).await;
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
///
/// Errors: the execution has no outcome; or its output could not be written, which ends it.
async fn follow(
    mut execution: Execution,
    show: bool,
    mut stop: Stop,
) -> anyhow::Result<(ExecutionReport, Streamed)> {
    let mut streamed = Streamed::default();
    let mut cancelled = false;
    let mut unwritten = None;
    loop {
        tokio::select! {
            event = execution.next() => match event {
                Some(Event::Started) => {}
                Some(Event::Output(stream, bytes)) => {
                    if show && !cancelled && let Err(error) = streamed.pass(stream, &bytes) {
                        execution.cancel();
                        cancelled = true;
                        unwritten = Some((stream, error)).filter(|(_, error)| error.kind() != ErrorKind::BrokenPipe);
                    }
                }
                Some(Event::Finished(report)) => {
                    return match unwritten {
                        None => Ok((*report, streamed)),
                        Some((stream, error)) => Err(error).with_context(|| format!("cannot write to {}", stream_name(stream))),
                    };
                }
                Some(Event::Failed(error)) => return Err(error.into()),
                None => return Err(ExecutionError::Lost { what: "the supervisor task" }.into()),
            },
            () = stop.wanted(), if !cancelled => {
                execution.cancel();
                cancelled = true;
            }
        }
    }
}

fn stream_name(stream: OutputStream) -> &'static str {
    match stream {
        OutputStream::Stdout => "standard output",
        OutputStream::Stderr => "standard error",
    }
}
