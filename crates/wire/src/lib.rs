//! Bytes between host and guest. Every byte a guest wrote is hostile and is decoded here only.
//!
//! No I/O, no unsafe code, no clock: callers read and write, this crate says what the bytes mean.
//! Every buffer is bounded before it grows, and nothing a guest sends panics.

pub mod collect;
pub mod report;
pub mod request;
