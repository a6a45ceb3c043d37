//! What this kernel and this user can do, found out by trying.

use std::fs;

use super::{block, filter};
use crate::sys::process::{self, ForkOptions, Forked};
use crate::sys::{identity, landlock, mount};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whether we are root of the host (or of a container that looks like one).
    pub is_root: bool,
    /// Whether the uids of guests exist in this user namespace.
    pub has_uids: bool,
    /// Whether we may look at the memory of processes of other uids: `CAP_SYS_PTRACE`.
    pub sees_memory: bool,
    /// Whether `unshare(CLONE_NEWUSER)` works, with a map of the own uid.
    pub user_namespaces: bool,
    /// Whether a proc with `subset=pid` can be mounted in fresh namespaces.
    pub private_proc: bool,
    /// Landlock's ABI; 0 for none.
    pub landlock_abi: u32,
    /// Whether seccomp filters exist.
    pub seccomp: bool,
    /// Whether a filter of ours may have a listener: not where one above us has one.
    pub listener: bool,
    /// `6.18.44`.
    pub kernel: String,
}

/// Tries everything once, in children that end at once.
#[must_use]
pub fn probe() -> Probe {
    Probe {
        is_root: identity::effective_uid() == 0,
        has_uids: block::exists_here(),
        sees_memory: has_capability(identity::capability::SYS_PTRACE),
        user_namespaces: in_child(try_user_namespace),
        private_proc: in_child(try_private_proc),
        landlock_abi: u32::try_from(landlock::abi()).unwrap_or(0),
        seccomp: fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail")
            .is_ok_and(|have| have.contains("errno")),
        listener: in_child(try_listener),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

/// Source: proc_pid_status(5), `CapEff`.
fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    set.is_some_and(|set| set & (1 << number) != 0)
}

fn try_user_namespace() -> bool {
    process::unshare(libc::CLONE_NEWUSER).is_ok()
}

fn try_listener() -> bool {
    process::no_new_privileges().is_ok()
        && process::install_announcing_filter(&filter::NOTHING).is_ok()
}

fn try_private_proc() -> bool {
    let own = if identity::effective_uid() == 0 {
        0
    } else {
        libc::CLONE_NEWUSER
    };
    if process::unshare(own | libc::CLONE_NEWNS | libc::CLONE_NEWPID).is_err() {
        return false;
    }
    // The pid namespace is that of the next child, which mounts.
    in_child(|| {
        mount::mount(
            None,
            c"/",
            None,
            mount::flag::RECURSIVE | mount::flag::PRIVATE,
            None,
        )
        .is_ok()
            && mount::mount(
                Some(c"proc"),
                c"/proc",
                Some(c"proc"),
                0,
                Some(c"hidepid=2,subset=pid"),
            )
            .is_ok()
    })
}

/// Runs an async-signal-safe trial in a fork and says whether it succeeded.
fn in_child(trial: fn() -> bool) -> bool {
    match process::fork_with(ForkOptions::default()) {
        Ok(Forked::Child) => process::exit(i32::from(!trial())),
        Ok(Forked::Parent { pidfd, .. }) => loop {
            match process::reap(std::os::fd::AsFd::as_fd(&pidfd)) {
                Ok(Some(reaped)) => return reaped.exited == Some(0),
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(1)),
                Err(_) => return false,
            }
        },
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_reports_what_its_child_saw() {
        assert!(in_child(|| true));
        assert!(!in_child(|| false));
        assert!(!probe().kernel.is_empty());
    }
}
