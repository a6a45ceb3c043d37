//! What confines a guest on this host, as `hognose doctor` and `/capabilities` tell it.
//!
//! One probe at start chooses the tier; nothing degrades after that. A tier below the one that was
//! asked for is a refusal.

use std::fmt;
use std::str::FromStr;

use sandbox::host::probe::Probe;
use sandbox::plan::CgroupParents;

/// How strong the confinement is, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Root without cgroups, as in an unprivileged container: memory is bounded per process and
    /// sampled per tree.
    Nested,
    /// An ordinary user: every layer but unique uids and cgroups.
    Rootless,
    /// Root with cgroups: every layer.
    Full,
}

impl Tier {
    /// Its stable word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nested => "nested",
            Self::Rootless => "rootless",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Nested, Self::Rootless, Self::Full]
            .into_iter()
            .find(|tier| tier.name() == word)
            .ok_or_else(|| format!("`{word}` is no tier; use `full`, `rootless` or `nested`"))
    }
}

/// The tier and every layer, from one probe at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// The tier's word, such as `full` or `rootless`.
    pub tier: &'static str,
    /// In the order in which they are applied.
    pub layers: Vec<Layer>,
}

/// One isolation layer on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Such as `seccomp`.
    pub name: &'static str,
    /// Whether it is in force.
    pub state: LayerState,
    /// Details: ABI, cgroup version.
    pub detail: String,
    /// What this means here, in one sentence.
    pub meaning: String,
    /// How to get it, when it is missing.
    pub mend: Option<String>,
}

/// Whether a layer is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// In force for every guest.
    Enforced,
    /// In force with less than the full effect, as `meaning` says.
    Weaker,
    /// Not available here.
    Missing,
}

/// The tier this host allows.
#[must_use]
pub fn tier_of(probe: &Probe, cgroups: &CgroupParents) -> Tier {
    match (probe.is_root, cgroups) {
        (true, CgroupParents::V1 { .. } | CgroupParents::V2 { .. }) => Tier::Full,
        (true, CgroupParents::None) => Tier::Nested,
        (false, _) => Tier::Rootless,
    }
}

/// The layers without which no guest is started, in words; empty when all are there.
#[must_use]
pub fn missing_essentials(probe: &Probe, tier: Tier) -> Vec<&'static str> {
    let needed = [
        (
            probe.user_namespaces,
            "user namespaces (set the sysctl user.max_user_namespaces above 0, or kernel.unprivileged_userns_clone to 1)",
        ),
        (
            probe.private_proc,
            "a private /proc (Linux 5.8 or later, and an unmasked /proc where this runs in a container)",
        ),
        (
            probe.seccomp,
            "seccomp filters (a kernel built with CONFIG_SECCOMP_FILTER)",
        ),
        (
            uids_exist(probe, tier),
            "uids for its guests (give the container the usual 65536 uids and gids, or run as an ordinary user)",
        ),
        (
            memory_is_bounded(probe, tier),
            "a bound on memory (no cgroup can be made, and without the capability SYS_PTRACE memory cannot be sampled)",
        ),
    ];
    needed
        .into_iter()
        .filter(|(there, _)| !there)
        .map(|(_, name)| name)
        .collect()
}

/// Whether every guest can have the uid that it needs.
fn uids_exist(probe: &Probe, tier: Tier) -> bool {
    tier == Tier::Rootless || probe.has_uids
}

/// Whether anybody can say how much memory a tree has.
fn memory_is_bounded(probe: &Probe, tier: Tier) -> bool {
    tier != Tier::Nested || probe.sees_memory
}

/// Every layer, enforced or missing, what that means here and how to mend it.
#[must_use]
pub fn describe(probe: &Probe, cgroups: &CgroupParents) -> Isolation {
    let tier = tier_of(probe, cgroups);
    let must = |there: bool| {
        if there {
            LayerState::Enforced
        } else {
            LayerState::Missing
        }
    };
    let always = |name, detail: &str, meaning: &str| Layer {
        name,
        state: LayerState::Enforced,
        detail: detail.into(),
        meaning: meaning.into(),
        mend: None,
    };
    let layers = vec![
        cgroup_layer(tier, cgroups, memory_is_bounded(probe, tier)),
        always(
            "namespaces",
            "mount, pid, net, ipc, uts, cgroup",
            "a guest sees no process, network or host name but its own",
        ),
        always(
            "root",
            "read-only, pivoted, no host /etc, minimal /dev",
            "nothing outside /code, /tmp and /dev/shm can be written",
        ),
        Layer {
            name: "proc",
            state: must(probe.private_proc),
            detail: format!("Linux {}", probe.kernel),
            meaning: "a guest's /proc shows its own processes and no kernel settings".into(),
            mend: (!probe.private_proc)
                .then(|| "use Linux 5.8 or later; in a container unmask /proc".into()),
        },
        always(
            "workdir",
            "tmpfs with byte and inode caps, no execution",
            "what a guest writes ends with it",
        ),
        uid_layer(tier, uids_exist(probe, tier)),
        Layer {
            name: "user_namespace",
            state: must(probe.user_namespaces),
            detail: "one id".into(),
            meaning: "inside there is one uid, and no capability counts outside".into(),
            mend: (!probe.user_namespaces)
                .then(|| "set the sysctl user.max_user_namespaces above 0".into()),
        },
        always(
            "capabilities",
            "none, bounding set empty, no new privileges",
            "nothing a guest executes gains a privilege",
        ),
        always(
            "rlimits",
            "files, stack, locked memory, queues, processes",
            if tier == Tier::Full {
                "a second belt behind cgroups"
            } else {
                "memory and CPU time of one process, and the number of processes, are capped by the kernel"
            },
        ),
        landlock_layer(probe.landlock_abi),
        Layer {
            name: "seccomp",
            state: must(probe.seccomp),
            detail: format!("default deny, {}", std::env::consts::ARCH),
            meaning: "system calls outside the policy answer EPERM or ENOSYS".into(),
            mend: (!probe.seccomp).then(|| "use a kernel built with CONFIG_SECCOMP_FILTER".into()),
        },
        witness_layer(probe.listener),
        always(
            "network",
            "empty network namespace, loopback down, no sockets but AF_UNIX",
            "a guest reaches no address, not even this host",
        ),
    ];
    Isolation {
        tier: tier.name(),
        layers,
    }
}

fn cgroup_layer(tier: Tier, cgroups: &CgroupParents, sampled: bool) -> Layer {
    let (state, detail) = match (tier, cgroups) {
        _ if !sampled => (LayerState::Missing, "none delegated, and no SYS_PTRACE"),
        (_, CgroupParents::None) | (Tier::Rootless | Tier::Nested, _) => {
            (LayerState::Weaker, "none delegated")
        }
        (Tier::Full, CgroupParents::V1 { .. }) => {
            (LayerState::Enforced, "v1: memory, pids, cpuacct")
        }
        (Tier::Full, CgroupParents::V2 { .. }) => {
            (LayerState::Enforced, "v2 (unproven): memory, pids, cpu")
        }
    };
    let meaning = match state {
        LayerState::Enforced => {
            "memory, processes and CPU time are bounded and measured for the whole tree"
        }
        LayerState::Weaker => {
            "memory and CPU time are bounded per process and sampled per tree, which can outgrow its limit between two samples"
        }
        LayerState::Missing => "nobody could tell how much memory a tree has, so nothing is run",
    };
    let mend = match (state, tier) {
        (LayerState::Enforced, _) => None,
        (LayerState::Missing, _) => Some(
            "mount the cgroup controllers memory, pids and cpuacct (or cgroup2) writable here, or at least add the capability SYS_PTRACE",
        ),
        (LayerState::Weaker, Tier::Nested) => Some(
            "mount the cgroup controllers memory, pids and cpuacct (or cgroup2) writable here, or run as root on the host",
        ),
        (LayerState::Weaker, _) => Some("run as root on the host, where cgroups can be made"),
    };
    Layer {
        name: "cgroups",
        state,
        detail: detail.into(),
        meaning: meaning.into(),
        mend: mend.map(str::to_owned),
    }
}

fn uid_layer(tier: Tier, exist: bool) -> Layer {
    let unique = tier != Tier::Rootless;
    if !exist {
        return Layer {
            name: "uid",
            state: LayerState::Missing,
            detail: "too few uids or gids in this user namespace".into(),
            meaning: "a guest cannot have a uid of its own, so nothing is run".into(),
            mend: Some(
                "give the container the usual 65536 uids and gids, or run as an ordinary user"
                    .into(),
            ),
        };
    }
    Layer {
        name: "uid",
        state: if unique {
            LayerState::Enforced
        } else {
            LayerState::Weaker
        },
        detail: if unique {
            "a uid per slot that nobody else has"
        } else {
            "your own uid for every guest"
        }
        .into(),
        meaning: if unique {
            "per-user kernel limits of one guest never touch another"
        } else {
            "guests share your uid outside; namespaces, Landlock and seccomp keep them apart"
        }
        .into(),
        mend: (!unique)
            .then(|| "run as root, which then drops its own privileges after the start".into()),
    }
}

fn witness_layer(listener: bool) -> Layer {
    let (state, meaning) = if listener {
        (
            LayerState::Enforced,
            "a program that somebody outside kills is told from one that kills itself",
        )
    } else {
        (
            LayerState::Missing,
            "a program that somebody outside kills counts as one that crashed by signal 9",
        )
    };
    Layer {
        name: "kill_witness",
        state,
        detail: "seccomp listener".into(),
        meaning: meaning.into(),
        mend: (!listener)
            .then(|| "run outside of a container whose own seccomp filter has a listener".into()),
    }
}

fn landlock_layer(abi: u32) -> Layer {
    let (state, meaning) = match abi {
        0 => (
            LayerState::Missing,
            "files and signals are guarded by mounts, uids and namespaces alone",
        ),
        1..=5 => (
            LayerState::Weaker,
            "files are guarded twice; abstract sockets and signals by namespaces alone, a network namespace per guest among them",
        ),
        6.. => (
            LayerState::Enforced,
            "files, TCP, abstract sockets and signals are guarded a second time",
        ),
    };
    Layer {
        name: "landlock",
        state,
        detail: format!("ABI {abi}"),
        meaning: meaning.into(),
        mend: (state != LayerState::Enforced)
            .then(|| "use Linux 6.12 or later with landlock in the lsm= list".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(is_root: bool) -> Probe {
        Probe {
            is_root,
            has_uids: is_root,
            sees_memory: is_root,
            user_namespaces: true,
            private_proc: true,
            landlock_abi: 7,
            seccomp: true,
            listener: true,
            kernel: "6.18".into(),
        }
    }

    #[test]
    fn tiers_are_ordered_and_follow_the_host() {
        let v2 = CgroupParents::V2 {
            parent: "/c".into(),
        };
        assert_eq!(tier_of(&probe(true), &v2), Tier::Full);
        assert_eq!(tier_of(&probe(true), &CgroupParents::None), Tier::Nested);
        assert_eq!(tier_of(&probe(false), &v2), Tier::Rootless);
        assert!(Tier::Full > Tier::Rootless && Tier::Rootless > Tier::Nested);
        assert_eq!("rootless".parse(), Ok(Tier::Rootless));
        assert!("rotless".parse::<Tier>().is_err());
    }

    #[test]
    fn whatever_is_not_enforced_says_how_to_mend_it() {
        let mut weak = probe(false);
        (
            weak.landlock_abi,
            weak.private_proc,
            weak.seccomp,
            weak.user_namespaces,
            weak.listener,
        ) = (0, false, false, false, false);
        let isolation = describe(&weak, &CgroupParents::None);
        for layer in &isolation.layers {
            assert_eq!(
                layer.mend.is_none(),
                layer.state == LayerState::Enforced,
                "{layer:?}"
            );
        }
        assert_eq!(missing_essentials(&weak, Tier::Rootless).len(), 3);
        assert!(missing_essentials(&probe(false), Tier::Rootless).is_empty());
    }

    #[test]
    fn without_cgroups_root_must_at_least_see_memory() {
        let mut blind = probe(true);
        let cgroups = |probe: &Probe| describe(probe, &CgroupParents::None).layers[0].state;
        assert_eq!(cgroups(&blind), LayerState::Weaker);
        assert!(missing_essentials(&blind, Tier::Nested).is_empty());
        blind.sees_memory = false;
        assert_eq!(cgroups(&blind), LayerState::Missing);
        assert_eq!(missing_essentials(&blind, Tier::Nested).len(), 1);
        assert!(missing_essentials(&blind, Tier::Full).is_empty());
        blind.has_uids = false;
        assert_eq!(missing_essentials(&blind, Tier::Nested).len(), 2);
        assert!(missing_essentials(&blind, Tier::Rootless).is_empty());
    }
}
