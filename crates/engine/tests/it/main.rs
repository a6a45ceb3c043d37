//! The engine against the real kernel and a real CPython, without packages.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "test helpers outside #[test] functions"
)]

mod ends;
mod kills;
mod limits;
mod nested;
mod pools;
mod requested;
mod support;
