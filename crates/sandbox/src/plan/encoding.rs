//! Plans as bytes.
//!
//! Shape: a flat little-endian encoding, `u64` numbers, a length before every string and list.

use std::io;

use super::{CgroupParents, ConfinePlan, LaunchPlan, MountStep, Privilege, SpawnerPlan};

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
