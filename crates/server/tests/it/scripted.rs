//! An executor that does what the first word of the source says, and counts what happened.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use stepflow_python::{
    Artifact, ArtifactContent, Capabilities, CapturedOutput, EnvironmentService, Event, Exception,
    Execution, ExecutionError, ExecutionId, ExecutionReport, ExecutionRequest, ExecutorDescription,
    Finding, ForkKind, FunctionRequest, HistogramReading, HistoryService, Isolation, Layer,
    LayerState, LimitPolicy, Limits, MetricFamily, MetricReading, MetricSeries, MetricType,
    Outcome, OutputStream, Package, ParserDescription, PoolStatus, PythonConfig, PythonError,
    PythonExecutor, PythonRequest, PythonResponse, ScriptRequest, Span, ToolService, Tools, Usage,
    ValidationResult, Value,
};
use tokio::sync::{Notify, mpsc, oneshot};

/// An execution whose artifacts exist.
pub(crate) const KNOWN_ID: &str = "6fa459ea-ee8a-4ca4-894e-db77e160355e";

/// Does what the first word of the source says.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) started: AtomicUsize,
    pub(crate) killed: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    pub(crate) changed: Arc<Notify>,
    pub(crate) sources: Mutex<Vec<String>>,
    pub(crate) requests: Mutex<Vec<ExecutionRequest>>,
    pub(crate) tools: Option<Tools>,
    /// Of each request that was started, whether it gives way.
    pub(crate) gave_way: Mutex<Vec<bool>>,
    /// Of each request that was started, what is run, where, and by whom.
    pub(crate) entries: Mutex<Vec<String>>,
    /// Slots beside the two that it has anyway.
    pub(crate) more_slots: usize,
    pub(crate) sick: bool,
}

impl Scripted {
    /// Waits until `counter` is at least `least`.
    pub(crate) async fn until(&self, counter: &AtomicUsize, least: usize) {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if counter.load(Ordering::SeqCst) >= least {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), reached)
            .await
            .expect("the executor saw it in time");
    }
}

pub(crate) fn report(id: ExecutionId, outcome: Outcome, stdout: &[u8]) -> ExecutionReport {
    ExecutionReport {
        id,
        outcome,
        exit: None,
        stdout: CapturedOutput {
            head: Bytes::copy_from_slice(stdout),
            ..Default::default()
        },
        stderr: CapturedOutput::default(),
        artifacts: vec![artifact("dir/p\u{e4}.png", b"png")],
        skipped: vec![],
        usage: Usage {
            wall: Duration::from_micros(1500),
            cpu: Duration::from_micros(250),
            memory_peak_bytes: 9,
        },
        limits: Limits::default(),
        start: Duration::from_micros(700),
        tier: "full",
        preload: "bare".to_owned(),
    }
}

pub(crate) fn artifact(name: &str, content: &[u8]) -> Artifact {
    Artifact {
        name: name.to_owned(),
        media_type: if name.ends_with(".html") {
            "text/html"
        } else {
            "image/png"
        }
        .to_owned(),
        size_bytes: content.len() as u64,
        sha256: "ab".repeat(32),
        escaped: false,
        collected_at: SystemTime::UNIX_EPOCH,
    }
}

/// What it has against a source that asks for its level.
pub(crate) fn finding(level: &str) -> Finding {
    Finding {
        code: "level".to_owned(),
        message: level.to_owned(),
        span: Span {
            line: 1,
            column: 2,
            end_line: 3,
            end_column: 4,
        },
        excerpt: "é".to_owned(),
        suggestion: Some("another".to_owned()),
    }
}

/// The one pool it says it has.
pub(crate) fn pool() -> PoolStatus {
    PoolStatus {
        environment: "ab".repeat(32),
        preload: "bare".into(),
        fork: ForkKind::Snapshot,
        ready: 1,
        wanted: 2,
        child_bytes: 3,
        leases_ready: 4,
        leases_fresh: 5,
        refills: 6,
        zygotes: 7,
        recycles: 9,
        lost: 8,
    }
}

/// The one thing it says it has counted.
pub(crate) fn family() -> MetricFamily {
    let reading = HistogramReading {
        buckets: vec![(0.5, 1), (f64::INFINITY, 3)],
        sum: 4.25,
    };
    MetricFamily {
        name: "scripted_seconds".into(),
        description: "Times.".into(),
        unit: "seconds".into(),
        metric_type: MetricType::Histogram,
        series: vec![MetricSeries {
            labels: vec![("outcome".into(), "raised".into())],
            changed: SystemTime::UNIX_EPOCH + Duration::from_millis(7),
            reading: MetricReading::Distribution(reading),
        }],
    }
}

struct Counters(Arc<Scripted>);

async fn play(
    scripted: Counters,
    id: ExecutionId,
    source: String,
    events: mpsc::Sender<Event>,
    mut cancel: oneshot::Receiver<()>,
) {
    let scripted = scripted.0;
    let _ = events.send(Event::Started).await;
    let out = |stream, bytes: &'static [u8]| Event::Output(stream, Bytes::from_static(bytes));
    let last = match source.split_whitespace().next() {
        Some("sleep") => {
            let _ = events.send(out(OutputStream::Stdout, b"first")).await;
            let asked = (&mut cancel).await.is_ok();
            let counter = if asked {
                &scripted.cancelled
            } else {
                &scripted.killed
            };
            counter.fetch_add(1, Ordering::SeqCst);
            scripted.changed.notify_waiters();
            Event::Finished(Box::new(report(id, Outcome::Cancelled, b"first")))
        }
        Some("fail") => Event::Failed(ExecutionError::Lost { what: "the zygote" }),
        Some("raise") => {
            let exception = Exception {
                kind: "ValueError".into(),
                message: "no".into(),
                ..Default::default()
            };
            Event::Finished(Box::new(report(id, Outcome::Raised(exception), b"")))
        }
        _ => {
            let _ = events.send(out(OutputStream::Stdout, b"h\xc3")).await;
            let _ = events.send(out(OutputStream::Stderr, b"e\xff")).await;
            let _ = events.send(out(OutputStream::Stdout, b"\xa9\n")).await;
            let value = Value {
                repr: Some("1".into()),
                json: Some(1.into()),
                ..Default::default()
            };
            Event::Finished(Box::new(report(
                id,
                Outcome::Completed(value),
                "h\u{e9}\n".as_bytes(),
            )))
        }
    };
    let _ = events.send(last).await;
}

/// The executor the doors hold.
pub(crate) struct Handle(pub(crate) Arc<Scripted>);

#[async_trait]
impl PythonExecutor for Handle {
    async fn execute_code(&self, _: PythonRequest) -> Result<PythonResponse, PythonError> {
        unreachable!("doors call only `start`")
    }

    async fn execute_function(&self, _: FunctionRequest) -> Result<PythonResponse, PythonError> {
        unreachable!("doors call only `start`")
    }

    async fn execute_script(&self, _: ScriptRequest) -> Result<PythonResponse, PythonError> {
        unreachable!("doors call only `start`")
    }

    async fn validate_environment(
        &self,
        _: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        unreachable!("doors call only `start`")
    }

    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        assert_eq!(request.imports, BTreeSet::new());
        if request.source == "busy" {
            return Err(ExecutionError::Saturated {
                waited: Duration::from_secs(1),
            });
        }
        let (id, (sender, events), (cancel, cancelled)) =
            (ExecutionId::random(), mpsc::channel(4), oneshot::channel());
        self.0.sources.lock().unwrap().push(request.source.clone());
        self.0.requests.lock().unwrap().push(request.clone());
        self.0.gave_way.lock().unwrap().push(request.gives_way);
        let entry = serde_json::to_string(&request.entry).unwrap();
        let entry = format!("{entry} {:?} {:?}", request.directory, request.executor);
        self.0.entries.lock().unwrap().push(entry);
        if request.source == "reject" {
            let rejected = report(id, Outcome::Rejected(vec![]), b"");
            return Ok(Execution::ended(id, Event::Finished(Box::new(rejected))));
        }
        if request.source == "level" {
            let finding = finding(request.policy.name());
            let rejected = report(id, Outcome::Rejected(vec![finding]), b"");
            return Ok(Execution::ended(id, Event::Finished(Box::new(rejected))));
        }
        tokio::spawn(play(
            Counters(Arc::clone(&self.0)),
            id,
            request.source,
            sender,
            cancelled,
        ));
        self.0.started.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        Ok(Execution::new(id, events, cancel))
    }

    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent> {
        let known =
            id.to_string() == KNOWN_ID && matches!(name, "dir/p\u{e4}.png" | "x.html" | "a%2fb");
        known.then(|| ArtifactContent {
            artifact: artifact(name, b"<script>"),
            content: Bytes::from_static(b"<script>"),
        })
    }

    fn capabilities(&self) -> Capabilities {
        let package = |name: &str| Package {
            name: name.to_owned(),
            version: "1".to_owned(),
        };
        let layer = |name, state| Layer {
            name,
            state,
            detail: "d".to_owned(),
            meaning: "m".to_owned(),
            mend: (state == LayerState::Missing).then(|| "mend it".to_owned()),
        };
        Capabilities {
            python_version: "3.11.7".to_owned(),
            packages: vec![package("numpy"), package("Pillow"), package("attrs")],
            max_concurrency: 2 + self.0.more_slots,
            limits: LimitPolicy::default(),
            isolation: Isolation {
                tier: "full",
                layers: vec![
                    layer("seccomp", LayerState::Enforced),
                    layer("landlock", LayerState::Missing),
                ],
            },
            executors: vec![ExecutorDescription {
                name: "native".to_owned(),
                versions: vec!["3.11.7".to_owned()],
            }],
            parsers: vec![ParserDescription {
                name: "native".to_owned(),
                features: vec!["imports".to_owned()],
            }],
        }
    }

    fn environments(&self) -> Option<Arc<dyn EnvironmentService>> {
        Some(Arc::new(crate::environments::Scripted::default()))
    }

    fn tools(&self) -> Option<Arc<dyn ToolService>> {
        Some(Arc::new(self.0.tools.clone()?))
    }

    fn history(&self) -> Option<Arc<dyn HistoryService>> {
        Some(Arc::new(crate::history::Scripted))
    }

    async fn pools(&self) -> Vec<PoolStatus> {
        vec![pool()]
    }

    async fn metrics(&self) -> Vec<MetricFamily> {
        vec![family()]
    }

    async fn health(&self) -> Result<(), String> {
        if self.0.sick {
            Err("the zygote at /srv/kit died".to_owned())
        } else {
            Ok(())
        }
    }
}
