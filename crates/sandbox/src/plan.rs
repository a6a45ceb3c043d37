//! What a zygote's root looks like and how it is started: data the host prepares and registers.
//!
//! Shape: a flat little-endian encoding, `u32` lengths before every string and list. Plans come
//! from the host that started the spawner, before it serves; guests never see one.

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

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
    fn strings(&mut self, strings: &[String]) {
        self.number(strings.len() as u64);
        for text in strings {
            self.bytes(text.as_bytes());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> io::Result<u64> {
        let (head, rest) = self
            .0
            .split_first_chunk::<8>()
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*head))
    }
    fn small(&mut self) -> io::Result<u32> {
        u32::try_from(self.number()?).map_err(|_| io::ErrorKind::InvalidData.into())
    }
    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.number()?).map_err(|_| io::ErrorKind::InvalidData)?;
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(head.to_vec())
    }
    fn string(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| io::ErrorKind::InvalidData.into())
    }
    fn strings(&mut self) -> io::Result<Vec<String>> {
        (0..self.number()?).map(|_| self.string()).collect()
    }
    fn privilege(&mut self) -> io::Result<Privilege> {
        match self.number()? {
            0 => Ok(Privilege::Root),
            1 => Ok(Privilege::User),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl ConfinePlan {
    /// Its encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.privilege as u64);
        out.number(self.landlock_abi.into());
        out.number(self.listener.into());
        out.bytes(&self.zygote_filter);
        out.bytes(&self.child_filter);
        out.bytes(&self.holder_filter);
        out.0
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut input = Reader(bytes);
        Ok(Self {
            privilege: input.privilege()?,
            landlock_abi: input.small()?,
            listener: input.number()? != 0,
            zygote_filter: input.bytes()?,
            child_filter: input.bytes()?,
            holder_filter: input.bytes()?,
        })
    }
}

impl SpawnerPlan {
    /// Its encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.privilege as u64);
        out.number(self.first_uid.into());
        out.number(self.slots.into());
        out.bytes(self.block.as_bytes());
        let folders = match &self.cgroups {
            CgroupParents::None => vec![],
            CgroupParents::V1 {
                memory,
                pids,
                cpuacct,
                cpu,
            } => [memory, pids, cpuacct]
                .into_iter()
                .chain(cpu)
                .cloned()
                .collect(),
            CgroupParents::V2 { parent } => vec![parent.clone()],
        };
        out.strings(&folders);
        out.bytes(self.environments.as_bytes());
        out.number(self.launches.len() as u64);
        for launch in &self.launches {
            out.bytes(&launch.encode());
        }
        out.0
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut input = Reader(bytes);
        let (privilege, first_uid, slots, block) = (
            input.privilege()?,
            input.small()?,
            input.small()?,
            input.string()?,
        );
        let cgroups = match input.strings()?.as_slice() {
            [] => CgroupParents::None,
            [parent] => CgroupParents::V2 {
                parent: parent.clone(),
            },
            [memory, pids, cpuacct, cpu @ ..] if cpu.len() < 2 => CgroupParents::V1 {
                memory: memory.clone(),
                pids: pids.clone(),
                cpuacct: cpuacct.clone(),
                cpu: cpu.first().cloned(),
            },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let environments = input.string()?;
        let launches = (0..input.number()?)
            .map(|_| LaunchPlan::decode(&input.bytes()?))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            privilege,
            first_uid,
            slots,
            block,
            cgroups,
            environments,
            launches,
        })
    }
}

impl LaunchPlan {
    /// Its encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.privilege as u64);
        out.bytes(self.staging.as_bytes());
        out.number(self.steps.len() as u64);
        for step in &self.steps {
            step.write(&mut out);
        }
        out.strings(&self.arguments);
        out.strings(&self.environment);
        out.0
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut input = Reader(bytes);
        let (privilege, staging) = (input.privilege()?, input.string()?);
        let steps = (0..input.number()?)
            .map(|_| MountStep::read(&mut input))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            privilege,
            staging,
            steps,
            arguments: input.strings()?,
            environment: input.strings()?,
        })
    }
}

impl MountStep {
    fn write(&self, out: &mut Writer) {
        let two = |out: &mut Writer, kind, first: &str, second: &str| {
            out.number(kind);
            out.bytes(first.as_bytes());
            out.bytes(second.as_bytes());
        };
        match self {
            Self::Directory { path, mode } => {
                two(out, 0, path, "");
                out.number((*mode).into());
            }
            Self::Symlink { path, target } => two(out, 1, path, target),
            Self::File {
                path,
                content,
                mode,
            } => {
                two(out, 2, path, "");
                out.bytes(content);
                out.number((*mode).into());
            }
            Self::Copy { source, path, mode } => {
                two(out, 3, path, source);
                out.number((*mode).into());
            }
            Self::Bind { source, path } => two(out, 4, path, source),
            Self::Overlay { source, path } => two(out, 5, path, source),
            Self::Device { source, path } => two(out, 6, path, source),
            Self::Tmpfs { path, bytes } => {
                two(out, 7, path, "");
                out.number(*bytes);
            }
            Self::Proc { path } => two(out, 8, path, ""),
            Self::Environment { path } => two(out, 9, path, ""),
        }
    }

    fn read(input: &mut Reader<'_>) -> io::Result<Self> {
        let kind = input.number()?;
        let (path, second) = (input.string()?, input.string()?);
        Ok(match kind {
            0 => Self::Directory {
                path,
                mode: input.small()?,
            },
            1 => Self::Symlink {
                path,
                target: second,
            },
            2 => Self::File {
                path,
                content: input.bytes()?,
                mode: input.small()?,
            },
            3 => Self::Copy {
                path,
                source: second,
                mode: input.small()?,
            },
            4 => Self::Bind {
                path,
                source: second,
            },
            5 => Self::Overlay {
                path,
                source: second,
            },
            6 => Self::Device {
                path,
                source: second,
            },
            7 => Self::Tmpfs {
                path,
                bytes: input.number()?,
            },
            8 => Self::Proc { path },
            9 => Self::Environment { path },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }

    /// Where it acts.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Directory { path, .. }
            | Self::Symlink { path, .. }
            | Self::File { path, .. }
            | Self::Copy { path, .. }
            | Self::Bind { path, .. }
            | Self::Overlay { path, .. }
            | Self::Environment { path }
            | Self::Device { path, .. }
            | Self::Tmpfs { path, .. }
            | Self::Proc { path } => path,
        }
    }
}

/// A path or string as the kernel wants it.
///
/// Errors: `InvalidInput` for a NUL inside.
pub fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_survive_the_round_trip_and_cut_ones_are_refused() {
        let path = |p: &str| p.to_owned();
        let plan = LaunchPlan {
            privilege: Privilege::User,
            staging: path("/s"),
            steps: vec![
                MountStep::Directory {
                    path: path("/a"),
                    mode: 0o755,
                },
                MountStep::Symlink {
                    path: path("/l"),
                    target: path("a"),
                },
                MountStep::File {
                    path: path("/f"),
                    content: vec![0, 255],
                    mode: 0o400,
                },
                MountStep::Copy {
                    source: path("/x"),
                    path: path("/y"),
                    mode: 0o555,
                },
                MountStep::Bind {
                    source: path("/x"),
                    path: path("/y"),
                },
                MountStep::Overlay {
                    source: path("/x"),
                    path: path("/y"),
                },
                MountStep::Environment { path: path("/e") },
                MountStep::Device {
                    source: path("/dev/null"),
                    path: path("/dev/null"),
                },
                MountStep::Tmpfs {
                    path: path("/tmp"),
                    bytes: 7,
                },
                MountStep::Proc {
                    path: path("/proc"),
                },
            ],
            arguments: vec![path("python"), path("-I")],
            environment: vec![],
        };
        let bytes = plan.encode();
        assert_eq!(LaunchPlan::decode(&bytes).unwrap(), plan);
        for cut in 0..bytes.len() {
            assert!(LaunchPlan::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let parents = CgroupParents::V1 {
            memory: path("/m"),
            pids: path("/p"),
            cpuacct: path("/c"),
            cpu: Some(path("/d")),
        };
        let spawner = SpawnerPlan {
            privilege: Privilege::Root,
            first_uid: 7,
            slots: 3,
            block: path("b"),
            cgroups: parents,
            environments: path("/s/e"),
            launches: vec![plan.clone(), plan],
        };
        assert_eq!(SpawnerPlan::decode(&spawner.encode()).unwrap(), spawner);
        let confine = ConfinePlan {
            privilege: Privilege::Root,
            landlock_abi: 7,
            listener: true,
            zygote_filter: vec![1],
            child_filter: vec![2, 3],
            holder_filter: vec![4],
        };
        assert_eq!(ConfinePlan::decode(&confine.encode()).unwrap(), confine);
    }
}
