//! The spawner as the supervisor calls it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox::control::{CgroupFile, Plain, SpawnerReply, SpawnerRequest, spawner_call, step};
use sandbox::host::start::start_spawner;
use sandbox::plan::SpawnerPlan;
use sandbox::sys::socket::Received;

use crate::channel::Channel;
use crate::error::ExecutionError;
use crate::process::Watched;

/// The running spawner. Dropping it closes its socket: it cleans up and leaves.
#[derive(Debug)]
pub(crate) struct Spawner {
    channel: Channel,
    gone: tokio::sync::watch::Receiver<bool>,
    /// It did not answer once; whatever it says now may belong to an older question.
    silent: AtomicBool,
}

/// Which zygote to launch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Launch {
    /// Index into the spawner's plan.
    pub(crate) plan: u32,
    /// Digest of the environment, where the plan leaves it open; else zeroes.
    pub(crate) environment: [u8; 32],
}

/// A slot as the spawner made it.
#[derive(Debug)]
pub(crate) struct NewSlot {
    pub(crate) index: u32,
    pub(crate) uid: u32,
    pub(crate) files: Vec<(CgroupFile, OwnedFd)>,
}

impl Spawner {
    /// Starts the spawner from a thread that lives exactly as long as it does.
    pub(crate) async fn start(
        executable: PathBuf,
        plan: SpawnerPlan,
        block: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let block = block.try_clone_to_owned()?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (flag, gone) = tokio::sync::watch::channel(false);
        std::thread::Builder::new()
            .name("hognose-spawner".into())
            .spawn(move || {
                match start_spawner(&executable, &plan, block.as_fd()) {
                    Ok(mut started) => {
                        drop(block);
                        if sender.send(Ok(started.control)).is_ok() {
                            let ended = started.process.wait();
                            tracing::debug!(?ended, "the spawner ended");
                        }
                    }
                    Err(error) => {
                        let _ = sender.send(Err(error));
                    }
                }
                let _ = flag.send(true);
            })?;
        let control = receiver
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
        Ok(Self {
            channel: Channel::new(control)?,
            gone,
            silent: AtomicBool::new(false),
        })
    }

    /// Whether it has ended; nothing can be started any more.
    pub(crate) fn is_gone(&self) -> bool {
        *self.gone.borrow() || self.silent.load(Ordering::Acquire)
    }

    /// Resolves once it has ended.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut gone = self.gone.clone();
        async move {
            let _ = gone.wait_for(|gone| *gone).await;
        }
    }

    async fn call(
        &self,
        request: SpawnerRequest,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(SpawnerReply, Received), ExecutionError> {
        let answer = self.channel.call(&request, descriptors).await;
        let Ok((reply, received)): io::Result<(SpawnerReply, Received)> = answer else {
            self.silent.store(true, Ordering::Release);
            return Err(ExecutionError::Lost {
                what: "the spawner",
            });
        };
        if reply.errno == 0 {
            return Ok((reply, received));
        }
        let reason = io::Error::from_raw_os_error(reply.errno).to_string();
        Err(ExecutionError::Confine {
            step: step::name(reply.step).into(),
            reason,
        })
    }

    /// Launches a zygote.
    pub(crate) async fn launch(
        &self,
        launch: Launch,
        control: BorrowedFd<'_>,
        errors: BorrowedFd<'_>,
    ) -> Result<Watched, ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::LAUNCH,
            argument: launch.plan,
            environment: launch.environment,
            ..SpawnerRequest::zeroed()
        };
        let (_, mut received) = self.call(request, &[control, errors]).await?;
        watched(&mut received)
    }

    /// Starts an init; it lives until the other end of `lifeline` is closed.
    pub(crate) async fn init(
        &self,
        lifeline: BorrowedFd<'_>,
    ) -> Result<(Watched, i32, OwnedFd), ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::INIT,
            ..SpawnerRequest::zeroed()
        };
        let (reply, mut received) = self.call(request, &[lifeline]).await?;
        Ok((watched(&mut received)?, reply.pid, taken(&mut received)?))
    }

    /// Makes a slot.
    pub(crate) async fn slot(&self) -> Result<NewSlot, ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::SLOT,
            ..SpawnerRequest::zeroed()
        };
        let (reply, mut received) = self.call(request, &[]).await?;
        let mut files = Vec::new();
        for file in CgroupFile::ALL {
            if reply.files & file.bit() != 0 {
                files.push((file, taken(&mut received)?));
            }
        }
        Ok(NewSlot {
            index: reply.slot,
            uid: reply.uid,
            files,
        })
    }

    /// Starts a collector over `folder`, as the slot's uid.
    pub(crate) async fn collect(
        &self,
        uid: u32,
        files: u32,
        file_bytes: u64,
        folder: BorrowedFd<'_>,
        stream: BorrowedFd<'_>,
    ) -> Result<Watched, ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::COLLECT,
            argument: uid,
            files,
            file_bytes,
            ..SpawnerRequest::zeroed()
        };
        let (_, mut received) = self.call(request, &[folder, stream]).await?;
        watched(&mut received)
    }

    /// Kills a zygote.
    pub(crate) async fn kill(&self, zygote: BorrowedFd<'_>) -> Result<(), ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::KILL,
            ..SpawnerRequest::zeroed()
        };
        self.call(request, &[zygote]).await.map(drop)
    }

    /// Starts the sampler, which serves the other end of `socket`.
    pub(crate) async fn sampler(&self, socket: BorrowedFd<'_>) -> Result<Watched, ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::SAMPLER,
            ..SpawnerRequest::zeroed()
        };
        let (_, mut received) = self.call(request, &[socket]).await?;
        watched(&mut received)
    }

    /// Gives a slot back for good.
    pub(crate) async fn retire(&self, slot: u32) -> Result<(), ExecutionError> {
        let request = SpawnerRequest {
            call: spawner_call::RETIRE_SLOT,
            argument: slot,
            ..SpawnerRequest::zeroed()
        };
        self.call(request, &[]).await.map(drop)
    }
}

fn taken(received: &mut Received) -> Result<OwnedFd, ExecutionError> {
    received.take().map_err(|_| ExecutionError::Lost {
        what: "the spawner",
    })
}

fn watched(received: &mut Received) -> Result<Watched, ExecutionError> {
    Watched::new(taken(received)?).map_err(|error| host("watch a process", &error))
}

/// A host operation that failed.
pub(crate) fn host(operation: &str, error: &io::Error) -> ExecutionError {
    ExecutionError::Host {
        operation: operation.to_owned(),
        reason: error.to_string(),
    }
}
