//! The built binary as people call it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod arguments;
mod bench;
mod builds;
mod check;
mod environments;
mod input;
mod records;
mod run;
mod served;
mod support;
mod tools;
