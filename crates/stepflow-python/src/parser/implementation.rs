//! The seed's parser traits, and the parser of this process behind them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use ruff_python_ast::PythonVersion;
use tokio::io::AsyncReadExt;

use super::facts::{self, Facts};
use super::module::{Import, PythonModule};
use super::tree::AST;
use super::{Parse, Unread, caps, examine, imports, newest, script_metadata, syntax, text};
use crate::dependencies::{self, Dependency};
use crate::errors::PythonError;
use crate::executor::ValidationResult;
use crate::records::Database;
use crate::validator::modules::ModuleRules;

/// Major and minor version, such as `(3, 11)`.
pub type PythonVersionNumber = (u8, u8);

/// Says what a source is made of.
#[async_trait]
pub trait PythonParser: Send + Sync {
    /// Parses a source as the module `main`.
    ///
    /// Errors: `SyntaxError` tells every error with its place; `ParseError` is a source over the
    /// caps; `ImportError` an import that the configuration does not allow.
    async fn parse_code(&self, code: &str) -> Result<PythonModule, PythonError>;

    /// Parses a file as the module of its name.
    ///
    /// Errors: those of `parse_code`; a file that cannot be read is a `ParseError`.
    async fn parse_file(&self, path: &str) -> Result<PythonModule, PythonError>;

    /// Tells every syntax error, without failing for it.
    async fn validate_syntax(&self, code: &str) -> Result<ValidationResult, PythonError>;

    /// The distributions a source needs.
    async fn analyze_dependencies(&self, code: &str) -> Result<Vec<Dependency>, PythonError>;
}

/// A parser of an embedder, chosen by its name.
#[async_trait]
pub trait CustomPythonParser: Send + Sync {
    /// Parses a source.
    async fn parse_code(&self, code: &str) -> Result<PythonModule, PythonError>;

    /// What it can do, in words of its own; shown in `/capabilities`.
    fn get_supported_features(&self) -> Vec<String>;

    /// The name it is chosen by.
    fn get_parser_name(&self) -> &str;
}

/// How sources are parsed. Source: seed 003, "ParserConfig"; `python_version` is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParserConfig {
    /// Whether `PythonModule::ast` is filled.
    pub enable_ast_parsing: bool,
    /// Whether `PythonModule::dependencies` is filled.
    pub enable_dependency_analysis: bool,
    /// Longest source. Units: bytes; never more than 1 MiB.
    pub max_code_size: usize,
    /// Modules that may be imported, with what is below them; empty for all.
    pub allowed_imports: Vec<String>,
    /// Modules that may not be imported, nor what is below them.
    pub blocked_imports: Vec<String>,
    /// The version whose syntax counts; `None` is the newest known.
    pub python_version: Option<PythonVersionNumber>,
}

impl Default for ParserConfig {
    fn default() -> Self {
        Self {
            enable_ast_parsing: true,
            enable_dependency_analysis: true,
            max_code_size: caps::SOURCE_BYTES,
            allowed_imports: Vec::new(),
            blocked_imports: Vec::new(),
            python_version: None,
        }
    }
}

/// The parser of this process.
#[derive(Debug, Clone, Default)]
pub struct PythonParserImpl {
    config: ParserConfig,
}

impl PythonParserImpl {
    /// As the seed writes it. A parser records nothing, so it has no use for the database: modules are
    /// kept as tools.
    #[must_use]
    pub fn new(_db: Arc<Database>, config: ParserConfig) -> Self {
        Self::with_config(config)
    }

    /// A parser that follows `config`.
    #[must_use]
    pub fn with_config(config: ParserConfig) -> Self {
        Self { config }
    }

    fn version(&self) -> PythonVersion {
        self.config
            .python_version
            .map_or_else(newest, PythonVersion::from)
    }

    async fn parse(&self, name: &str, code: &str) -> Result<PythonModule, PythonError> {
        self.check_size(code.len())?;
        let with_ast = self.config.enable_ast_parsing;
        let found = examine(code.to_owned(), self.version(), move |parse| {
            take_apart(parse, with_ast)
        });
        let (facts, ast) = found.await.map_err(unread)??;
        self.check_imports(&facts.imports)?;
        let script_metadata =
            script_metadata(code).map_err(|error| PythonError::ParseError(error.to_string()))?;
        let dependencies = if self.config.enable_dependency_analysis {
            let minor = self.version().minor;
            dependencies::of_source(&facts.imports, script_metadata.as_ref(), minor)
        } else {
            Vec::new()
        };
        Ok(PythonModule {
            name: name.to_owned(),
            functions: facts.functions,
            classes: facts.classes,
            imports: facts.imports,
            dependencies,
            source_code: code.to_owned(),
            ast,
            docstring: facts.docstring,
            constants: facts.constants,
            entry_point: facts.entry_point,
            script_metadata,
        })
    }

    fn check_size(&self, bytes: usize) -> Result<(), PythonError> {
        let most = self.config.max_code_size;
        if bytes > most {
            let told = format!("the source has {bytes} bytes, but the most is {most}");
            return Err(PythonError::ParseError(told));
        }
        Ok(())
    }

    fn check_imports(&self, imports: &[Import]) -> Result<(), PythonError> {
        let rules = ModuleRules::new(&self.config.allowed_imports, &self.config.blocked_imports);
        let refused: Vec<String> = imports
            .iter()
            .filter_map(|import| {
                Some(format!(
                    "line {}: {}",
                    import.span.line,
                    rules.refusal_of(import)?
                ))
            })
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(PythonError::ImportError(refused.join("; ")))
        }
    }
}

#[async_trait]
impl PythonParser for PythonParserImpl {
    async fn parse_code(&self, code: &str) -> Result<PythonModule, PythonError> {
        self.parse("main", code).await
    }

    async fn parse_file(&self, path: &str) -> Result<PythonModule, PythonError> {
        let code = read(path, self.config.max_code_size).await?;
        let name = Path::new(path).file_stem().unwrap_or_default();
        self.parse(&name.to_string_lossy(), &code).await
    }

    async fn validate_syntax(&self, code: &str) -> Result<ValidationResult, PythonError> {
        self.check_size(code.len())?;
        match examine(code.to_owned(), self.version(), |parse| parse.syntax()).await {
            Ok(findings) => Ok(ValidationResult::of(findings)),
            Err(Unread::Refused(finding)) => Ok(ValidationResult::of(vec![finding])),
            Err(Unread::Busy) => Err(unread(Unread::Busy)),
        }
    }

    async fn analyze_dependencies(&self, code: &str) -> Result<Vec<Dependency>, PythonError> {
        let config = ParserConfig {
            enable_ast_parsing: false,
            enable_dependency_analysis: true,
            ..self.config.clone()
        };
        Ok(Self::with_config(config)
            .parse("main", code)
            .await?
            .dependencies)
    }
}

/// Errors: the source's syntax errors in one text, or facts that would not fit.
fn take_apart(parse: &Parse<'_>, with_ast: bool) -> Result<(Facts, Option<AST>), PythonError> {
    let errors = parse.syntax();
    if !errors.is_empty() {
        let told: Vec<String> = errors.iter().map(syntax::sentence).collect();
        return Err(PythonError::SyntaxError(told.join("; ")));
    }
    let module = parse.tree.syntax();
    let mut facts = facts::of_module(parse.source, &parse.lines, module, parse.tree.tokens())
        .ok_or_else(|| {
            PythonError::ParseError("nested definitions repeat more text than can be kept".into())
        })?;
    facts
        .imports
        .extend(imports::calls(parse.source, module, &parse.lines));
    facts
        .imports
        .sort_by_key(|import| (import.span.line, import.span.column));
    Ok((facts, with_ast.then(|| AST::of_module(module))))
}

fn unread(why: Unread) -> PythonError {
    match why {
        Unread::Refused(finding) if finding.code == syntax::SYNTAX_ERROR => {
            PythonError::SyntaxError(syntax::sentence(&finding))
        }
        Unread::Refused(finding) => PythonError::ParseError(syntax::sentence(&finding)),
        Unread::Busy => PythonError::InternalError("the parser is busy; try again later".into()),
    }
}

/// Reads no more than it takes to know that a file is too long, and nothing but plain files.
async fn read(path: &str, most: usize) -> Result<String, PythonError> {
    let refuse = |why: String| PythonError::ParseError(format!("cannot read `{path}`: {why}"));
    let failed = |error: std::io::Error| refuse(error.to_string());
    // Opening a pipe would wait for its writer.
    if !tokio::fs::metadata(path).await.map_err(failed)?.is_file() {
        return Err(refuse("it is no plain file".into()));
    }
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit)
        .read_to_end(&mut bytes)
        .await
        .map_err(failed)?;
    if bytes.len() > most {
        return Err(refuse(format!("it has more than {most} bytes")));
    }
    text::decode(&bytes).map_err(|finding| PythonError::ParseError(syntax::sentence(&finding)))
}
