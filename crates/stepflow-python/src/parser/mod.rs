//! What a source text says about itself, found without ever putting the host at risk.
//!
//! The kernel is the boundary, so nothing here guards anything: an answer only chooses how warm an
//! interpreter a program gets, and where our own line goes. A source that is too large, too deep or
//! broken has no answer and runs all the same. Walking and dropping a syntax tree recurses, and a
//! stack that overflows ends the process. So [`caps`] bounds the depth from tokens alone before a
//! tree exists, and the tree lives and dies on the large stacks of [`pool`].

mod caps;
mod imports;
mod pool;
mod prelude;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use ruff_python_ast::ModModule;
use ruff_python_parser::{ParseOptions, Parsed};

/// Longest wait for an answer; scanning 1 MiB takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Top-level names of the modules that `source` imports, anywhere in it.
///
/// Shape: absolute `import` and `from` statements, and `__import__("x")` and
/// `importlib.import_module("x")` of constant names. Empty when the source is over our caps, or
/// when the scanning threads are busy: the set is a hint.
pub async fn imports_of(source: &str) -> BTreeSet<String> {
    if !mentions_import(source) || source.len() > caps::SOURCE_BYTES {
        return BTreeSet::new();
    }
    let source = source.to_owned();
    answer(move || parse(&source).map(|tree| imports::of_module(tree.syntax())))
        .await
        .unwrap_or_default()
}

/// `source` with the expression `prelude` evaluated before anything that can use what it sets.
///
/// No line of the source gets another number: the prelude shares a line with what is there, or
/// takes an empty one. Source text without a valid tree stays as it is, for it does not run.
/// `None` when the source is over our caps: then a line of its own is all that is left.
pub(crate) async fn with_prelude(source: &str, prelude: &'static str) -> Option<String> {
    if source.len() > caps::SOURCE_BYTES {
        return None;
    }
    let source = source.to_owned();
    answer(move || {
        let tree = parse(&source)?;
        if tree.has_invalid_syntax() {
            return Some(source);
        }
        Some(prelude::insert(&source, &tree.syntax().body, prelude))
    })
    .await
}

async fn answer<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::time::timeout(PATIENCE, pool::run(work))
        .await
        .ok()
        .flatten()
        .flatten()
}

fn mentions_import(source: &str) -> bool {
    source.contains("import")
}

/// The tree, recovered where the syntax is wrong; `None` over the caps. Only for pool threads.
fn parse(source: &str) -> Option<Parsed<ModModule>> {
    if !caps::admits(source) {
        return None;
    }
    let options = ParseOptions::from(ruff_python_parser::Mode::Module);
    let tree = ruff_python_parser::parse_unchecked(source, options).try_into_module()?;
    if !caps::is_safe(tree.tokens().iter().map(|token| token.kind())) {
        // Losing its memory is better than losing the process to its drop.
        tracing::error!("the parser read a source deeper than its tokens say; report this");
        std::mem::forget(tree);
        return None;
    }
    Some(tree)
}
