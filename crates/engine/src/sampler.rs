//! Who looks at the trees that no cgroup bounds.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandbox::control::{SampleReply, SampleRequest};
use sandbox::sample::{History, Sample};
use sandbox::sys::socket;

use crate::channel::Channel;
use crate::error::ExecutionError;
use crate::process::Watched;
use crate::spawner::{Spawner, host};

/// The one who may look, in this tier.
#[derive(Debug)]
pub(crate) enum Sampler {
    /// This process: guests have its uid (`rootless`). With cgroups nobody has to look.
    Own,
    /// A process that keeps the capability for it (`nested`): ours goes with root.
    Process {
        /// Closing it ends the process.
        channel: Channel,
        process: Watched,
    },
}

impl Sampler {
    /// Starts the process.
    ///
    /// Errors: the spawner did not answer; or the sampler may not look, as in a container without
    /// the capability: then no memory would be bounded, and nothing may run.
    pub(crate) async fn start(spawner: &Spawner) -> Result<Self, ExecutionError> {
        let (ours, theirs) =
            socket::pair().map_err(|error| host("make the sampler's socket", &error))?;
        let process = spawner.sampler(theirs.as_fd()).await?;
        let channel =
            Channel::new(ours).map_err(|error| host("watch the sampler's socket", &error))?;
        let sampler = Self::Process { channel, process };
        // We are root still, so it can see us only if it can see anybody.
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let seen = sampler.tree(own, own, u64::MAX).look().await?;
        if seen.memory_bytes == 0 {
            return Err(host("sample memory", &io::ErrorKind::InvalidData.into()));
        }
        Ok(sampler)
    }

    /// Whether the process it needs has ended.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Own => false,
            Self::Process { process, .. } => process.has_ended(),
        }
    }

    /// The tree of one execution: its first process, its init, its memory limit.
    pub(crate) fn tree(&self, first: i32, init: i32, memory_bytes: u64) -> Tree<'_> {
        Tree {
            sampler: self,
            request: SampleRequest {
                first,
                init,
                memory_bytes,
            },
            history: Arc::default(),
        }
    }
}

/// An execution that is looked at again and again.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    sampler: &'a Sampler,
    request: SampleRequest,
    /// For our own looks; the process has its own. A look whose caller has gone still holds it.
    history: Arc<Mutex<History>>,
}

impl Tree<'_> {
    /// Memory it holds now, and CPU time it has used.
    pub(crate) async fn look(&self) -> Result<Sample, ExecutionError> {
        let refused = |error: &io::Error| host("sample the memory of an execution", error);
        let request = self.request;
        let Sampler::Process { channel, .. } = self.sampler else {
            let history = Arc::clone(&self.history);
            let looking = tokio::task::spawn_blocking(move || {
                let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
                history.look(request.first, request.init, request.memory_bytes)
            });
            let seen = looking.await.unwrap_or_else(|_| Ok(Sample::default()));
            return seen.map_err(|error| refused(&error));
        };
        let answer: io::Result<(SampleReply, _)> = channel.call(&request, &[]).await;
        let Ok((reply, _)) = answer else {
            return Err(ExecutionError::Lost {
                what: "the sampler",
            });
        };
        if reply.errno != 0 {
            return Err(refused(&io::Error::from_raw_os_error(reply.errno)));
        }
        Ok(Sample {
            memory_bytes: reply.memory_bytes,
            cpu: Duration::from_micros(reply.cpu_us),
        })
    }
}
