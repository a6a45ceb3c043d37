//! The executor against the real kernel and a real CPython, without packages.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "test helpers outside #[test] functions"
)]

mod custom;
mod environments;
mod executor;
mod fuzz;
mod metrics;
mod pip;
mod policy;
mod records;
mod scripts;
mod sources;
mod stdlib;
mod support;
mod tools;
mod workflow;
