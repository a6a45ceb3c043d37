//! The project's recipes.
fn main() {}
