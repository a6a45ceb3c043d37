//! Watches one execution from the hand-over of the program to the death of its tree.
//!
//! It gathers evidence and decides nothing. The tree dies by one means, whoever asks for it: the
//! lifeline is cut, init leaves, the kernel kills the namespace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sandbox::control::{LeaseHeader, Plain};
use sandbox::sys::process::Reaped;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use wire::report::ReportDecoder;

use crate::capture::Capture;
use crate::error::ExecutionError;
use crate::execution::{Event, Stream};
use crate::lease::{Ready, rlimit_processes};
use crate::limits::{Limits, Usage};
use crate::outcome::{CapturedOutput, ExitStatus, Limit};
use crate::request::ExecutionRequest;
use crate::sample;
use crate::slot::{Counters, Slot};
use crate::spawner::host;

/// Least time between two looks at the CPU clock, and between two samples of memory.
const SAMPLE: Duration = Duration::from_millis(20);

/// How long an init that was killed from outside may take to end after its namespace.
const INIT_LAST_WORDS: Duration = Duration::from_millis(100);
/// Source: signal(7).
const SIGKILL: i32 = 9;

/// What was seen of an execution whose tree is dead.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) cancelled: bool,
    pub(crate) killed_for: Option<Limit>,
    pub(crate) exit: ExitStatus,
    pub(crate) counters: Counters,
    pub(crate) report: Option<wire::report::ReportFrame>,
    pub(crate) stdout: CapturedOutput,
    pub(crate) stderr: CapturedOutput,
    pub(crate) usage: Usage,
    pub(crate) output: std::os::fd::OwnedFd,
    pub(crate) empty_size: i64,
}

/// Hands the program over and watches until the whole tree is dead.
///
/// `cancel` resolves when the caller asks for the end or goes away.
pub(crate) async fn supervise(
    ready: Ready,
    slot: &Slot,
    request: &ExecutionRequest,
    limits: &Limits,
    events: &mpsc::Sender<Event>,
    cancel: &mut oneshot::Receiver<()>,
) -> Result<Observed, ExecutionError> {
    let Ready {
        child,
        pid,
        init,
        init_pid,
        mut lifeline,
        stdin,
        stdout,
        stderr,
        report,
        request: requests,
        output,
        empty_size,
        nonce,
    } = ready;
    let flood = Arc::new(Flood {
        written: AtomicU64::new(0),
        hard_bytes: limits.output_hard_bytes,
        burst: Notify::new(),
    });
    let out = read_stream(
        stdout,
        Stream::Stdout,
        limits.output_bytes,
        &flood,
        events.clone(),
    );
    let err = read_stream(
        stderr,
        Stream::Stderr,
        limits.output_bytes,
        &flood,
        events.clone(),
    );
    let said = tokio::spawn(read_report(report));
    let handing = tokio::spawn(hand_over(requests, lease_bytes(request, slot, limits)));
    let feeding = stdin.map(|pipe| {
        tokio::spawn(hand_over(
            pipe,
            vec![request.stdin.clone().unwrap_or_default()],
        ))
    });
    let began = Instant::now();
    let watch = Watch {
        slot,
        limits,
        pid,
        init_pid,
        began,
    };
    let mut killed_for = None;
    let mut cancelled = false;
    let mut seen = sample::Sample::default();
    let reaped = loop {
        tokio::select! {
            biased;
            reaped = child.ended() => break reaped,
            // Without init nobody holds the tree together: a failure of ours, not of the program.
            _ = init.ended() => {
                lifeline.cut();
                let _ = child.ended().await;
                return Err(ExecutionError::Lost { what: "the sandbox's init" });
            }
            _ = &mut *cancel, if !cancelled => cancelled = true,
            () = flood.burst.notified() => killed_for = killed_for.or(Some(Limit::Output)),
            limit = watch.next_limit(&mut seen), if killed_for.is_none() => killed_for = Some(limit),
        }
        lifeline.cut();
    };
    let reaped = reaped.map_err(|error| host("reap the child", &error))?;
    let wall = began.elapsed();
    if unexplained_kill(&reaped, cancelled, killed_for, slot) {
        // Init takes its namespace along, and ends after it: had it been killed from outside, it
        // would end now without our doing, and the program would be innocent.
        if tokio::time::timeout(INIT_LAST_WORDS, init.ended())
            .await
            .is_ok()
        {
            return Err(ExecutionError::Lost {
                what: "the sandbox's init",
            });
        }
    }
    // The first process is gone; what it left behind goes now, and with it every pipe's writer.
    lifeline.cut();
    init.ended()
        .await
        .map_err(|error| host("reap the sandbox's init", &error))?;
    handing.abort();
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    let counters = slot.counters();
    let (cpu, memory_peak_bytes) = if slot.has_cgroups() {
        (counters.cpu, counters.memory_peak_bytes)
    } else {
        (
            seen.cpu.max(Duration::from_micros(reaped.cpu_us)),
            seen.memory_bytes,
        )
    };
    let usage = Usage {
        wall,
        cpu,
        memory_peak_bytes,
    };
    Ok(Observed {
        cancelled,
        killed_for,
        exit: reaped.exited.map_or_else(
            || ExitStatus::Signaled(reaped.signaled.unwrap_or(0)),
            ExitStatus::Exited,
        ),
        counters,
        report: said
            .await
            .ok()
            .and_then(|decoder| decoder.finish(&nonce).ok()),
        stdout: out
            .await
            .map_or_else(|_| CapturedOutput::default(), Capture::finish),
        stderr: err
            .await
            .map_or_else(|_| CapturedOutput::default(), Capture::finish),
        usage,
        output,
        empty_size,
    })
}

/// Whether the first process died by SIGKILL although neither we nor the kernel's memory killer
/// did it: its own doing, or its init's death.
fn unexplained_kill(
    reaped: &Reaped,
    cancelled: bool,
    killed_for: Option<Limit>,
    slot: &Slot,
) -> bool {
    let killed = reaped.signaled == Some(SIGKILL);
    killed && !cancelled && killed_for.is_none() && slot.counters().oom_kills == 0
}

/// What the clock, the CPU counter and the sampler say about limits.
struct Watch<'a> {
    slot: &'a Slot,
    limits: &'a Limits,
    pid: i32,
    init_pid: i32,
    began: Instant,
}

impl Watch<'_> {
    /// Waits until a limit is broken.
    async fn next_limit(&self, seen: &mut sample::Sample) -> Limit {
        loop {
            let left = self.limits.wall.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return Limit::Wall;
            }
            let used = self.slot.counters().cpu;
            if self.slot.has_cgroups() && used >= self.limits.cpu {
                return Limit::Cpu;
            }
            if !self.slot.has_cgroups() {
                let sample = sample::tree(&[self.pid, self.init_pid]);
                seen.memory_bytes = seen.memory_bytes.max(sample.memory_bytes);
                seen.cpu = seen.cpu.max(sample.cpu);
                if sample.memory_bytes > self.limits.memory_bytes {
                    return Limit::Memory;
                }
                if sample.cpu >= self.limits.cpu {
                    return Limit::Cpu;
                }
                tokio::time::sleep(left.min(SAMPLE)).await;
                continue;
            }
            // With every processor busy the CPU limit cannot be reached sooner than this.
            let soonest = self.limits.cpu.saturating_sub(used) / processors();
            tokio::time::sleep(left.min(soonest.max(SAMPLE))).await;
        }
    }
}

fn processors() -> u32 {
    std::thread::available_parallelism()
        .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// Counts what a guest writes and raises the alarm past the hard cap.
struct Flood {
    written: AtomicU64,
    hard_bytes: u64,
    burst: Notify,
}

fn read_stream(
    mut pipe: pipe::Receiver,
    stream: Stream,
    cap_bytes: u64,
    flood: &Arc<Flood>,
    events: mpsc::Sender<Event>,
) -> JoinHandle<Capture> {
    let flood = Arc::clone(flood);
    tokio::spawn(async move {
        let mut capture = Capture::new(cap_bytes);
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let written = flood.written.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
            if written > flood.hard_bytes {
                flood.burst.notify_one();
            }
            let unbroken = capture.push(&buffer[..count]);
            if unbroken > 0 {
                // Waiting here is the back-pressure: a slow reader slows the guest, not our memory.
                let _ = events
                    .send(Event::Output(
                        stream,
                        Bytes::copy_from_slice(&buffer[..unbroken]),
                    ))
                    .await;
            }
        }
        capture
    })
}

async fn read_report(mut pipe: pipe::Receiver) -> ReportDecoder {
    let mut decoder = ReportDecoder::new();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        decoder.push(&buffer[..count]);
    }
    decoder
}

/// Lease header, request header, source and files, in the order in which they are read.
fn lease_bytes(request: &ExecutionRequest, slot: &Slot, limits: &Limits) -> Vec<Bytes> {
    let header = LeaseHeader {
        file_bytes: limits.workdir_bytes,
        cpu_seconds: limits.cpu.as_secs() + 1,
        processes: rlimit_processes(slot, limits).into(),
    };
    let names: Vec<(&str, usize)> = request
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.content.len()))
        .collect();
    let head = wire::request::encode_request(&request.source, &request.args, &names);
    let mut parts = vec![
        Bytes::copy_from_slice(header.bytes()),
        head.into(),
        Bytes::from(request.source.clone()),
    ];
    parts.extend(request.files.iter().map(|file| file.content.clone()));
    parts
}

/// Writes everything and closes the pipe. A reader that is gone is its own affair.
async fn hand_over(mut pipe: pipe::Sender, parts: Vec<Bytes>) {
    for part in parts {
        if pipe.write_all(&part).await.is_err() {
            return;
        }
    }
}
