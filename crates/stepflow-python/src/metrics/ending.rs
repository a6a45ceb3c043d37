//! How an execution is counted: what counts of its end is kept until the end is recorded.

use std::sync::Arc;

use engine::{Ending, ExecutionReport, Limit, Outcome, Usage};

use super::{Counted, LIMITS};

/// An execution that is not counted yet. It runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Unfinished(Arc<Counted>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.running.down();
    }
}

/// How an execution has ended, not counted yet.
#[derive(Debug)]
pub(crate) struct Uncounted {
    of: Unfinished,
    end: End,
}

/// What counts of an end.
#[derive(Debug)]
enum End {
    Finished {
        kind: &'static str,
        limit: Option<Limit>,
        /// What it took; `None` when it never ran: a time of zero would only make others look shorter.
        usage: Option<Usage>,
    },
    Failed,
    Abandoned,
}

impl Unfinished {
    /// It begins to run.
    pub(super) fn new(counted: Arc<Counted>) -> Self {
        counted.running.up();
        Self(counted)
    }

    /// What is to be counted of its end.
    pub(crate) fn ended(self, ending: Ending<'_>) -> Uncounted {
        let end = match ending {
            Ending::Finished(report) => End::of(report),
            Ending::Failed(_) => End::Failed,
            Ending::Abandoned => End::Abandoned,
        };
        Uncounted { of: self, end }
    }
}

impl Uncounted {
    /// Counts it.
    pub(crate) fn count(self) {
        self.of.0.ended(&self.end);
    }

    /// Counts a failure of ours in its place: that is what its caller is told.
    pub(crate) fn count_as_failed(self) {
        self.of.0.ended(&End::Failed);
    }
}

impl End {
    fn of(report: &ExecutionReport) -> Self {
        let (limit, has_run) = match &report.outcome {
            Outcome::Rejected(_) => (None, false),
            Outcome::LimitExceeded(limit) => (Some(*limit), true),
            Outcome::Completed(_)
            | Outcome::Raised(_)
            | Outcome::Crashed(_)
            | Outcome::Cancelled => (None, true),
        };
        Self::Finished {
            kind: report.outcome.kind(),
            limit,
            usage: has_run.then_some(report.usage),
        }
    }
}

impl Counted {
    fn ended(&self, end: &End) {
        let (kind, limit, usage) = match end {
            End::Finished { kind, limit, usage } => (kind, limit, usage),
            End::Failed => return self.unfinished[0].add(),
            End::Abandoned => return self.unfinished[1].add(),
        };
        self.end(kind);
        let known = LIMITS.iter().zip(&self.limits);
        known
            .filter(|(one, _)| Some(**one) == *limit)
            .for_each(|(_, counter)| counter.add());
        if let Some(usage) = usage {
            self.wall.observe_duration(usage.wall);
            // Nobody has measured it where an embedder's executor does not tell.
            if usage.memory_peak_bytes > 0 {
                self.memory.observe(usage.memory_peak_bytes);
            }
        }
    }
}
