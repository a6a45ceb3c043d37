//! What CPython's compiler refuses although its grammar allows it: `return` outside a function.
//!
//! The rules are the parser crate's, but for three that it leaves out; this module tells them where in
//! the tree they stand.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use ruff_python_ast::statement_visitor::{StatementVisitor, walk_stmt as walk_statement};
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, ModModule, Parameters, PythonVersion, Stmt, StmtTry,
};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
    SemanticSyntaxErrorKind,
};
use ruff_text_size::{Ranged, TextRange};

use crate::validator::scopes::Scopes;

/// What is wrong, and where.
pub(crate) type Error = (String, TextRange);

/// The errors of `module`, in no order. Recurses: only for pool threads.
pub(crate) fn errors(source: &str, module: &ModModule, version: PythonVersion) -> Vec<Error> {
    let mut walk = Walk {
        checker: SemanticSyntaxChecker::new(),
        context: Context {
            source,
            version,
            future_annotations: imports_future_annotations(&module.body),
            has_globals: source.contains("global"),
            scopes: Vec::new(),
            tries: 0,
            has_nonlocals: Cell::new(false),
            errors: RefCell::default(),
        },
    };
    walk.within(Kind::Module, &module.body, |walk| {
        walk.visit_body(&module.body);
    });
    let mut errors = walk.context.errors.into_inner();
    if walk.context.has_nonlocals.get() {
        errors.extend(unbound_nonlocals(module, &errors));
    }
    errors
}

/// But for those that are wrong anyway, as parameters are.
fn unbound_nonlocals(module: &ModModule, errors: &[Error]) -> Vec<Error> {
    let wrong: HashSet<TextRange> = errors.iter().map(|(_, range)| *range).collect();
    let scopes = Scopes::of(module);
    let unbound = scopes.unbound_nonlocals();
    let unbound = unbound.filter(|(_, range)| !wrong.contains(range));
    let told = |(name, range)| (format!("no binding for nonlocal `{name}` found"), range);
    unbound.map(told).collect()
}

fn imports_future_annotations(body: &[Stmt]) -> bool {
    let imports = body.iter().filter_map(Stmt::as_import_from_stmt);
    imports
        .filter(|import| import.module.as_deref() == Some("__future__"))
        .any(|import| {
            import
                .names
                .iter()
                .any(|name| name.name.as_str() == "annotations")
        })
}

struct Walk<'a> {
    checker: SemanticSyntaxChecker,
    context: Context<'a>,
}

/// Where the walk is.
struct Context<'a> {
    source: &'a str,
    version: PythonVersion,
    future_annotations: bool,
    /// Whether any scope can declare a name `global`.
    has_globals: bool,
    /// The innermost last.
    scopes: Vec<Scope<'a>>,
    /// `try` statements around this place.
    tries: usize,
    /// Whether a function or a class declares a name `nonlocal`.
    has_nonlocals: Cell<bool>,
    errors: RefCell<Vec<Error>>,
}

struct Scope<'a> {
    kind: Kind<'a>,
    /// Names declared `global` in it, and where first.
    globals: HashMap<&'a str, TextRange>,
    loops: usize,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    Module,
    Class,
    Function {
        is_async: bool,
        parameters: &'a Parameters,
    },
    Lambda {
        parameters: Option<&'a Parameters>,
    },
    Comprehension {
        is_generator: bool,
        is_async: bool,
    },
}

/// Collects the `global` statements of one scope.
#[derive(Default)]
struct Globals<'a>(HashMap<&'a str, TextRange>);

impl<'a> StatementVisitor<'a> for Globals<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            Stmt::Global(global) => {
                for name in &global.names {
                    self.0.entry(name.as_str()).or_insert(global.range);
                }
            }
            _ => walk_statement(self, statement),
        }
    }
}

impl<'a> Walk<'a> {
    /// A scope whose declarations stand in `body`.
    fn within(&mut self, kind: Kind<'a>, body: &'a [Stmt], inside: impl FnOnce(&mut Self)) {
        let mut globals = Globals::default();
        if self.context.has_globals {
            globals.visit_body(body);
        }
        self.context.scopes.push(Scope {
            kind,
            globals: globals.0,
            loops: 0,
        });
        inside(self);
        self.context.scopes.pop();
    }

    fn in_loop(&mut self, body: &'a [Stmt]) {
        self.count_loops(|loops| loops + 1);
        self.visit_body(body);
        self.count_loops(|loops| loops - 1);
    }

    fn count_loops(&mut self, change: impl FnOnce(usize) -> usize) {
        if let Some(scope) = self.context.scopes.last_mut() {
            scope.loops = change(scope.loops);
        }
    }

    /// The first iterable belongs to the scope around.
    fn comprehension(
        &mut self,
        generators: &'a [Comprehension],
        is_generator: bool,
        parts: &[&'a Expr],
    ) {
        let Some((first, others)) = generators.split_first() else {
            return;
        };
        self.visit_expr(&first.iter);
        let kind = Kind::Comprehension {
            is_generator,
            is_async: generators.iter().any(|one| one.is_async),
        };
        self.within(kind, &[], |walk| {
            walk.visit_expr(&first.target);
            first
                .ifs
                .iter()
                .for_each(|condition| walk.visit_expr(condition));
            others.iter().for_each(|one| walk.visit_comprehension(one));
            parts.iter().for_each(|part| walk.visit_expr(part));
        });
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.checker.visit_stmt(statement, &self.context);
        self.context.starred_alone(statement);
        match statement {
            Stmt::FunctionDef(function) => {
                function
                    .decorator_list
                    .iter()
                    .for_each(|one| self.visit_decorator(one));
                if let Some(parameters) = &function.type_params {
                    self.visit_type_params(parameters);
                }
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                let kind = Kind::Function {
                    is_async: function.is_async,
                    parameters: &function.parameters,
                };
                self.within(kind, &function.body, |walk| walk.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                class
                    .decorator_list
                    .iter()
                    .for_each(|one| self.visit_decorator(one));
                if let Some(parameters) = &class.type_params {
                    self.visit_type_params(parameters);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.within(Kind::Class, &class.body, |walk| {
                    walk.visit_body(&class.body)
                });
            }
            Stmt::For(each) => {
                self.visit_expr(&each.iter);
                self.visit_expr(&each.target);
                self.in_loop(&each.body);
                self.visit_body(&each.orelse);
            }
            Stmt::While(repeat) => {
                self.visit_expr(&repeat.test);
                self.in_loop(&repeat.body);
                self.visit_body(&repeat.orelse);
            }
            Stmt::Try(tried) => {
                self.context.default_handler(tried);
                self.context.tries += 1;
                walk_stmt(self, statement);
                self.context.tries -= 1;
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.checker.visit_expr(expression, &self.context);
        match expression {
            Expr::Lambda(lambda) => {
                let parameters = lambda.parameters.as_deref();
                if let Some(parameters) = parameters {
                    self.visit_parameters(parameters);
                }
                self.within(Kind::Lambda { parameters }, &[], |walk| {
                    walk.visit_expr(&lambda.body);
                });
            }
            Expr::ListComp(list) => self.comprehension(&list.generators, false, &[&list.elt]),
            Expr::SetComp(set) => self.comprehension(&set.generators, false, &[&set.elt]),
            Expr::DictComp(dict) => match &dict.key {
                Some(key) => self.comprehension(&dict.generators, false, &[key, &dict.value]),
                None => self.comprehension(&dict.generators, false, &[&dict.value]),
            },
            Expr::Generator(generator) => {
                self.comprehension(&generator.generators, true, &[&generator.elt]);
            }
            _ => walk_expr(self, expression),
        }
    }
}

impl<'a> Context<'a> {
    fn note(&self, told: String, range: TextRange) {
        self.errors.borrow_mut().push((told, range));
    }

    /// `*a` as a statement, or as all that is assigned.
    fn starred_alone(&self, statement: &Stmt) {
        let value = match statement {
            Stmt::Expr(expression) => Some(&expression.value),
            Stmt::Assign(assign) => Some(&assign.value),
            Stmt::AnnAssign(assign) => assign.value.as_ref(),
            _ => None,
        };
        if let Some(starred) = value.filter(|value| value.is_starred_expr()) {
            let told = SemanticSyntaxErrorKind::InvalidStarExpression;
            self.report(told, starred.range());
        }
    }

    fn report(&self, kind: SemanticSyntaxErrorKind, range: TextRange) {
        self.report_semantic_error(SemanticSyntaxError {
            kind,
            range,
            python_version: self.version,
        });
    }

    /// A bare `except:` before others.
    fn default_handler(&self, tried: &StmtTry) {
        let before = tried
            .handlers
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        for ExceptHandler::ExceptHandler(handler) in before {
            if handler.type_.is_none() {
                self.note("default `except:` must be last".to_owned(), handler.range);
            }
        }
    }

    /// The innermost scope first.
    fn kinds(&self) -> impl Iterator<Item = Kind<'a>> {
        self.scopes.iter().rev().map(|scope| scope.kind)
    }
}

impl SemanticSyntaxContext for Context<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.future_annotations
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        let around = self.kinds().find_map(|kind| match kind {
            Kind::Function { .. } | Kind::Lambda { .. } => Some(LazyImportContext::Function),
            Kind::Class => Some(LazyImportContext::Class),
            Kind::Module | Kind::Comprehension { .. } => None,
        });
        around.or((self.tries > 0).then_some(LazyImportContext::TryExceptBlocks))
    }

    fn python_version(&self) -> PythonVersion {
        self.version
    }

    fn source(&self) -> &str {
        self.source
    }

    fn global(&self, name: &str) -> Option<TextRange> {
        self.scopes.last()?.globals.get(name).copied()
    }

    /// Not known yet: a name may be bound further below.
    fn has_nonlocal_binding(&self, _name: &str) -> bool {
        self.has_nonlocals.set(true);
        true
    }

    fn in_async_context(&self) -> bool {
        self.kinds()
            .find_map(|kind| match kind {
                Kind::Class | Kind::Lambda { .. } => Some(false),
                Kind::Function { is_async, .. } => Some(is_async),
                Kind::Module | Kind::Comprehension { .. } => None,
            })
            .unwrap_or(false)
    }

    fn in_await_allowed_context(&self) -> bool {
        self.kinds()
            .find_map(|kind| match kind {
                Kind::Class => Some(false),
                Kind::Function { .. } | Kind::Lambda { .. } => Some(true),
                Kind::Comprehension { is_generator, .. } => is_generator.then_some(true),
                Kind::Module => None,
            })
            .unwrap_or(false)
    }

    fn in_yield_allowed_context(&self) -> bool {
        self.kinds()
            .find_map(|kind| match kind {
                Kind::Class | Kind::Comprehension { .. } => Some(false),
                Kind::Function { .. } | Kind::Lambda { .. } => Some(true),
                Kind::Module => None,
            })
            .unwrap_or(false)
    }

    fn in_sync_comprehension(&self) -> bool {
        self.kinds().any(|kind| {
            matches!(
                kind,
                Kind::Comprehension {
                    is_generator: false,
                    is_async: false
                }
            )
        })
    }

    fn in_class_body_comprehension(&self) -> bool {
        self.kinds()
            .find_map(|kind| match kind {
                Kind::Comprehension { .. } => None,
                Kind::Class => Some(true),
                Kind::Module | Kind::Function { .. } | Kind::Lambda { .. } => Some(false),
            })
            .unwrap_or(false)
    }

    fn in_module_scope(&self) -> bool {
        self.scopes.len() == 1
    }

    fn in_function_scope(&self) -> bool {
        matches!(
            self.kinds().next(),
            Some(Kind::Function { .. } | Kind::Lambda { .. })
        )
    }

    fn in_generator_context(&self) -> bool {
        self.kinds().any(|kind| {
            matches!(
                kind,
                Kind::Comprehension {
                    is_generator: true,
                    ..
                }
            )
        })
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.note(error.to_string(), error.range);
    }

    fn in_loop_context(&self) -> bool {
        self.scopes.last().is_some_and(|scope| scope.loops > 0)
    }

    fn is_bound_parameter(&self, name: &str) -> bool {
        let parameters = match self.kinds().next() {
            Some(Kind::Function { parameters, .. }) => Some(parameters),
            Some(Kind::Lambda { parameters }) => parameters,
            Some(Kind::Module | Kind::Class | Kind::Comprehension { .. }) | None => None,
        };
        parameters.is_some_and(|all| all.includes(name))
    }
}
