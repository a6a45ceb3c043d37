//! The engine against the real kernel and a real CPython, without packages.

mod ends;
mod limits;
mod support;
