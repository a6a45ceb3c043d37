//! The user that a process of root becomes before it touches what callers send.

use std::io;
use std::path::{Path, PathBuf};

use sandbox::host::block::{self, Block};
use sandbox::sys::{identity, process};

/// A user that owns nothing, for work on behalf of callers that needs no engine.
#[derive(Debug)]
pub struct ServingUser {
    /// `None` when there is no root to give up.
    block: Option<Block>,
}

impl ServingUser {
    /// Whether this process is root, and so has to become somebody else first.
    #[must_use]
    pub fn is_needed() -> bool {
        identity::effective_uid() == 0
    }

    /// Finds one; no other process of this host has the same for as long as the value lives.
    pub fn lease(state: &Path) -> io::Result<Self> {
        let block = Self::is_needed().then(|| block::lease(&lock_folder(state)));
        Ok(Self {
            block: block.transpose()?,
        })
    }

    /// Its uid; `None` when this process keeps the one it has.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.block.as_ref().map(Block::server_uid)
    }

    /// Becomes that user for good. Returns whether there was anything to give up.
    pub fn drop_privileges(&self) -> io::Result<bool> {
        let Some(uid) = self.uid() else {
            return Ok(false);
        };
        become_for_good(uid)?;
        Ok(true)
    }
}

/// In every thread; nobody else of that uid can trace this process.
pub(crate) fn become_for_good(uid: u32) -> io::Result<()> {
    identity::become_user_everywhere(uid, uid)?;
    process::set_dumpable(false)
}

/// Where the locks of blocks are.
pub(crate) fn lock_folder(state: &Path) -> PathBuf {
    if identity::effective_uid() == 0 {
        PathBuf::from("/run/hognose")
    } else {
        state.join("locks")
    }
}
