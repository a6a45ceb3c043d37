//! One confined process tree: namespaces, mounts, cgroups, rlimits, seccomp, Landlock.
//!
//! `sys` holds the system calls, `confine` the ordered list of steps a child goes through,
//! `launch` and `init` what the spawner starts, `control` and `plan` the data between them. With
//! the feature `host` come the policies and their compiler, which no confined process needs.

pub mod collect;
pub mod confine;
pub mod control;
#[cfg(feature = "host")]
pub mod host;
pub mod init;
pub mod launch;
pub mod plan;
pub mod sample;
pub mod sampler;
pub mod spawner;
pub mod sys;
