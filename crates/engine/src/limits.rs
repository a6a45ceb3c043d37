//! The numbers we enforce and the numbers we measure.
//!
//! A caller's overrides are cut to the server's maxima, never above them; the limits that were in
//! force stand in every report.

use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// Limits of one execution, for its whole process tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time from the first byte of user code.
    pub wall: Duration,
    /// CPU time of the whole tree.
    pub cpu: Duration,
    /// Memory of the whole tree, page cache and tmpfs included.
    pub memory_bytes: u64,
    /// Processes and threads alive at once.
    pub processes: u32,
    /// Bytes in the workdir, `/tmp` and `/dev/shm` together.
    pub workdir_bytes: u64,
    /// Files and folders in the workdir, `/tmp` and `/dev/shm` together.
    pub workdir_inodes: u64,
    /// Bytes kept of stdout and of stderr, each: head and tail; the rest is counted.
    pub output_bytes: u64,
    /// Bytes of stdout and stderr together at which the execution is killed.
    pub output_hard_bytes: u64,
    /// Files collected from `output/`.
    pub artifacts: u32,
    /// Bytes of one collected file.
    pub artifact_bytes: u64,
    /// Bytes of the source text.
    pub source_bytes: u64,
}

impl Default for Limits {
    /// Source: contracts/rulings.md, "Everywhere".
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(30),
            memory_bytes: 512 * MIB,
            processes: 256,
            workdir_bytes: 256 * MIB,
            workdir_inodes: 10_000,
            output_bytes: 10 * MIB,
            output_hard_bytes: 256 * MIB,
            artifacts: 20,
            artifact_bytes: 20 * MIB,
            source_bytes: MIB,
        }
    }
}

/// What a caller may ask for. `None` takes the server's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is the one of the same name in `Limits`"
)]
pub struct LimitOverrides {
    pub wall_ms: Option<u64>,
    pub cpu_ms: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub processes: Option<u64>,
    pub workdir_bytes: Option<u64>,
    pub workdir_inodes: Option<u64>,
    pub output_bytes: Option<u64>,
    pub output_hard_bytes: Option<u64>,
    pub artifacts: Option<u64>,
    pub artifact_bytes: Option<u64>,
    pub source_bytes: Option<u64>,
}

/// A limit that no program could run under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit `{name}` is {value}, but the least that can work is {least}")]
pub struct LimitError {
    /// The field's name as callers write it.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The smallest accepted value.
    pub least: u64,
}

/// The server's defaults and maxima.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitPolicy {
    /// In force when a caller says nothing.
    pub defaults: Limits,
    /// The most a caller can get.
    pub maxima: Limits,
}

impl Default for LimitPolicy {
    fn default() -> Self {
        let defaults = Limits::default();
        Self {
            defaults,
            maxima: defaults.times(10),
        }
    }
}

impl LimitPolicy {
    /// The limits of one execution: the caller's wishes, cut to the maxima.
    ///
    /// Errors: a value below the least that can work names its field.
    pub fn resolve(&self, wish: &LimitOverrides) -> Result<Limits, LimitError> {
        let pick = |name, wish: Option<u64>, default: u64, most: u64, least: u64| match wish {
            Some(value) if value < least => Err(LimitError { name, value, least }),
            Some(value) => Ok(value.min(most)),
            None => Ok(default.min(most)),
        };
        let (d, m) = (&self.defaults, &self.maxima);
        let processes = pick(
            "processes",
            wish.processes,
            d.processes.into(),
            m.processes.into(),
            1,
        )?;
        let artifacts = pick(
            "artifacts",
            wish.artifacts,
            d.artifacts.into(),
            m.artifacts.into(),
            0,
        )?;
        Ok(Limits {
            wall: Duration::from_millis(pick(
                "wall_ms",
                wish.wall_ms,
                millis(d.wall),
                millis(m.wall),
                1,
            )?),
            cpu: Duration::from_millis(pick(
                "cpu_ms",
                wish.cpu_ms,
                millis(d.cpu),
                millis(m.cpu),
                1,
            )?),
            memory_bytes: pick(
                "memory_bytes",
                wish.memory_bytes,
                d.memory_bytes,
                m.memory_bytes,
                16 * MIB,
            )?,
            processes: u32::try_from(processes).unwrap_or(u32::MAX),
            workdir_bytes: pick(
                "workdir_bytes",
                wish.workdir_bytes,
                d.workdir_bytes,
                m.workdir_bytes,
                64 * 1024,
            )?,
            workdir_inodes: pick(
                "workdir_inodes",
                wish.workdir_inodes,
                d.workdir_inodes,
                m.workdir_inodes,
                16,
            )?,
            output_bytes: pick(
                "output_bytes",
                wish.output_bytes,
                d.output_bytes,
                m.output_bytes,
                0,
            )?,
            output_hard_bytes: pick(
                "output_hard_bytes",
                wish.output_hard_bytes,
                d.output_hard_bytes,
                m.output_hard_bytes,
                1,
            )?,
            artifacts: u32::try_from(artifacts).unwrap_or(u32::MAX),
            artifact_bytes: pick(
                "artifact_bytes",
                wish.artifact_bytes,
                d.artifact_bytes,
                m.artifact_bytes,
                0,
            )?,
            source_bytes: pick(
                "source_bytes",
                wish.source_bytes,
                d.source_bytes,
                m.source_bytes,
                0,
            )?,
        })
    }
}

impl Limits {
    /// The same limits, `factor` times as wide.
    #[must_use]
    pub fn times(&self, factor: u32) -> Self {
        let wide = u64::from(factor);
        Self {
            wall: self.wall.saturating_mul(factor),
            cpu: self.cpu.saturating_mul(factor),
            memory_bytes: self.memory_bytes.saturating_mul(wide),
            processes: self.processes.saturating_mul(factor),
            workdir_bytes: self.workdir_bytes.saturating_mul(wide),
            workdir_inodes: self.workdir_inodes.saturating_mul(wide),
            output_bytes: self.output_bytes.saturating_mul(wide),
            output_hard_bytes: self.output_hard_bytes.saturating_mul(wide),
            artifacts: self.artifacts.saturating_mul(factor),
            artifact_bytes: self.artifact_bytes.saturating_mul(wide),
            source_bytes: self.source_bytes.saturating_mul(wide),
        }
    }
}

/// What the kernel measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// From the first byte of user code to the reap.
    pub wall: Duration,
    /// CPU time of the whole tree. Source: `cpuacct.usage` / `cpu.stat`; without cgroups: `waitid`
    /// and samples.
    pub cpu: Duration,
    /// Peak memory of the whole tree. Source: `memory.max_usage_in_bytes` / `memory.peak`; without
    /// cgroups: samples, and at least what the largest process can have held.
    pub memory_peak_bytes: u64,
}

/// Whole milliseconds, saturating.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_cut_to_the_maximum_and_never_widens_a_default_silently() {
        let policy = LimitPolicy::default();
        let wish = LimitOverrides {
            wall_ms: Some(10_000_000),
            memory_bytes: Some(64 * MIB),
            ..Default::default()
        };
        let limits = policy.resolve(&wish).unwrap();
        assert_eq!(limits.wall, Duration::from_secs(300));
        assert_eq!(limits.memory_bytes, 64 * MIB);
        assert_eq!(limits.processes, 256);
    }

    #[test]
    fn a_default_above_the_maximum_is_cut_too() {
        let defaults = Limits::default();
        let maxima = Limits {
            wall: Duration::from_secs(5),
            ..defaults
        };
        let limits = LimitPolicy { defaults, maxima }
            .resolve(&LimitOverrides::default())
            .unwrap();
        assert_eq!(limits.wall, Duration::from_secs(5));
    }

    #[test]
    fn a_limit_nothing_could_run_under_names_its_field() {
        let wish = LimitOverrides {
            wall_ms: Some(0),
            ..Default::default()
        };
        let error = LimitPolicy::default().resolve(&wish).unwrap_err();
        assert_eq!(
            error.to_string(),
            "limit `wall_ms` is 0, but the least that can work is 1"
        );
    }
}
