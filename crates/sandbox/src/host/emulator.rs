//! Runs a filter as the kernel does, so that tests can ask it about every call.

use super::filter::{AND, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, JUMP, LOAD, RETURN, SockFilter};

/// What the kernel shows a filter: `struct seccomp_data`, without the instruction pointer.
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) arch: u32,
    pub(super) arguments: [u64; 6],
}

/// The answer, and how many instructions it took.
///
/// A jump past the end, a load outside the data and an unknown operation panic: the kernel would
/// refuse to install such a program.
pub(super) fn run(program: &[SockFilter], call: &Call) -> (u32, usize) {
    let mut data = [0_u8; 64];
    data[0..4].copy_from_slice(&call.number.to_le_bytes());
    data[4..8].copy_from_slice(&call.arch.to_le_bytes());
    for (index, argument) in call.arguments.iter().enumerate() {
        data[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_le_bytes());
    }
    let (mut accumulator, mut next, mut steps) = (0_u32, 0_usize, 0);
    loop {
        let SockFilter { code, jt, jf, k } = program[next];
        let branch = |holds: bool| usize::from(if holds { jt } else { jf });
        next += 1;
        steps += 1;
        match code {
            LOAD => {
                assert_eq!(k % 4, 0, "loads are aligned");
                let at = usize::try_from(k).unwrap();
                accumulator = u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
            }
            AND => accumulator &= k,
            JUMP => next += usize::try_from(k).unwrap(),
            IF_EQUAL => next += branch(accumulator == k),
            IF_AT_LEAST => next += branch(accumulator >= k),
            IF_ANY_BIT => next += branch(accumulator & k != 0),
            RETURN => return (k, steps),
            _ => panic!("operation {code:#x} is not one the compiler uses"),
        }
    }
}
