//! Integration tests of the Python tool library.

mod environment;
