//! The imports of a syntax tree.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ModModule, Stmt};

/// Top-level names of every module that `module` imports absolutely.
pub(crate) fn of_module(module: &ModModule) -> BTreeSet<String> {
    let mut imports = Imports::default();
    imports.visit_body(&module.body);
    imports.names
}

#[derive(Debug, Default)]
struct Imports {
    names: BTreeSet<String>,
}

impl Imports {
    /// A relative name starts with a dot, and so has no first part.
    fn add(&mut self, module: &str) {
        if let Some(name) = module.split('.').next().filter(|name| !name.is_empty()) {
            self.names.insert(name.to_owned());
        }
    }
}

impl<'a> Visitor<'a> for Imports {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.add(&alias.name);
                }
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                if let Some(module) = &import.module {
                    self.add(module);
                }
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression
            && let Some(module) = imported_by(call)
        {
            self.add(module);
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
    let named = || {
        let keyword = |keyword: &&ruff_python_ast::Keyword| {
            keyword
                .arg
                .as_ref()
                .is_some_and(|name| name.as_str() == "name")
        };
        call.arguments
            .keywords
            .iter()
            .find(keyword)
            .map(|keyword| &keyword.value)
    };
    match call.arguments.args.first().or_else(named) {
        Some(Expr::StringLiteral(literal)) if imports => Some(literal.value.to_str()),
        _ => None,
    }
}
