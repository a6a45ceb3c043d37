//! What a zygote's root looks like and how it is started: data the host prepares and registers.
//! Plans come from the host that started the spawner, before it serves; guests never see one.

mod encoding;

use std::ffi::CString;
use std::io;

/// One step of building the root, applied in order. Paths are absolute inside the new root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "`path` is inside the new root, `source` on the host, `mode` octal, `bytes` the size"
)]
pub enum MountStep {
    /// An empty directory (its parents exist).
    Directory { path: String, mode: u32 },
    /// A symbolic link.
    Symlink { path: String, target: String },
    /// A file with this content.
    File {
        path: String,
        content: Vec<u8>,
        mode: u32,
    },
    /// A copy of a host file, so that its host path shows nowhere.
    Copy {
        source: String,
        path: String,
        mode: u32,
    },
    /// A host file or directory, read-only, no set-uid, no devices.
    Bind { source: String, path: String },
    /// A host directory through a read-only overlay, so that its host path shows nowhere.
    Overlay { source: String, path: String },
    /// The environment that the launch names, as an overlay. Nothing of it runs in the zygote.
    Environment { path: String },
    /// A device node of the host.
    Device { source: String, path: String },
    /// A small private tmpfs for the zygote itself.
    Tmpfs { path: String, bytes: u64 },
    /// A proc of the zygote's pid namespace.
    Proc { path: String },
}

/// What the starting user may do; it decides how many uids the host can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Root: a uid per slot, cgroups.
    Root,
    /// An ordinary user: one uid, whatever cgroups are delegated.
    User,
}

/// What the zygote's native code needs; a file only its root may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfinePlan {
    /// Which.
    pub privilege: Privilege,
    /// The kernel's Landlock ABI at start; 0 for none.
    pub landlock_abi: u32,
    /// Whether the child's filter announces calls and so has a listener.
    pub listener: bool,
    /// Filter of the zygote itself, inherited by children.
    pub zygote_filter: Vec<u8>,
    /// The last filter in a child.
    pub child_filter: Vec<u8>,
    /// The one of the holder of a child's memory, on top of the zygote's.
    pub holder_filter: Vec<u8>,
}

/// Everything about one zygote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchPlan {
    /// Which.
    pub privilege: Privilege,
    /// An existing empty host directory on which the root is built.
    pub staging: String,
    /// The root.
    pub steps: Vec<MountStep>,
    /// `argv`; the first is the program.
    pub arguments: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
}

/// Where the slots' cgroups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the folder of that controller")]
pub enum CgroupParents {
    /// No delegated cgroup: memory is bounded per process and sampled per tree.
    None,
    /// v1: a folder per controller.
    V1 {
        memory: String,
        pids: String,
        cpuacct: String,
        /// Where it is mounted apart from cpuacct.
        cpu: Option<String>,
    },
    /// v2: one folder whose `cgroup.subtree_control` has memory, pids and cpu.
    V2 { parent: String },
}

/// Everything the spawner may ever be asked to do. It accepts indices into this, no new plans; for
/// a plan with [`MountStep::Environment`] also the digest that names a folder in `environments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnerPlan {
    /// Which.
    pub privilege: Privilege,
    /// First uid of the block leased for this server: the init's; slots have those after it.
    pub first_uid: u32,
    /// Most slots.
    pub slots: u32,
    /// Name of this server's block; cgroup folders carry it.
    pub block: String,
    /// Where cgroups are made.
    pub cgroups: CgroupParents,
    /// The folder of environments that are made while it serves; empty for none.
    pub environments: String,
    /// Zygotes that can be launched.
    pub launches: Vec<LaunchPlan>,
}

/// Where the zygote finds its [`ConfinePlan`].
pub const CONFINE_PLAN_PATH: &str = "/guest/confine.plan";

/// A path or string as the kernel wants it.
///
/// Errors: `InvalidInput` for a NUL inside.
pub fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::ErrorKind::InvalidInput.into())
}
