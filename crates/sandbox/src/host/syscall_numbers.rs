//! System call numbers per architecture, read from `policies/syscalls/*.txt`.

use std::collections::BTreeMap;

use super::policy::PolicyError;

/// An architecture with a table of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// Proven: tests and escapes run on it.
    X86_64,
    /// Unproven: compiled and emulated, never installed.
    Aarch64,
}

impl Arch {
    /// The architecture this program was built for, when there is a table for it.
    #[must_use]
    pub fn current() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// The value of `seccomp_data.arch`. Source: linux/audit.h, `AUDIT_ARCH_*`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    /// Numbers from here on belong to a second ABI of the same architecture: x32.
    /// Source: asm/unistd.h, `__X32_SYSCALL_BIT`.
    pub(super) fn foreign_abi_from(self) -> Option<u32> {
        match self {
            Self::X86_64 => Some(0x4000_0000),
            Self::Aarch64 => None,
        }
    }

    fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::X86_64 => (
                "syscalls/x86_64.txt",
                include_str!("../../../../policies/syscalls/x86_64.txt"),
            ),
            Self::Aarch64 => (
                "syscalls/aarch64.txt",
                include_str!("../../../../policies/syscalls/aarch64.txt"),
            ),
        }
    }
}

/// Names by number.
///
/// Errors: `Table` names the first line that is not `number name` or that repeats a number.
pub fn names_by_number(arch: Arch) -> Result<BTreeMap<u32, &'static str>, PolicyError> {
    let (file, text) = arch.table();
    let mut names = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line
            .split_once(' ')
            .and_then(|(number, name)| Some((number.parse().ok()?, name)));
        let fresh = entry.is_some_and(|(number, name)| names.insert(number, name).is_none());
        if !fresh {
            return Err(PolicyError::Table {
                file,
                line: index + 1,
            });
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_numbers_are_where_the_kernel_has_them() {
        for (arch, number, name) in [
            (Arch::X86_64, 0, "read"),
            (Arch::X86_64, 59, "execve"),
            (Arch::X86_64, 435, "clone3"),
            (Arch::Aarch64, 63, "read"),
            (Arch::Aarch64, 221, "execve"),
            (Arch::Aarch64, 435, "clone3"),
        ] {
            assert_eq!(
                names_by_number(arch).unwrap().get(&number),
                Some(&name),
                "{arch:?}"
            );
        }
    }

    #[test]
    fn the_table_agrees_with_libc() {
        let names = names_by_number(Arch::current().unwrap()).unwrap();
        for (number, name) in [
            (libc::SYS_write, "write"),
            (libc::SYS_clone, "clone"),
            (libc::SYS_prctl, "prctl"),
            (libc::SYS_openat2, "openat2"),
            (libc::SYS_landlock_restrict_self, "landlock_restrict_self"),
            (libc::SYS_mseal, "mseal"),
        ] {
            assert_eq!(names.get(&u32::try_from(number).unwrap()), Some(&name));
        }
    }
}
