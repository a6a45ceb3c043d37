//! Ways to have one program run once, each timed from the request to the last byte of its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stepflow_python::{EngineExecutor, Event, ExecutionReport, ExecutionRequest, PythonExecutor};
use tokio::runtime::Handle;

use super::client::{Accept, Connection, Endpoint};
use super::program::{self, Expected, PRINTED};

/// What can be measured round by round.
pub(crate) trait Lane {
    /// Gets ready for a block of rounds; not measured.
    fn prepare(&mut self) -> Result<()>;

    /// One round: the time of each of the lane's rows.
    ///
    /// Errors: it failed, or the answer was not the right one; then there is no figure.
    fn round(&mut self) -> Result<Vec<Duration>>;
}

/// A lane whose caller takes a moment before each round, as one that does something with the answers.
pub(crate) struct Paused<L>(pub(crate) L);

/// Long enough for a server to have made another child meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

impl<L: Lane> Lane for Paused<L> {
    fn prepare(&mut self) -> Result<()> {
        self.0.prepare()
    }

    fn round(&mut self) -> Result<Vec<Duration>> {
        std::thread::sleep(PAUSE);
        self.0.round()
    }
}

/// A keep-alive connection to a server, with whole answers or events.
pub(crate) struct Remote {
    endpoint: Endpoint,
    request: Vec<u8>,
    accept: Accept,
    expected: Expected,
    connection: Option<Connection>,
}

impl Remote {
    pub(crate) fn new(
        endpoint: Endpoint,
        key: &str,
        accept: Accept,
        body: &str,
        expected: Expected,
    ) -> Self {
        let request = endpoint.request(key, accept, body);
        Self {
            endpoint,
            request,
            accept,
            expected,
            connection: None,
        }
    }
}

impl Lane for Remote {
    /// A server closes a connection that was silent while other lanes had their blocks.
    fn prepare(&mut self) -> Result<()> {
        self.connection = Some(self.endpoint.connect()?);
        Ok(())
    }

    /// Rows: the whole answer; or, of events, the first output and the end.
    fn round(&mut self) -> Result<Vec<Duration>> {
        let connection = self
            .connection
            .as_mut()
            .context("a lane without connection")?;
        let mut first = None;
        let watches = self.accept == Accept::Events;
        let asked = Instant::now();
        let status = connection.exchange(&self.request, |body| {
            if watches && first.is_none() && program::has_output(body) {
                first = Some(asked.elapsed());
            }
        })?;
        let whole = asked.elapsed();
        if !watches {
            self.expected.require(status, connection.body())?;
            return Ok(vec![whole]);
        }
        if status != 200 {
            return self
                .expected
                .require(status, connection.body())
                .map(|()| vec![]);
        }
        let answer = program::finished(connection.body())?;
        self.expected.require(status, answer)?;
        let first = first.context("an execution streamed no output")?;
        Ok(vec![first, whole])
    }
}

/// The executor of this very process.
pub(crate) struct Local {
    executor: Arc<EngineExecutor>,
    runtime: Handle,
    source: &'static str,
    expected: Expected,
}

impl Local {
    pub(crate) fn new(
        executor: Arc<EngineExecutor>,
        runtime: Handle,
        source: &'static str,
        expected: Expected,
    ) -> Self {
        Self {
            executor,
            runtime,
            source,
            expected,
        }
    }
}

impl Lane for Local {
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    fn round(&mut self) -> Result<Vec<Duration>> {
        let request = ExecutionRequest {
            source: self.source.to_owned(),
            ..ExecutionRequest::default()
        };
        let asked = Instant::now();
        let report = self
            .runtime
            .block_on(run(self.executor.as_ref(), request))?;
        let whole = asked.elapsed();
        let printed = report.stdout.text().0;
        let kind = report.outcome.kind();
        self.expected
            .require_end(kind, report.tier, &report.preload)?;
        if printed != PRINTED {
            bail!("an execution printed {printed:?}");
        }
        Ok(vec![whole])
    }
}

async fn run(executor: &dyn PythonExecutor, request: ExecutionRequest) -> Result<ExecutionReport> {
    let mut execution = executor.start(request).await?;
    loop {
        match execution.next().await {
            Some(Event::Started | Event::Output(..)) => {}
            Some(Event::Finished(report)) => return Ok(*report),
            Some(Event::Failed(error)) => return Err(error.into()),
            None => bail!("an execution ended without a word"),
        }
    }
}
