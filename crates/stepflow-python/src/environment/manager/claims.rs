//! Who may still use a tree: what is about to be used cannot be removed, and the other way round.
//!
//! An engine knows the trees that executions hold. A claim stands for one before that, from the
//! moment a build knows its digest until somebody holds it or names it in the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The claims on the trees of one folder. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many keep a digest.
    kept: BTreeMap<String, usize>,
    leaving: BTreeSet<String>,
}

/// A tree that nobody removes until this is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    claims: Claims,
    digest: String,
}

/// A tree that is being removed, which nobody begins to use.
#[derive(Debug)]
pub(super) struct Leaving {
    claims: Claims,
    digest: String,
}

impl Claims {
    /// `None` while it is being removed.
    pub(super) fn keep(&self, digest: &str) -> Option<Kept> {
        let state = self.state();
        (!state.leaving.contains(digest)).then(|| self.enter(state, digest))
    }

    /// The same once a removal has ended. Blocks until then.
    pub(super) fn keep_soon(&self, digest: &str) -> Kept {
        let is_leaving = |state: &mut State| state.leaving.contains(digest);
        let state = self.0.left.wait_while(self.state(), is_leaving);
        self.enter(state.unwrap_or_else(PoisonError::into_inner), digest)
    }

    /// `None` while somebody keeps it, or removes it already.
    pub(super) fn leave(&self, digest: &str) -> Option<Leaving> {
        let mut state = self.state();
        let is_free = !state.kept.contains_key(digest) && state.leaving.insert(digest.to_owned());
        is_free.then(|| Leaving {
            claims: self.clone(),
            digest: digest.to_owned(),
        })
    }

    fn enter(&self, mut state: MutexGuard<'_, State>, digest: &str) -> Kept {
        *state.kept.entry(digest.to_owned()).or_default() += 1;
        Kept {
            claims: self.clone(),
            digest: digest.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changes are single insertions and removals.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut state = self.claims.state();
        if let Some(count) = state.kept.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                state.kept.remove(&self.digest);
            }
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.claims.state().leaving.remove(&self.digest);
        self.claims.0.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_does_not_leave_and_what_leaves_is_not_kept() {
        let claims = Claims::default();
        let (first, second) = (claims.keep("a").unwrap(), claims.keep("a").unwrap());
        drop(first);
        assert!(claims.leave("a").is_none());
        drop(second);
        let leaving = claims.leave("a").unwrap();
        assert!(claims.leave("a").is_none() && claims.keep("a").is_none());
        assert!(claims.keep("b").is_some());
        let waiting = std::thread::spawn({
            let claims = claims.clone();
            move || claims.keep_soon("a")
        });
        drop(leaving);
        let kept = waiting.join().unwrap();
        assert_eq!(kept.digest(), "a");
        assert!(claims.leave("a").is_none());
    }
}
