//! The system call policy: which calls a guest may make, read from `policies/syscalls.toml`.
//!
//! A call is named in exactly one entry, every entry has a reason, and what is named nowhere gets
//! the default. Both filters come from one list: the zygote's is the child's plus its own entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use super::syscall_numbers::{Arch, names_by_number};

/// Why a policy file cannot be used.
#[derive(Debug)]
pub enum PolicyError {
    /// The file is not TOML of the expected shape.
    Parse {
        /// The file, below `policies/`.
        file: &'static str,
        /// What the parser says.
        source: toml::de::Error,
    },
    /// A table of numbers has a line that is not `number name`, or one number twice.
    Table {
        /// The file, below `policies/`.
        file: &'static str,
        /// 1-based.
        line: usize,
    },
    /// An entry without a reason.
    NoReason {
        /// The first name or the path of that entry.
        entry: String,
    },
    /// A name that no architecture has.
    UnknownCall(String),
    /// A name in two entries.
    NamedTwice(String),
    /// A rule on an argument that cannot be compiled.
    Rule {
        /// The first name of that entry.
        entry: String,
        /// What a rule must have.
        must: &'static str,
    },
    /// A path that is not absolute and normalised, or that stands in two entries.
    Path(String),
    /// More instructions than the kernel takes.
    TooLong(usize),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse { file, .. } => write!(formatter, "cannot read policy `{file}`"),
            Self::Table { file, line } => {
                write!(
                    formatter,
                    "line {line} of `{file}` must be a new number and a name"
                )
            }
            Self::NoReason { entry } => write!(formatter, "the entry of `{entry}` needs a reason"),
            Self::UnknownCall(name) => {
                write!(
                    formatter,
                    "`{name}` is no system call of a known architecture"
                )
            }
            Self::NamedTwice(name) => write!(formatter, "`{name}` must be named in one entry only"),
            Self::Rule { entry, must } => write!(formatter, "the rule for `{entry}` must {must}"),
            Self::Path(path) => {
                write!(
                    formatter,
                    "`{path}` must be absolute, normalised and named once"
                )
            }
            Self::TooLong(count) => {
                write!(
                    formatter,
                    "the filter has {count} instructions; the kernel takes 4096"
                )
            }
        }
    }
}

impl std::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Parse { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Which of the two filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKind {
    /// The last layer of a confined child.
    Child,
    /// Inherited by every child: what the fork loop and the child's confinement need as well.
    Zygote,
    /// On top of the zygote's, in the process that only holds a child's memory.
    Holder,
}

/// The error a refused call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Errno {
    /// Not permitted.
    #[serde(rename = "EPERM")]
    Eperm,
    /// No such system call: libraries fall back to an older one.
    #[serde(rename = "ENOSYS")]
    Enosys,
}

impl Errno {
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Eperm => 1,
            Self::Enosys => 38,
        }
    }
}

/// What one of the filters answers to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Permitted.
    Allow,
    /// Refused with this error.
    Refuse(Errno),
    /// Permitted when the argument fits, else refused with the policy's default.
    AllowIf(ArgumentRule),
    /// Permitted; when the argument fits, the host hears of it first.
    AnnounceIf(ArgumentRule),
}

/// A condition on the low 32 bits of one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentRule {
    /// 0-based.
    pub argument: u8,
    /// What must hold.
    pub test: ArgumentTest,
}

/// What must hold for an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentTest {
    /// Under the mask it equals one of the values.
    OneOf {
        /// Bits that are compared.
        mask: u32,
        /// The permitted values, most frequent first.
        values: Vec<u32>,
    },
    /// It equals none of the values.
    NoneOf(Vec<u32>),
    /// None of these bits is set.
    NoneOfBits(u32),
}

/// The policy as read: a verdict per name.
#[derive(Debug, Clone)]
pub struct SyscallPolicy {
    pub(super) default: Errno,
    pub(super) unknown: Errno,
    child: BTreeMap<String, Verdict>,
    zygote: BTreeSet<String>,
    holder: BTreeSet<String>,
    needs_cgroups: Vec<String>,
}

impl SyscallPolicy {
    /// The policy this program was built with. No request and no variable changes it.
    pub fn embedded() -> Result<Self, PolicyError> {
        Self::parse(include_str!("../../../../policies/syscalls.toml"))
    }

    /// Reads a policy.
    ///
    /// Errors: the first entry without a reason, with a name unknown or used twice, or with a rule
    /// that does not say exactly one thing.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|source| PolicyError::Parse {
            file: "syscalls.toml",
            source,
        })?;
        let known = known_calls()?;
        let mut child = BTreeMap::new();
        let mut needs_cgroups = Vec::new();
        for entry in &file.allow {
            if entry.needs_cgroups {
                needs_cgroups.extend(entry.calls.iter().cloned());
            }
            add(
                &mut child,
                &known,
                &entry.calls,
                &entry.reason,
                &Verdict::Allow,
            )?;
        }
        for entry in &file.restrict {
            add(
                &mut child,
                &known,
                &entry.calls,
                &entry.reason,
                &Verdict::AllowIf(entry.rule()?),
            )?;
        }
        for entry in &file.announce {
            add(
                &mut child,
                &known,
                &entry.calls,
                &entry.reason,
                &Verdict::AnnounceIf(entry.rule()?),
            )?;
        }
        for entry in &file.refuse {
            add(
                &mut child,
                &known,
                &entry.calls,
                &entry.reason,
                &Verdict::Refuse(entry.errno),
            )?;
        }
        let allowed = |entries: &[PlainEntry]| {
            let mut verdicts = BTreeMap::new();
            for entry in entries {
                add(
                    &mut verdicts,
                    &known,
                    &entry.calls,
                    &entry.reason,
                    &Verdict::Allow,
                )?;
            }
            Ok(verdicts.into_keys().collect())
        };
        let (zygote, holder) = (allowed(&file.zygote)?, allowed(&file.holder)?);
        Ok(Self {
            default: file.default,
            unknown: file.unknown,
            child,
            zygote,
            holder,
            needs_cgroups,
        })
    }

    /// The policy where no cgroup bounds a guest: calls whose memory nothing else counts answer as
    /// unknown ones do, so that libraries fall back.
    #[must_use]
    pub fn without_cgroups(mut self) -> Self {
        for name in std::mem::take(&mut self.needs_cgroups) {
            self.child.insert(name, Verdict::Refuse(self.unknown));
        }
        self
    }

    /// The policy where no filter of ours may have a listener: nobody hears of any call.
    #[must_use]
    pub fn without_listener(mut self) -> Self {
        for verdict in self.child.values_mut() {
            if matches!(verdict, Verdict::AnnounceIf(_)) {
                *verdict = Verdict::Allow;
            }
        }
        self
    }

    /// What a filter answers to a call of this name. Only the child's announces: one filter of a
    /// process may have a listener.
    #[must_use]
    pub fn verdict(&self, name: &str, which: FilterKind) -> Verdict {
        let child = self.child.get(name);
        match (which, child) {
            (FilterKind::Holder, _) if self.holder.contains(name) => Verdict::Allow,
            (FilterKind::Holder, _) => Verdict::Refuse(self.default),
            (FilterKind::Zygote, _) if self.zygote.contains(name) => Verdict::Allow,
            (FilterKind::Zygote, Some(Verdict::AnnounceIf(_))) => Verdict::Allow,
            (_, Some(verdict)) => verdict.clone(),
            (_, None) => Verdict::Refuse(self.default),
        }
    }
}

fn add(
    verdicts: &mut BTreeMap<String, Verdict>,
    known: &BTreeSet<&str>,
    calls: &[String],
    reason: &str,
    verdict: &Verdict,
) -> Result<(), PolicyError> {
    if calls.is_empty() || reason.trim().is_empty() {
        return Err(PolicyError::NoReason {
            entry: first(calls),
        });
    }
    for name in calls {
        if !known.contains(name.as_str()) {
            return Err(PolicyError::UnknownCall(name.clone()));
        }
        if verdicts.insert(name.clone(), verdict.clone()).is_some() {
            return Err(PolicyError::NamedTwice(name.clone()));
        }
    }
    Ok(())
}

fn known_calls() -> Result<BTreeSet<&'static str>, PolicyError> {
    let mut known: BTreeSet<_> = names_by_number(Arch::X86_64)?.into_values().collect();
    known.extend(names_by_number(Arch::Aarch64)?.into_values());
    Ok(known)
}

fn first(calls: &[String]) -> String {
    calls.first().cloned().unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    default: Errno,
    unknown: Errno,
    allow: Vec<PlainEntry>,
    restrict: Vec<RestrictEntry>,
    announce: Vec<RestrictEntry>,
    refuse: Vec<RefuseEntry>,
    zygote: Vec<PlainEntry>,
    holder: Vec<PlainEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainEntry {
    calls: Vec<String>,
    /// What these calls hold is bounded by a cgroup alone; without one they do not exist.
    #[serde(default)]
    needs_cgroups: bool,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseEntry {
    calls: Vec<String>,
    errno: Errno,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestrictEntry {
    calls: Vec<String>,
    argument: u8,
    mask: Option<u32>,
    one_of: Option<Vec<u32>>,
    none_of: Option<Vec<u32>>,
    none_of_bits: Option<u32>,
    reason: String,
}

impl RestrictEntry {
    /// The entry's one condition. At most 200 values, so that every jump fits into 8 bits.
    fn rule(&self) -> Result<ArgumentRule, PolicyError> {
        let refuse = |must| {
            Err(PolicyError::Rule {
                entry: first(&self.calls),
                must,
            })
        };
        if self.argument > 5 {
            return refuse("name an argument from 0 to 5");
        }
        let test = match (&self.one_of, &self.none_of, self.none_of_bits, self.mask) {
            (Some(values), None, None, mask) => ArgumentTest::OneOf {
                mask: mask.unwrap_or(u32::MAX),
                values: values.clone(),
            },
            (None, Some(values), None, None) => ArgumentTest::NoneOf(values.clone()),
            (None, None, Some(bits), None) if bits != 0 => ArgumentTest::NoneOfBits(bits),
            _ => return refuse("have exactly one of one_of, none_of and none_of_bits"),
        };
        match &test {
            ArgumentTest::OneOf { values, .. } | ArgumentTest::NoneOf(values)
                if values.is_empty() || values.len() > 200 =>
            {
                refuse("list between 1 and 200 values")
            }
            ArgumentTest::OneOf { mask, values }
                if values.iter().any(|value| value & !mask != 0) =>
            {
                refuse("list values that fit under its mask")
            }
            _ => Ok(ArgumentRule {
                argument: self.argument,
                test,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
