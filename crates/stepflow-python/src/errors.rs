//! Our own failures, with the seed's texts to the letter.

use crate::records::DatabaseError;

/// What went wrong on our side. A guest's end is a `PythonResponse`, not an error.
///
/// Source: seed 003, "错误类型".
#[derive(Debug, Clone, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the seed's variants; their texts say what they are"
)]
pub enum PythonError {
    #[error("Parse error: {0}")]
    ParseError(String),
    #[error("Syntax error: {0}")]
    SyntaxError(String),
    #[error("Execution error: {0}")]
    ExecutionError(String),
    #[error("Environment error: {0}")]
    EnvironmentError(String),
    #[error("Dependency error: {0}")]
    DependencyError(String),
    #[error("Security violation: {0}")]
    SecurityViolation(String),
    #[error("Timeout exceeded")]
    TimeoutExceeded,
    #[error("Memory limit exceeded")]
    MemoryLimitExceeded,
    #[error("Import error: {0}")]
    ImportError(String),
    #[error("Database error: {0}")]
    DatabaseError(#[from] DatabaseError),
    #[error("Internal error: {0}")]
    InternalError(String),
}
