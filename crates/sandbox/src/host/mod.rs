//! What only the host needs: policies as data and the compiler of system call filters.
//!
//! Nothing here runs inside a guest. The host compiles, the guest side installs bytes.

pub mod block;
pub mod cgroups;
#[cfg(test)]
mod emulator;
pub mod filter;
pub mod floor;
pub mod mounts;
pub mod policy;
pub mod probe;
pub mod start;
pub mod syscall_numbers;
