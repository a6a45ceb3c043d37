//! The end of builds with the process that runs them: none of them leaves what it has made so far.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for builds to clean up.
const LONGEST: Duration = Duration::from_secs(10);

static ENDING: AtomicBool = AtomicBool::new(false);
/// Builds under way.
static BUILDS: Mutex<usize> = Mutex::new(0);
static NONE_LEFT: Condvar = Condvar::new();

/// A build under way. It is dropped after what the build has made so far.
#[derive(Debug)]
pub(super) struct Build(());

impl Build {
    pub(super) fn begin() -> Self {
        *BUILDS.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        let mut builds = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
        *builds -= 1;
        if *builds == 0 {
            NONE_LEFT.notify_all();
        }
    }
}

/// Ends every build of this process and waits, ten seconds at most, until they have removed what
/// they had made. For a process that is about to end: whatever is built afterwards fails.
pub fn end_builds() {
    ENDING.store(true, Ordering::Relaxed);
    let builds = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    // After that time the next start removes it.
    drop(NONE_LEFT.wait_timeout_while(builds, LONGEST, |builds| *builds > 0));
}

/// Errors: this process is about to end.
pub(super) fn check() -> io::Result<()> {
    if ENDING.load(Ordering::Relaxed) {
        return Err(io::Error::other("this process ends; try again"));
    }
    Ok(())
}
