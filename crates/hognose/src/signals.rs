//! Interrupt and terminate, as one wish to stop. The second one ends the process at once.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit;

/// Resolves once somebody wants this process to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Watches for SIGINT and SIGTERM from now on.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                // Guests die with us: the kernel and the spawner see to that.
                if sender.send_replace(true) {
                    std::process::exit(exit::CANCELLED.into());
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Waits for the wish.
    pub(crate) async fn wanted(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending().await
        }
    }
}
