//! The imports of a syntax tree: statements, and calls with a constant name.

use std::collections::BTreeSet;

use ruff_python_ast::statement_visitor::{self, StatementVisitor};
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ModModule, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::lines::Lines;
use super::module::Import;

/// Top-level names of every module that `module`, whose text is `source`, imports absolutely.
pub(crate) fn of_module(source: &str, module: &ModModule) -> BTreeSet<String> {
    let found = Imports::of(source, module);
    let names = found
        .statements
        .iter()
        .chain(found.calls.iter().map(|(name, _)| name));
    // A relative name starts with a dot, and so has no first part.
    let first = names.filter_map(|name| name.split('.').next().filter(|name| !name.is_empty()));
    first.map(str::to_owned).collect()
}

/// The calls that import a module whose name stands in the source.
pub(crate) fn calls(source: &str, module: &ModModule, lines: &Lines<'_>) -> Vec<Import> {
    if !may_call(source) {
        return Vec::new();
    }
    let import = |(name, range): (&str, TextRange)| {
        let module = name.trim_start_matches('.');
        Import {
            module: module.to_owned(),
            level: u32::try_from(name.len() - module.len()).unwrap_or(u32::MAX),
            is_call: true,
            span: lines.span(range),
            ..Default::default()
        }
    };
    Imports::of(source, module)
        .calls
        .into_iter()
        .map(import)
        .collect()
}

/// Whether expressions have to be looked at.
fn may_call(source: &str) -> bool {
    source.contains("__import__") || source.contains("import_module")
}

#[derive(Debug, Default)]
struct Imports<'a> {
    /// Modules of absolute `import` and `from` statements.
    statements: Vec<&'a str>,
    calls: Vec<(&'a str, TextRange)>,
}

impl<'a> Imports<'a> {
    fn of(source: &str, module: &'a ModModule) -> Self {
        let mut imports = Self::default();
        if may_call(source) {
            Visitor::visit_body(&mut imports, &module.body);
        } else {
            StatementVisitor::visit_body(&mut imports, &module.body);
        }
        imports
    }

    fn note(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                let names = import.names.iter().map(|alias| alias.name.as_str());
                self.statements.extend(names);
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                let module = import.module.as_ref().map(|module| module.as_str());
                self.statements.extend(module);
            }
            _ => {}
        }
    }
}

impl<'a> StatementVisitor<'a> for Imports<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.note(statement);
        statement_visitor::walk_stmt(self, statement);
    }
}

impl<'a> Visitor<'a> for Imports<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.note(statement);
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression
            && let Some(module) = imported_by(call)
        {
            self.calls.push((module, call.range()));
        }
        walk_expr(self, expression);
    }
}

/// The constant name that `__import__(…)` or `importlib.import_module(…)` is called with.
fn imported_by(call: &ExprCall) -> Option<&str> {
    let imports = match call.func.as_ref() {
        Expr::Name(name) => matches!(name.id.as_str(), "__import__" | "import_module"),
        Expr::Attribute(attribute) => attribute.attr.as_str() == "import_module",
        _ => false,
    };
    let named = call
        .arguments
        .find_argument_value("name", 0)
        .filter(|_| imports)?;
    Some(named.as_string_literal_expr()?.value.to_str())
}
