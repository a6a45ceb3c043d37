//! What is kept of every execution: its record, its count, and what the kernel had against it.
//!
//! Nothing is counted that is not recorded: where records are kept, an end counts once it is written.

use engine::{Ending, Execution, ExecutionError, ExecutionRequest, SecurityLevel};

use crate::metrics::PythonMonitoringImpl;
use crate::records::{Opening, Recorder, Started};
use crate::security::Watch;

/// Where an executor's executions are recorded and counted. Cheap to clone.
///
/// An executor that stands before another one, and runs or ends executions itself, keeps them in the
/// other's.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    pub(super) watch: Watch,
    pub(super) monitoring: PythonMonitoringImpl,
    pub(super) recorder: Option<Recorder>,
}

/// A place in a journal for an execution that is about to start. Nothing is kept of it yet.
#[derive(Debug)]
pub(super) struct Kept {
    journal: Journal,
    opening: Option<Opening>,
}

impl Journal {
    /// A place for an execution that is judged at `level`.
    ///
    /// Errors: the database is so slow that too many wait for it.
    pub(super) async fn open(
        &self,
        request: &ExecutionRequest,
        level: SecurityLevel,
    ) -> Result<Kept, ExecutionError> {
        let opening = match &self.recorder {
            Some(recorder) => Some(recorder.admit(Started::new(request, level)).await?),
            None => None,
        };
        Ok(Kept {
            journal: self.clone(),
            opening,
        })
    }
}

impl Kept {
    /// Where it will run.
    pub(super) fn within(self, digest: &str, is_default: bool) -> Self {
        let opening = self.opening;
        Self {
            opening: opening.map(|opening| opening.within(digest, is_default)),
            ..self
        }
    }

    /// The execution has started: from here on all that becomes of it is kept.
    pub(super) fn follow(self, execution: Execution) -> Execution {
        let Journal {
            watch, monitoring, ..
        } = self.journal;
        let unfinished = monitoring.begun();
        let record = self.opening.map(|opening| opening.begin(execution.id()));
        execution.when_ended(move |ending| {
            if let Ending::Finished(report) = ending {
                watch.note(report);
            }
            let uncounted = unfinished.ended(ending);
            let Some(record) = record else {
                uncounted.count();
                return None;
            };
            Some(record.end(ending, |is_written| {
                if is_written {
                    uncounted.count();
                } else {
                    uncounted.count_as_failed();
                }
            }))
        })
    }
}
