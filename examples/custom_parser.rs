//! A parser of one's own: it takes notebooks of cells and parses what is in them.
//!
//! `cargo run -p examples --example custom_parser`

use async_trait::async_trait;
use stepflow_python::{
    CustomPythonParser, PythonError, PythonModule, PythonParser, PythonParserImpl,
};

/// Takes cells with `# %%` between them, and leaves out those marked as text.
struct Cells {
    inner: PythonParserImpl,
}

#[async_trait]
impl CustomPythonParser for Cells {
    async fn parse_code(&self, code: &str) -> Result<PythonModule, PythonError> {
        let mut is_code = true;
        // A line that goes leaves an empty one, so that all others keep their numbers.
        let lines = code.lines().map(|line| {
            if let Some(title) = line.strip_prefix("# %%") {
                is_code = !title.contains("[markdown]");
            }
            if is_code { line } else { "" }
        });
        let code = lines.collect::<Vec<_>>().join("\n");
        self.inner.parse_code(&code).await
    }

    fn get_supported_features(&self) -> Vec<String> {
        vec!["cells".to_owned(), "imports".to_owned()]
    }

    fn get_parser_name(&self) -> &str {
        "cells"
    }
}

#[tokio::main]
async fn main() -> Result<(), PythonError> {
    let parser = Cells {
        inner: PythonParserImpl::default(),
    };
    let notebook =
        "# %%\nimport numpy\n# %% [markdown]\nNot Python.\n# %%\ndef area(r): return 3 * r";
    let module = parser.parse_code(notebook).await?;
    let imports: Vec<&str> = module
        .imports
        .iter()
        .map(|one| one.module.as_str())
        .collect();
    let function = &module.functions[0];
    assert_eq!((imports, function.span.line), (vec!["numpy"], 6));
    eprintln!("{} on line {}", function.name, function.span.line);
    Ok(())
}
