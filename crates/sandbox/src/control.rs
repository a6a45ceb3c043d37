//! Fixed-size messages between supervisor, spawner, zygote and child.
//!
//! Every message is a `repr(C)` struct without padding, sent whole over SEQPACKET (or, for
//! [`LeaseHeader`], first on the request pipe). Nothing here is parsed and nothing allocates.
//! All peers are built from this file; guests never reach these sockets.
#![expect(
    unsafe_code,
    reason = "views plain structs as bytes; the trait states why that is sound"
)]

/// A struct that is nothing but its bytes.
///
/// # Safety
/// `repr(C)`, no padding, no pointers, and every bit pattern is a value.
pub unsafe trait Plain: Copy {
    /// All zeroes.
    fn zeroed() -> Self {
        // SAFETY: by the contract of the trait every bit pattern is a value.
        unsafe { std::mem::zeroed() }
    }

    /// Its bytes.
    fn bytes(&self) -> &[u8] {
        // SAFETY: no padding, so every byte is initialised; the lifetime is that of `self`.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }

    /// Its bytes, to be filled.
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: every bit pattern is a value, so any bytes may be written.
        unsafe {
            std::slice::from_raw_parts_mut(std::ptr::from_mut(self).cast(), size_of::<Self>())
        }
    }
}

macro_rules! plain {
    ($($name:ident),+ $(,)?) => { $(
        // SAFETY: `repr(C)`, only u32/i32/u64/[u8; N] fields laid out without padding (the sizes
        // are checked in this file's tests).
        unsafe impl Plain for $name {}
    )+ };
}

plain!(
    SpawnerRequest,
    SpawnerReply,
    ForkRequest,
    ForkReply,
    ChildStatus,
    LeaseHeader,
    SampleRequest,
    SampleReply
);

/// What the supervisor asks of the spawner.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SpawnerRequest {
    /// One of [`spawner_call`].
    pub call: u32,
    /// `LAUNCH`: index of the plan. `COLLECT`: uid. `RETIRE_SLOT`: slot index.
    pub argument: u32,
    /// `COLLECT`: most files.
    pub files: u32,
    /// Always 0.
    pub reserved: u32,
    /// `COLLECT`: most bytes of one file.
    pub file_bytes: u64,
    /// `LAUNCH`: SHA-256 of the environment, where the plan leaves it open.
    pub environment: [u8; 32],
}

/// Values of [`SpawnerRequest::call`].
pub mod spawner_call {
    /// Launch a zygote from a plan. In: control socket, stderr pipe. Out: pidfd.
    pub const LAUNCH: u32 = 1;
    /// Start an init in a new pid namespace. In: lifeline (read end). Out: pidfd, namespace.
    pub const INIT: u32 = 2;
    /// Make a slot: a uid of its own and its cgroups. Out: files as [`super::CgroupFile`] orders.
    pub const SLOT: u32 = 3;
    /// Walk an output folder as its owner. In: folder, stream pipe (write end). Out: pidfd.
    pub const COLLECT: u32 = 4;
    /// Kill a zygote. In: its pidfd.
    pub const KILL: u32 = 5;
    /// Remove a slot's cgroups; its uid becomes free.
    pub const RETIRE_SLOT: u32 = 6;
    /// Start a sampler, where root has no cgroups. In: its socket. Out: pidfd.
    pub const SAMPLER: u32 = 7;
}

/// The spawner's answer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SpawnerReply {
    /// 0, or the `errno` of the step in `step`.
    pub errno: i32,
    /// Which step failed: one of [`step`].
    pub step: u32,
    /// Process id in the spawner's namespace, where one was started.
    pub pid: i32,
    /// `SLOT`: index.
    pub slot: u32,
    /// `SLOT`: the uid outside.
    pub uid: u32,
    /// `SLOT`: bit n is set when [`CgroupFile`] n came along.
    pub files: u32,
}

/// Control files of a slot's cgroups, in the order in which their descriptors travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum CgroupFile {
    /// `tasks` of the memory controller (v2: `cgroup.procs` of the one cgroup).
    ProcsMemory,
    /// `tasks` of the pids controller (v1).
    ProcsPids,
    /// `tasks` of cpuacct (v1).
    ProcsCpuacct,
    /// `tasks` of cpu (v1, where it is mounted apart from cpuacct).
    ProcsCpu,
    /// `memory.limit_in_bytes` / `memory.max`.
    MemoryLimit,
    /// `memory.memsw.limit_in_bytes` / `memory.swap.max`.
    SwapLimit,
    /// `memory.max_usage_in_bytes` / `memory.peak`.
    MemoryPeak,
    /// `memory.usage_in_bytes` / `memory.current`.
    MemoryUsage,
    /// `memory.oom_control` / `memory.events`: holds `oom_kill N`.
    OomEvents,
    /// `memory.force_empty` / `memory.reclaim`.
    MemoryReclaim,
    /// `pids.max`.
    PidsLimit,
    /// `pids.events`: holds `max N`.
    PidsEvents,
    /// `pids.current`.
    PidsUsage,
    /// `cpuacct.usage` (ns) / `cpu.stat` (`usage_usec N`).
    CpuUsage,
    /// `cpu.idle`: 1 gives way to everybody else.
    CpuIdle,
    /// `cgroup.kill` (v2).
    Kill,
}

impl CgroupFile {
    /// All of them, in order.
    pub const ALL: [Self; 16] = [
        Self::ProcsMemory,
        Self::ProcsPids,
        Self::ProcsCpuacct,
        Self::ProcsCpu,
        Self::MemoryLimit,
        Self::SwapLimit,
        Self::MemoryPeak,
        Self::MemoryUsage,
        Self::OomEvents,
        Self::MemoryReclaim,
        Self::PidsLimit,
        Self::PidsEvents,
        Self::PidsUsage,
        Self::CpuUsage,
        Self::CpuIdle,
        Self::Kill,
    ];

    /// Its bit in [`SpawnerReply::files`].
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What the supervisor asks of a zygote: one child.
///
/// Descriptors, in order: pid namespace, stdin, stdout, stderr, report, request, status socket,
/// then `procs` times a file to join a cgroup by.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ForkRequest {
    /// Uid (and gid) outside; 0 when the tier has only one.
    pub uid: u32,
    /// Processes and threads.
    pub processes: u32,
    /// Size of the workdir's tmpfs.
    pub workdir_bytes: u64,
    /// Inodes of the workdir's tmpfs.
    pub workdir_inodes: u64,
    /// `RLIMIT_DATA` per process, where no cgroup bounds the tree; 0 for none.
    pub data_bytes: u64,
    /// Opens a true report. Kept in native memory only.
    pub nonce: [u8; 32],
    /// How many descriptors to join a cgroup by come along.
    pub procs: u32,
    /// Uid of the holder of the child's memory; 0 for no holder.
    pub holder_uid: u32,
}

/// The zygote's answer. With `pid` 0 and `errno` 0 it says that the zygote is ready.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ForkReply {
    /// The child in the zygote's pid namespace.
    pub pid: i32,
    /// 0, or why there is none.
    pub errno: i32,
    /// Which step failed: one of [`step`].
    pub step: u32,
    /// Threads of the zygote when it became ready: 1.
    pub threads: u32,
    /// When it became ready: 1 if its memory is a sealed snapshot, 0 if it forks plainly.
    pub snapshot: u32,
}

/// What the supervisor asks of the sampler: one look at one execution.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SampleRequest {
    /// Its first process.
    pub first: i32,
    /// The init of its pid namespace.
    pub init: i32,
    /// Its memory limit.
    pub memory_bytes: u64,
}

/// What the sampler saw.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SampleReply {
    /// 0, or why it may not look.
    pub errno: i32,
    /// Always 0.
    pub reserved: u32,
    /// Memory of the tree.
    pub memory_bytes: u64,
    /// CPU time of the tree.
    pub cpu_us: u64,
}

/// What a child says about its confinement. With `errno` 0 the output folder, the mount namespace
/// and, where its filter has one, the filter's listener come along.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ChildStatus {
    /// 0, or why the step failed.
    pub errno: i32,
    /// Which step: one of [`step`]; [`step::READY`] at the end.
    pub step: u32,
}

/// What the child's native code reads before any user byte.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct LeaseHeader {
    /// `RLIMIT_FSIZE`.
    pub file_bytes: u64,
    /// `RLIMIT_CPU`, a second belt: SIGXCPU. Unit: seconds.
    pub cpu_seconds: u64,
    /// `RLIMIT_CPU`, hard: SIGKILL, so more than can be used before the wall limit. Unit: seconds.
    pub cpu_most_seconds: u64,
    /// `RLIMIT_NPROC`, a second belt.
    pub processes: u64,
    /// `RLIMIT_DATA` per process, where no cgroup bounds the tree; 0 leaves what the fork set.
    pub data_bytes: u64,
}

/// Declares the steps once, with their names for people.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)+) => {
        /// Steps that can fail, as numbers for messages.
        pub mod step {
            $($(#[$doc])* pub const $name: u32 = $value;)+

            /// What a step is called in errors and in the doctor's report.
            #[must_use]
            pub fn name(step: u32) -> &'static str {
                match step {
                    $($name => $text,)+
                    _ => "an unknown step",
                }
            }
        }
    };
}

steps! {
    /// Nothing failed.
    NONE = 0, "no step";
    /// A message could not be read.
    MESSAGE = 1, "reading the message";
    /// clone3.
    FORK = 2, "clone3";
    /// setns to the init's pid namespace.
    PID_NAMESPACE = 3, "entering the pid namespace";
    /// `tasks`, or `cgroup.procs` in v2.
    CGROUP = 4, "joining the cgroups";
    /// unshare(CLONE_NEWCGROUP).
    CGROUP_NAMESPACE = 5, "the cgroup namespace";
    /// The tmpfs and its binds.
    WORKDIR = 6, "mounting the workdir";
    /// The private proc.
    PROC = 7, "mounting /proc";
    /// setsid.
    SESSION = 8, "a session of its own";
    /// setresuid.
    IDENTITY = 9, "changing the uid";
    /// unshare(CLONE_NEWUSER) and its maps.
    USER_NAMESPACE = 10, "the user namespace";
    /// capset and the bounding set.
    CAPABILITIES = 11, "dropping capabilities";
    /// setrlimit.
    RLIMITS = 12, "resource limits";
    /// Landlock.
    LANDLOCK = 13, "Landlock";
    /// dup2 and close_range.
    DESCRIPTORS = 14, "closing descriptors";
    /// seccomp.
    SECCOMP = 15, "the system call filter";
    /// The self-test after the filter.
    SELF_TEST = 16, "the confinement's self-test";
    /// All steps are done.
    READY = 17, "ready";
    /// The lease header.
    LEASE = 18, "reading the lease";
    /// A cgroup could not be made.
    CGROUP_CREATE = 19, "creating a cgroup";
    /// No uid is left in the block.
    SLOTS = 20, "a free slot";
    /// The spawner's own set-up.
    SPAWNER = 21, "setting up the spawner";
    /// unshare(CLONE_NEWNET), where Landlock has no scopes.
    NETWORK = 22, "a network namespace of its own";
    /// The second process in a child's memory.
    HOLDER = 23, "the holder of its memory";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_padding() {
        assert_eq!(size_of::<SpawnerRequest>(), 4 * 4 + 8 + 32);
        assert_eq!(size_of::<SpawnerReply>(), 6 * 4);
        assert_eq!(size_of::<ForkRequest>(), 2 * 4 + 3 * 8 + 32 + 2 * 4);
        assert_eq!(size_of::<ForkReply>(), 5 * 4);
        assert_eq!(size_of::<ChildStatus>(), 2 * 4);
        assert_eq!(size_of::<LeaseHeader>(), 5 * 8);
        assert_eq!(size_of::<SampleRequest>(), 2 * 4 + 8);
        assert_eq!(size_of::<SampleReply>(), 2 * 4 + 2 * 8);
    }

    #[test]
    fn bytes_survive_the_round_trip() {
        let mut reply = ForkReply::zeroed();
        let sent = ForkReply {
            pid: 7,
            errno: -1,
            step: step::PROC,
            threads: 1,
            snapshot: 1,
        };
        reply.bytes_mut().copy_from_slice(sent.bytes());
        assert_eq!(
            (
                reply.pid,
                reply.errno,
                reply.step,
                reply.threads,
                reply.snapshot
            ),
            (7, -1, step::PROC, 1, 1)
        );
    }
}
