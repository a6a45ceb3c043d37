//! Compiles the system call policy into a classic BPF program for seccomp.
//!
//! Order of the checks: architecture, foreign ABI, then a search tree over the numbers. Neighbours
//! with the same verdict share a leaf, and the tree is balanced by the allowed numbers: the kernel
//! emulates the program once for each of them when a filter is attached, which every child pays.
//!
//! Only loads, `AND`, equality, order and bit tests are used: with anything else the kernel gives up
//! its table of constant answers and runs the program on every call. Source: seccomp(2), kernel/seccomp.c.

use std::collections::BTreeMap;

use super::policy::{
    ArgumentRule, ArgumentTest, Errno, FilterKind, PolicyError, SyscallPolicy, Verdict,
};
use super::syscall_numbers::{Arch, names_by_number};

/// Most instructions the kernel takes. Source: linux/bpf_common.h, `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;

pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(super) const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

pub(super) const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
pub(super) const ANNOUNCE: u32 = 0x7fc0_0000; // SECCOMP_RET_USER_NOTIF
pub(super) const ERRNO: u32 = 0x0005_0000; // SECCOMP_RET_ERRNO
pub(super) const KILL_PROCESS: u32 = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS

/// A filter that changes nothing: one instruction, which allows.
pub(super) const NOTHING: [u8; 8] = {
    let ([low, high], [a, b, c, d]) = (RETURN.to_le_bytes(), ALLOW.to_le_bytes());
    [low, high, 0, 0, a, b, c, d]
};

/// Offsets in `struct seccomp_data`.
const NUMBER_OFFSET: u32 = 0;
const ARCH_OFFSET: u32 = 4;
const ARGUMENTS_OFFSET: u32 = 16;

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SockFilter {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// The program of one filter, as the bytes of an array of `struct sock_filter`.
///
/// Shape: 8 bytes per instruction, little-endian, as both architectures are.
/// Errors: `TooLong` over 4096 instructions.
pub fn compile(
    policy: &SyscallPolicy,
    which: FilterKind,
    arch: Arch,
) -> Result<Vec<u8>, PolicyError> {
    let program = instructions(policy, which, arch)?;
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend_from_slice(&instruction.code.to_le_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_le_bytes());
    }
    Ok(bytes)
}

/// The program of one filter.
pub fn instructions(
    policy: &SyscallPolicy,
    which: FilterKind,
    arch: Arch,
) -> Result<Vec<SockFilter>, PolicyError> {
    let names = names_by_number(arch)?;
    let mut program = vec![
        plain(LOAD, ARCH_OFFSET),
        test(IF_EQUAL, arch.audit(), 1, 0),
        plain(RETURN, KILL_PROCESS),
        plain(LOAD, NUMBER_OFFSET),
    ];
    if let Some(first) = arch.foreign_abi_from() {
        program.push(test(IF_AT_LEAST, first, 0, 1));
        program.push(plain(RETURN, KILL_PROCESS));
    }
    program.extend(tree(&runs(policy, which, &names), policy.default)?);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(PolicyError::TooLong(program.len()));
    }
    Ok(program)
}

/// Neighbouring numbers with one verdict; it ends where the next run begins.
struct Run {
    first: u32,
    verdict: Verdict,
    /// How often this leaf is visited when a filter is attached.
    weight: u32,
}

fn runs(
    policy: &SyscallPolicy,
    which: FilterKind,
    names: &BTreeMap<u32, &'static str>,
) -> Vec<Run> {
    let end = names.last_key_value().map_or(0, |(newest, _)| newest + 1);
    let mut runs: Vec<Run> = Vec::new();
    for number in 0..=end {
        let verdict = match names.get(&number) {
            Some(name) => policy.verdict(name, which),
            None => Verdict::Refuse(policy.unknown),
        };
        match runs.last_mut() {
            Some(last) if last.verdict == verdict => {
                last.weight += u32::from(verdict == Verdict::Allow);
            }
            _ => runs.push(Run {
                first: number,
                verdict,
                weight: 1,
            }),
        }
    }
    runs
}

/// The search over `runs`, which are in order and not empty.
///
/// The lower half follows its test at once; the upper half lies behind it. A test reaches 255
/// instructions far, so a longer lower half is passed over by a jump.
fn tree(runs: &[Run], otherwise: Errno) -> Result<Vec<SockFilter>, PolicyError> {
    if let [leaf] = runs {
        return leaf_of(&leaf.verdict, otherwise);
    }
    let middle = balanced_split(runs);
    let lower = tree(&runs[..middle], otherwise)?;
    let upper = tree(&runs[middle..], otherwise)?;
    let first = runs[middle].first;
    let mut program = match u8::try_from(lower.len()) {
        Ok(distance) => vec![test(IF_AT_LEAST, first, distance, 0)],
        Err(_) => {
            let distance =
                u32::try_from(lower.len()).map_err(|_| PolicyError::TooLong(lower.len()))?;
            vec![test(IF_AT_LEAST, first, 0, 1), plain(JUMP, distance)]
        }
    };
    program.extend(lower);
    program.extend(upper);
    Ok(program)
}

/// The split after which the heavier side is lightest.
fn balanced_split(runs: &[Run]) -> usize {
    let total: u32 = runs.iter().map(|run| run.weight).sum();
    let mut before = 0;
    let mut best = (u32::MAX, 1);
    for (index, run) in runs.iter().enumerate().skip(1) {
        before += runs[index - 1].weight;
        debug_assert!(run.first > runs[index - 1].first, "runs are in order");
        best = best.min((before.max(total - before), index));
    }
    best.1
}

fn leaf_of(verdict: &Verdict, otherwise: Errno) -> Result<Vec<SockFilter>, PolicyError> {
    match verdict {
        Verdict::Allow => Ok(vec![plain(RETURN, ALLOW)]),
        Verdict::Refuse(errno) => Ok(vec![refuse(*errno)]),
        Verdict::AllowIf(rule) => argument_test(rule, plain(RETURN, ALLOW), refuse(otherwise)),
        Verdict::AnnounceIf(rule) => {
            argument_test(rule, plain(RETURN, ANNOUNCE), plain(RETURN, ALLOW))
        }
    }
}

/// A load, one test per value, then the two answers.
fn argument_test(
    rule: &ArgumentRule,
    fits: SockFilter,
    otherwise: SockFilter,
) -> Result<Vec<SockFilter>, PolicyError> {
    let mut program = vec![plain(LOAD, ARGUMENTS_OFFSET + 8 * u32::from(rule.argument))];
    match &rule.test {
        ArgumentTest::OneOf { mask, values } => {
            if *mask != u32::MAX {
                program.push(plain(AND, *mask));
            }
            program.extend(equality_tests(values)?);
            program.extend([otherwise, fits]);
        }
        ArgumentTest::NoneOf(values) => {
            program.extend(equality_tests(values)?);
            program.extend([fits, otherwise]);
        }
        ArgumentTest::NoneOfBits(bits) => {
            program.extend([test(IF_ANY_BIT, *bits, 1, 0), fits, otherwise]);
        }
    }
    Ok(program)
}

/// Tests that jump over the instruction behind the last of them on equality.
fn equality_tests(values: &[u32]) -> Result<Vec<SockFilter>, PolicyError> {
    let tests = values.iter().enumerate().map(|(index, value)| {
        let distance = values.len() - index;
        let distance = u8::try_from(distance).map_err(|_| PolicyError::TooLong(distance))?;
        Ok(test(IF_EQUAL, *value, distance, 0))
    });
    tests.collect()
}

fn plain(code: u16, k: u32) -> SockFilter {
    SockFilter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn test(code: u16, k: u32, jt: u8, jf: u8) -> SockFilter {
    SockFilter { code, jt, jf, k }
}

fn refuse(errno: Errno) -> SockFilter {
    plain(RETURN, ERRNO | u32::from(errno.number()))
}

#[cfg(test)]
mod tests;
