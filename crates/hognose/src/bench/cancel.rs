//! Somebody's wish to stop, seen between two rounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

/// Cheap to clone; all clones are one wish.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn wish(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Errors: somebody wants us to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("the measurement was cancelled");
        }
        Ok(())
    }
}
