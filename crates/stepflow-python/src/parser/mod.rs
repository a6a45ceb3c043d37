//! What a source text says about itself, found without ever putting the host at risk.
//!
//! Walking and dropping a syntax tree recurses, and a stack that overflows ends the process. So
//! `caps` bounds the depth from tokens alone before a tree exists, and the tree is built, walked
//! and dropped on the large stacks of `pool`. What leaves them is flat data. The kernel is the
//! boundary: nothing here guards anything but this process.
//!
//! Two kinds of callers: [`hints_of`] gives hints, and a source without an answer runs all the same;
//! [`PythonParserImpl`] and the validator say why there is no answer.

mod caps;
mod facts;
mod hints;
mod implementation;
mod imports;
mod lines;
mod metadata;
mod module;
mod pool;
mod semantics;
pub(crate) mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::time::Duration;

use engine::Finding;
use ruff_python_ast::{Expr, ModModule, PythonVersion, Stmt};
use ruff_python_parser::{Mode, ParseOptions, Parsed};

use self::caps::{Admitted, Refused};
pub(crate) use self::facts::docstring_of;
pub(crate) use self::lines::Lines;

pub use self::hints::{Hints, hints_of};
pub use self::implementation::{
    CustomPythonParser, ParserConfig, PythonParser, PythonParserImpl, PythonVersionNumber,
};
pub use self::metadata::{MetadataError, ScriptMetadata, script_metadata};
pub use self::module::{
    Constant, Field, Import, Parameter, ParameterKind, PythonClass, PythonFunction, PythonModule,
};
pub(crate) use self::text::ENCODING;
pub use self::text::decode;
pub use self::tree::{AST, Node};

/// What the parser of this process can do, in the words of `get_supported_features`.
pub const FEATURES: [&str; 8] = [
    "functions",
    "classes",
    "imports",
    "constants",
    "entry-point",
    "script-metadata",
    "syntax-findings",
    "ast",
];

/// Longest wait for an answer; scanning 1 MiB takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why nothing was found out about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Its own fault.
    Refused(Finding),
    /// Ours: the parser's threads are busy.
    Busy,
}

/// A source with its tree, on a thread where it may be walked.
pub(crate) struct Parse<'a> {
    pub(crate) source: &'a str,
    pub(crate) lines: Lines<'a>,
    pub(crate) tree: &'a Parsed<ModModule>,
    pub(crate) version: PythonVersion,
}

impl Parse<'_> {
    /// What is wrong with its syntax.
    pub(crate) fn syntax(&self) -> Vec<Finding> {
        syntax::findings(self.source, &self.lines, self.tree, self.version)
    }
}

/// What `work` finds in the tree of `source`, which may be a recovered one.
///
/// Errors: a source that is too long, too deep or has NULs; a pool that is busy.
pub(crate) async fn examine<T: Send + 'static>(
    source: String,
    version: PythonVersion,
    work: impl FnOnce(&Parse<'_>) -> T + Send + 'static,
) -> Result<T, Unread> {
    if source.len() > caps::SOURCE_BYTES {
        let message = format!(
            "the source has {} bytes, but at most {} are checked",
            source.len(),
            caps::SOURCE_BYTES
        );
        let finding = syntax::whole(
            syntax::TOO_COMPLEX,
            message,
            Some("keep data in a file".into()),
        );
        return Err(Unread::Refused(finding));
    }
    let job = move || examine_here(&source, version, work);
    match tokio::time::timeout(PATIENCE, pool::run(job)).await {
        Ok(Some(examined)) => examined.map_err(Unread::Refused),
        Ok(None) | Err(_) => Err(Unread::Busy),
    }
}

/// The same on this thread, which must have the stack of a pool thread.
fn examine_here<T>(
    source: &str,
    version: PythonVersion,
    work: impl FnOnce(&Parse<'_>) -> T,
) -> Result<T, Finding> {
    if let Some(finding) = text::nul(source) {
        return Err(finding);
    }
    let tree = parse(source, version).map_err(syntax::refused)?;
    Ok(work(&Parse {
        source,
        lines: Lines::of(source),
        tree: &tree,
        version,
    }))
}

/// What `work` finds in a text that is one expression; `None` for any other. Only for pool threads.
pub(crate) fn with_expression<T>(text: &str, work: impl FnOnce(&Expr) -> T) -> Option<T> {
    let tree = parse(text, newest()).ok()?;
    if tree.has_invalid_syntax() {
        return None;
    }
    match tree.syntax().body.as_slice() {
        [Stmt::Expr(only)] => Some(work(&only.value)),
        _ => None,
    }
}

async fn answer<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::time::timeout(PATIENCE, pool::run(work))
        .await
        .ok()
        .flatten()
        .flatten()
}

/// The newest syntax that the parser knows.
pub(crate) fn newest() -> PythonVersion {
    PythonVersion::latest_preview()
}

/// The newest Python whose syntax is known.
#[must_use]
pub fn newest_version() -> PythonVersionNumber {
    let newest = newest();
    (newest.major, newest.minor)
}

/// The tree, recovered where the syntax is wrong. Only for pool threads.
fn parse(source: &str, version: PythonVersion) -> Result<Parsed<ModModule>, Refused> {
    let admitted = caps::admit(source)?;
    let options = ParseOptions::from(Mode::Module).with_target_version(version);
    let tree = ruff_python_parser::parse_unchecked(source, options)
        .try_into_module()
        // A module is what was asked for.
        .ok_or(Refused::Broken)?;
    if admitted == Admitted::ByTokens
        && !caps::is_safe(tree.tokens().iter().map(|token| token.kind()))
    {
        // Losing its memory is better than losing the process to its drop.
        tracing::error!("the parser read a source deeper than its tokens say; report this");
        std::mem::forget(tree);
        return Err(Refused::TooDeep);
    }
    Ok(tree)
}
