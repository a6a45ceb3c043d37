//! What a source is made of, as the seed names it. Plain data: it can be stored and sent.

use engine::Span;
use serde::{Deserialize, Serialize};

use super::metadata::ScriptMetadata;
use super::tree::AST;
use crate::dependencies::Dependency;

/// A parsed source. Source: seed 003, "PythonModule"; what follows `ast` is ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PythonModule {
    /// `main` for bare code, else the file's name without its extension.
    pub name: String,
    /// Every function that is no method, in the order of the source.
    pub functions: Vec<PythonFunction>,
    /// Every class, in the order of the source.
    pub classes: Vec<PythonClass>,
    /// Every import, in the order of the source, one per name.
    pub imports: Vec<Import>,
    /// The distributions it needs; empty without `enable_dependency_analysis`.
    pub dependencies: Vec<Dependency>,
    /// The text itself.
    pub source_code: String,
    /// The syntax tree; `None` without `enable_ast_parsing`.
    pub ast: Option<AST>,
    /// The docstring, cleaned as `inspect.cleandoc` does.
    pub docstring: Option<String>,
    /// Assignments to names in capitals at the top level.
    pub constants: Vec<Constant>,
    /// The first `if __name__ == "__main__":`.
    pub entry_point: Option<Span>,
    /// The `# /// script` block.
    pub script_metadata: Option<ScriptMetadata>,
}

/// A function or method. Source: seed 003, "PythonFunction"; what follows `source_code` is ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PythonFunction {
    /// Its own name.
    pub name: String,
    /// In the order in which they are written.
    pub parameters: Vec<Parameter>,
    /// The text behind `->`.
    pub return_type: Option<String>,
    /// Cleaned as `inspect.cleandoc` does.
    pub docstring: Option<String>,
    /// The text of each, without `@`.
    pub decorators: Vec<String>,
    /// Whether it is written `async def`.
    pub is_async: bool,
    /// Its lines as they stand, decorators and indentation included.
    pub source_code: String,
    /// `outer.<locals>.inner` or `Class.method`, as `__qualname__`.
    pub qualified_name: String,
    /// From `def` or `async` to its last character, without decorators, as in CPython's `ast`.
    pub span: Span,
}

/// A parameter of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Without stars.
    pub name: String,
    /// How it is passed.
    pub kind: ParameterKind,
    /// The text behind the colon.
    pub annotation: Option<String>,
    /// The text behind `=`.
    pub default: Option<String>,
}

/// How a parameter is passed. Source: `inspect.Parameter.kind`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterKind {
    /// Before `/`.
    PositionalOnly,
    /// By place or by name.
    #[default]
    PositionalOrKeyword,
    /// `*args`.
    VarPositional,
    /// Behind `*`.
    KeywordOnly,
    /// `**kwargs`.
    VarKeyword,
}

/// A class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PythonClass {
    /// Its own name.
    pub name: String,
    /// The text of each base.
    pub bases: Vec<String>,
    /// The text of each keyword, such as `metaclass=ABCMeta`.
    pub keywords: Vec<String>,
    /// The functions of its body.
    pub methods: Vec<PythonFunction>,
    /// Names assigned in its body, and attributes of `self` assigned in `__init__`.
    pub fields: Vec<Field>,
    /// Cleaned as `inspect.cleandoc` does.
    pub docstring: Option<String>,
    /// The text of each, without `@`.
    pub decorators: Vec<String>,
    /// Its lines as they stand, decorators and indentation included.
    pub source_code: String,
    /// As `__qualname__`.
    pub qualified_name: String,
    /// From `class` to its last character, as in CPython's `ast`.
    pub span: Span,
}

/// A field of a class, at its first assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Without `self.`.
    pub name: String,
    /// The text behind the colon.
    pub annotation: Option<String>,
    /// The text of the value, if it is assigned one.
    pub default: Option<String>,
    /// Whether `__init__` assigns it to the instance.
    pub is_instance: bool,
}

/// A constant at the top level, by the convention of capitals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// The text behind the colon.
    pub annotation: Option<String>,
    /// The text of its value.
    pub value: String,
    /// The whole assignment.
    pub span: Span,
}

/// One imported name: `from a.b import c as d` has the module `a.b`, the name `c`, the alias `d`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The dotted module, without the dots of a relative import; empty for `from . import a`.
    pub module: String,
    /// What is taken from the module; `*` for everything; `None` for the module itself.
    pub name: Option<String>,
    /// The name behind `as`.
    pub alias: Option<String>,
    /// Dots of a relative import; 0 for an absolute one.
    pub level: u32,
    /// Whether it stands below `if`, `try`, a loop, `with` or `match`.
    pub is_conditional: bool,
    /// Whether it stands in a function.
    pub is_in_function: bool,
    /// Whether it is written `lazy`. Source: PEP 810.
    pub is_lazy: bool,
    /// Whether it is a call of `__import__` or `import_module` with a constant.
    pub is_call: bool,
    /// The statement or the call.
    pub span: Span,
}
