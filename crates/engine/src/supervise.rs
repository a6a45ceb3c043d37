//! Watches one execution from the hand-over of the program to the death of its tree.
//!
//! It gathers evidence and decides nothing. The tree dies by one means, whoever asks for it: the
//! lifeline is cut, init leaves, the kernel kills the namespace.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use sandbox::sample::{Before, Sample};
use sandbox::sys::process::Reaped;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use wire::report::ReportFrame;

use crate::capture::Capture;
use crate::error::ExecutionError;
use crate::execution::{Event, Stream};
use crate::hand_over::{HandedOver, cpu_most_seconds, hand_over};
use crate::lease::{Lifeline, Mounts, Ready};
use crate::limits::{Limits, Usage};
use crate::outcome::{CapturedOutput, ExitStatus, Limit};
use crate::pace::{Pace, YOUNG_CPU, processors};
use crate::process::Watched;
use crate::request::ExecutionRequest;
use crate::sampler::{Sampler, Tree};
use crate::slot::{BRIEF, Counters, DYING, Slot};
use crate::spawner::host;
use crate::streams::{Flood, read_output, read_report};
use crate::witness::Witness;

/// Least time between two looks at the CPU clock, and between two samples of memory.
const SAMPLE: Duration = Duration::from_millis(20);
/// Refused forks after which a tree is killed: by then it does nothing but try again. Thousands of
/// such processes would hold kernel locks that every other execution has to wait for.
const MOST_REFUSED_FORKS: u64 = 100;
/// How often a tree that gives way, or has done so, is looked at.
const OLD_LOOK: Duration = Duration::from_millis(100);
/// How long an init that was killed from outside may take to end after its namespace.
const INIT_LAST_WORDS: Duration = Duration::from_millis(100);
/// How long the ends of the pipes of an ended program may take to be noticed.
const LAST_BYTES: Duration = Duration::from_millis(5);
/// Source: signal(7).
const SIGKILL: i32 = 9;

/// What was seen of an execution all of whose processes are gone.
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
    pub(crate) empty_size: i64,
}

impl Observed {
    /// Whether the report claims that the program completed.
    pub(crate) fn says_completed(&self) -> bool {
        matches!(self.report, Some(ReportFrame::Completed { .. }))
    }

    /// Whether the kernel killed a process of it for memory although it was far from its own
    /// limit. A charge that fails at that limit leaves a peak just below it.
    pub(crate) fn is_victim_of_the_host(&self, limits: &Limits) -> bool {
        let own = !self.cancelled && self.killed_for.is_none();
        let within = self.counters.memory_peak_bytes < limits.memory_bytes / 10 * 9;
        own && self.counters.oom_kills > 0 && within
    }
}

/// What is left of an execution whose first process is gone. Closing it takes a good part of a
/// millisecond, so that comes after the answer.
#[derive(Debug)]
pub(crate) struct Remains {
    init: Option<(Watched, Lifeline)>,
    mounts: Mounts,
    /// The output folder, opened before any user code.
    pub(crate) output: OwnedFd,
    _pipes: [pipe::Receiver; 3],
    _handed: HandedOver,
    _child: Watched,
    _witness: Witness,
}

impl Remains {
    /// Kills what is left of the tree; when this returns no process of it is there any more.
    pub(crate) async fn end_tree(&mut self, slot: &Slot) -> Result<(), ExecutionError> {
        end_tree(&mut self.init, slot).await.map(drop)
    }

    /// Waits until nothing at all is left.
    pub(crate) async fn gone(mut self, slot: &Slot) {
        // It can only fail to be reaped if somebody else has reaped it.
        let _ = slot.giving_way_for(BRIEF, self.end_tree(slot)).await;
        let Self { mounts, output, .. } = self;
        drop(output);
        mounts.gone().await;
    }
}

/// Cuts the lifeline and waits for init. The CPU time is that of the orphans whom init has waited for.
async fn end_tree(
    init: &mut Option<(Watched, Lifeline)>,
    slot: &Slot,
) -> Result<Duration, ExecutionError> {
    let Some((init, mut lifeline)) = init.take() else {
        return Ok(Duration::ZERO);
    };
    lifeline.cut();
    let ended = slot.giving_way_for(DYING, init.ended()).await;
    let reaped = ended.map_err(|error| host("reap the sandbox's init", &error))?;
    Ok(Duration::from_micros(reaped.cpu_us))
}

/// Hands the program over and watches until no process of it is left.
///
/// `cancel` resolves when the caller asks for the end or goes away.
pub(crate) async fn supervise(
    ready: Ready,
    slot: &Slot,
    sampler: &Sampler,
    request: &ExecutionRequest,
    limits: &Limits,
    events: &mpsc::Sender<Event>,
    cancel: &mut oneshot::Receiver<()>,
) -> Result<(Observed, Remains), ExecutionError> {
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
        mounts,
        witness,
        nonce,
    } = ready;
    let flood = Flood::new(limits.output_hard_bytes);
    let cap = limits.output_bytes;
    let reading = async {
        tokio::join!(
            read_output(stdout, Stream::Stdout, cap, &flood, events),
            read_output(stderr, Stream::Stderr, cap, &flood, events),
            read_report(report),
        )
    };
    tokio::pin!(reading);
    let mut read = None;
    // With cgroups, they begin at nothing.
    let before = match slot.has_cgroups() {
        true => Before::default(),
        false => Before::of(pid, init_pid),
    };
    let began = Instant::now();
    let handed = hand_over(requests, stdin, request, slot, limits);
    let watch = Watch {
        slot,
        tree: sampler.tree(pid, init_pid, limits.memory_bytes),
        limits,
        began,
        before,
    };
    let mut killed_for = None;
    let mut cancelled = false;
    let mut seen = Sample::default();
    let mut pace = Pace::new(began, slot.gives_way());
    let dead = loop {
        tokio::select! {
            biased;
            over = child.over() => break over,
            all = &mut reading, if read.is_none() => { read = Some(all); continue; }
            // Without init nobody holds the tree together: a failure of ours, not of the program.
            _ = init.ended() => {
                lifeline.cut();
                let _ = child.ended().await;
                return Err(ExecutionError::Lost { what: "the sandbox's init" });
            }
            _ = &mut *cancel, if !cancelled => cancelled = true,
            () = flood.burst.notified() => killed_for = killed_for.or(Some(Limit::Output)),
            limit = watch.next_limit(&mut seen, &mut pace), if !lifeline.is_cut() => match limit {
                Ok(limit) => killed_for = Some(limit),
                // Nothing bounds its memory any more.
                Err(error) => {
                    lifeline.cut();
                    let _ = child.ended().await;
                    return Err(error);
                }
            },
            never = witness.listen() => match never {},
            () = tokio::time::sleep(DYING), if lifeline.is_cut() => slot.stop_giving_way(),
        }
        lifeline.cut();
    };
    let dead = dead.map_err(|error| host("reap the child", &error))?;
    let wall = began.elapsed();
    let suspect = unexplained_kill(&dead, cancelled, killed_for, slot);
    let own = !suspect || witness.may_be_its_own(pid, cpu_most_seconds(slot, limits));
    let reaped = child
        .ended()
        .await
        .map_err(|error| host("reap the child", &error))?;
    // Init takes its namespace along, and ends after it: had it been killed from outside, it would
    // end now without our doing, and the program would be innocent whatever it has killed itself.
    if !own || suspect && timeout(INIT_LAST_WORDS, init.ended()).await.is_ok() {
        lifeline.cut();
        let _ = init.ended().await;
        return Err(ExecutionError::Lost {
            what: "a process of the sandbox",
        });
    }
    // Where only the holder of its memory is left and every writer is gone, there is nobody to wait
    // for; the end of the namespace comes after the answer.
    let deserted = slot.is_deserted();
    if deserted && read.is_none() {
        read = tokio::time::timeout(LAST_BYTES, &mut reading).await.ok();
    }
    let mut init = Some((init, lifeline));
    let mut waited = Duration::from_micros(reaped.cpu_us);
    let (stdout, stderr, report) = match read {
        Some(read) if deserted => read,
        read => {
            waited += end_tree(&mut init, slot).await?;
            match read {
                Some(read) => read,
                // Every writer is gone, so what is left in the pipes is all there will ever be.
                None => reading.await,
            }
        }
    };
    let counters = slot.counters();
    let (cpu, memory_peak_bytes) = if slot.has_cgroups() {
        (counters.cpu, counters.memory_peak_bytes)
    } else {
        // A program may be over before anybody has looked.
        let held = before.memory_at_most(reaped.max_rss_bytes);
        let used = seen.cpu.max(before.cpu_since(waited));
        (used, seen.memory_bytes.max(held))
    };
    let observed = Observed {
        cancelled,
        killed_for,
        exit: exit_of(&reaped),
        usage: Usage {
            wall,
            cpu,
            memory_peak_bytes,
        },
        counters,
        report: report.0.finish(&nonce).ok(),
        stdout: Capture::finish(stdout.0),
        stderr: Capture::finish(stderr.0),
        empty_size,
    };
    let remains = Remains {
        init,
        mounts,
        output,
        _pipes: [stdout.1, stderr.1, report.1],
        _handed: handed,
        _child: child,
        _witness: witness,
    };
    Ok((observed, remains))
}

fn exit_of(reaped: &Reaped) -> ExitStatus {
    reaped.exited.map_or_else(
        || ExitStatus::Signaled(reaped.signaled.unwrap_or(0)),
        ExitStatus::Exited,
    )
}

/// Whether the first process died by SIGKILL although neither we nor the kernel's memory killer
/// did it: its own doing, its init's death, or somebody outside.
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
    tree: Tree<'a>,
    limits: &'a Limits,
    began: Instant,
    before: Before,
}

impl Watch<'_> {
    /// Waits until a limit is broken. Errors: nobody can say any more.
    async fn next_limit(
        &self,
        seen: &mut Sample,
        pace: &mut Pace,
    ) -> Result<Limit, ExecutionError> {
        loop {
            let left = self.limits.wall.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return Ok(Limit::Wall);
            }
            let pause = if self.slot.has_cgroups() {
                let used = self.slot.cpu();
                if used >= self.limits.cpu {
                    return Ok(Limit::Cpu);
                }
                if self.slot.refused_forks() > MOST_REFUSED_FORKS {
                    return Ok(Limit::Processes);
                }
                match (self.slot.gives_way(), pace.next(Instant::now(), used)) {
                    (false, true) => self.slot.give_way(),
                    (true, false) => self.slot.stop_giving_way(),
                    (true, true) | (false, false) => {}
                }
                // With every processor busy a bound cannot be reached sooner than this.
                let soonest =
                    |bound: Duration| (bound.saturating_sub(used) / processors()).max(SAMPLE);
                if used >= YOUNG_CPU || self.slot.gives_way() {
                    soonest(self.limits.cpu).min(OLD_LOOK)
                } else {
                    soonest(self.limits.cpu.min(YOUNG_CPU))
                }
            } else {
                let looked = Instant::now();
                if let Some(limit) = self.sample(seen).await? {
                    return Ok(limit);
                }
                // A tree of many processes takes long to look at: no more than a tenth of the time.
                SAMPLE.max(looked.elapsed() * 9)
            };
            tokio::time::sleep(left.min(pause)).await;
        }
    }

    /// Looks at the tree through `/proc`.
    async fn sample(&self, seen: &mut Sample) -> Result<Option<Limit>, ExecutionError> {
        let mut sample = self.tree.look().await?;
        sample.cpu = self.before.cpu_since(sample.cpu);
        seen.memory_bytes = seen.memory_bytes.max(sample.memory_bytes);
        seen.cpu = seen.cpu.max(sample.cpu);
        if sample.memory_bytes > self.limits.memory_bytes {
            return Ok(Some(Limit::Memory));
        }
        Ok((sample.cpu >= self.limits.cpu).then_some(Limit::Cpu))
    }
}
