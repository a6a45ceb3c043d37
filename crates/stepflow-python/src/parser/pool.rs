//! Threads with large stacks, for work that recurses over a syntax tree.
//!
//! No async worker ever does such work: its stack has 2 MiB. The queue is bounded, and whoever
//! finds it full goes without an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::oneshot;

const THREADS: usize = 2;
/// Units: bytes. A tree at the depth cap leaves most of it untouched, also in a debug build.
const STACK_BYTES: usize = 128 * 1024 * 1024;
/// Jobs that wait: sources of 1 MiB each at worst.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

static JOBS: LazyLock<SyncSender<Job>> = LazyLock::new(|| {
    let (jobs, receiver) = sync_channel(QUEUE);
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..THREADS {
        let receiver = Arc::clone(&receiver);
        let thread = std::thread::Builder::new()
            .name(format!("parser-{number}"))
            .stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(move || work(&receiver)) {
            tracing::warn!(%error, "a parser thread could not start");
        }
    }
    jobs
});

/// The result of `job`; `None` when the queue is full, no thread lives or the job panicked.
pub(crate) async fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, result) = oneshot::channel();
    let job = Box::new(move || {
        // Whoever asked may be gone: a job that waited in vain is not done.
        if !answer.is_closed() {
            let _ = answer.send(job());
        }
    });
    JOBS.try_send(job).ok()?;
    result.await.ok()
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A parser's panic costs its own answer and not the thread.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::warn!("the parser panicked over a source; nothing is known about it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_only_its_own_answer() {
        for _ in 0..2 * THREADS {
            let lost: Option<()> = run(|| panic!("on purpose")).await;
            assert_eq!(lost, None);
        }
        assert_eq!(run(|| 7).await, Some(7));
    }
}
