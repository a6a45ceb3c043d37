//! Integration tests of the Python tool library.

mod executor;
mod support;
