//! The dialects the server speaks, a folder each. They never import each other.

pub(crate) mod native;
