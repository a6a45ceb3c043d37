//! Which names a source binds in which scope, and every place where it uses one.
//!
//! One walk collects both; what a name means is decided afterwards, when all bindings are known,
//! because a function may use what is bound only below it.

mod bindings;

use std::collections::HashMap;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Comprehension, Expr, ExprContext, ModModule, Parameters, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// Index of a scope; the module's is 0.
pub(crate) type ScopeId = usize;

/// The module's scope.
pub(crate) const MODULE: ScopeId = 0;

/// Every scope, and every use in the order of the source.
#[derive(Debug, Default)]
pub(crate) struct Scopes<'a> {
    pub(crate) all: Vec<Scope<'a>>,
    /// Expressions that may mean something by name: names, whole attribute chains, calls and
    /// subscripts.
    pub(crate) uses: Vec<(ScopeId, &'a Expr)>,
    pub(crate) imports: Vec<&'a Stmt>,
}

/// One scope.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) kind: Kind,
    pub(crate) parent: Option<ScopeId>,
    pub(crate) names: HashMap<&'a str, Bound<'a>>,
    /// Names declared `global` or `nonlocal`.
    elsewhere: HashMap<&'a str, Elsewhere>,
}

/// What makes a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Module,
    Class,
    /// A function or a lambda: its body runs later.
    Function,
    /// It runs at once, and is invisible to `:=`.
    Comprehension,
}

#[derive(Debug, Clone, Copy)]
enum Elsewhere {
    Global,
    /// Where it is declared.
    Nonlocal(TextRange),
}

/// A name in its scope.
#[derive(Debug, Default)]
pub(crate) struct Bound<'a> {
    pub(crate) origins: Vec<Origin<'a>>,
    /// From where on it is bound in any case; `None` when only branches bind it.
    always_from: Option<TextSize>,
    /// Where branches have bound it, each to its end; in order, none within another.
    branches: Vec<TextRange>,
    /// Whether `del` may take it away.
    pub(crate) is_deleted: bool,
}

impl Bound<'_> {
    /// Whether it is bound in any case at a place of the code that runs with its scope's; `None` is
    /// some time later.
    pub(crate) fn is_certain(&self, at: Option<TextSize>) -> bool {
        let Some(at) = at else {
            return self.always_from.is_some();
        };
        let before = self.branches.partition_point(|branch| branch.start() <= at);
        let branch = before.checked_sub(1).map(|last| self.branches[last]);
        self.always_from.is_some_and(|from| from <= at)
            || branch.is_some_and(|branch| at < branch.end())
    }

    /// Bound from `from` on: to the end of a branch, or for good.
    fn note(&mut self, from: TextSize, branch_end: Option<TextSize>) {
        match branch_end {
            None if self.always_from.is_none_or(|earlier| from < earlier) => {
                self.always_from = Some(from)
            }
            None => {}
            Some(end) => {
                let branch = TextRange::new(from.min(end), end);
                if self
                    .branches
                    .last()
                    .is_none_or(|last| last.end() < branch.end())
                {
                    self.branches.push(branch);
                }
            }
        }
    }
}

/// What a name may be bound to.
#[derive(Debug, Clone)]
pub(crate) enum Origin<'a> {
    /// What has this full name.
    Import(String),
    /// The value of an expression in a scope.
    Value(&'a Expr, ScopeId),
    /// Something whose name nobody knows.
    Unknown,
}

impl<'a> Scopes<'a> {
    /// The scopes of a module. Recurses: only for pool threads.
    pub(crate) fn of(module: &'a ModModule) -> Self {
        let mut walk = Walk {
            scopes: Self::default(),
            scope: MODULE,
            branch_end: None,
        };
        walk.scopes.all.push(Scope::new(Kind::Module, None));
        walk.run(&module.body);
        walk.scopes
    }

    /// The scope in which `name` is bound for those in `from`, if any is.
    pub(crate) fn binding(&self, name: &str, from: ScopeId) -> Option<(ScopeId, &Bound<'a>)> {
        let mut next = Some(from);
        let mut is_first = true;
        while let Some(id) = next {
            let scope = &self.all[id];
            match scope.elsewhere.get(name) {
                Some(Elsewhere::Global) => {
                    return self.all[MODULE]
                        .names
                        .get(name)
                        .map(|bound| (MODULE, bound));
                }
                Some(Elsewhere::Nonlocal(_)) => {}
                // What a class binds is seen only in its own body.
                None if is_first || scope.kind != Kind::Class => {
                    if let Some(bound) = scope.names.get(name) {
                        return Some((id, bound));
                    }
                }
                None => {}
            }
            // A comprehension in a class body does not see the class either.
            is_first = false;
            next = scope.parent;
        }
        None
    }

    /// The names declared `nonlocal` that no function around binds, and where.
    pub(crate) fn unbound_nonlocals(&self) -> impl Iterator<Item = (&'a str, TextRange)> {
        let scopes = self.all.iter().filter(|scope| scope.kind != Kind::Module);
        scopes.flat_map(move |scope| {
            let declared = scope.elsewhere.iter();
            declared.filter_map(move |(name, place)| match place {
                Elsewhere::Nonlocal(range) if !self.is_bound_around(scope, name) => {
                    Some((*name, *range))
                }
                Elsewhere::Nonlocal(_) | Elsewhere::Global => None,
            })
        })
    }

    /// Whether a function around `scope` binds `name`. Source: `analyze_name` of CPython's symtable.c.
    fn is_bound_around(&self, scope: &Scope<'a>, name: &str) -> bool {
        // A class makes `__class__` for its functions, and gives private names another name.
        let is_of_class = name.starts_with("__") && (name == "__class__" || !name.ends_with("__"));
        let mut next = scope.parent;
        while let Some(id) = next {
            let around = &self.all[id];
            match around.elsewhere.get(name) {
                Some(Elsewhere::Global) if around.kind == Kind::Function => return false,
                Some(_) => {}
                None if around.kind == Kind::Class && is_of_class => return true,
                None if around.kind == Kind::Function && around.names.contains_key(name) => {
                    return true;
                }
                None => {}
            }
            next = around.parent;
        }
        false
    }

    /// Whether code in `from` runs when the code of `scope` around it does, and not later.
    pub(crate) fn runs_with(&self, from: ScopeId, scope: ScopeId) -> bool {
        let mut id = from;
        while id != scope {
            match (self.all[id].kind, self.all[id].parent) {
                (Kind::Comprehension | Kind::Class, Some(parent)) => id = parent,
                _ => return false,
            }
        }
        true
    }
}

impl Scope<'_> {
    fn new(kind: Kind, parent: Option<ScopeId>) -> Self {
        Self {
            kind,
            parent,
            names: HashMap::new(),
            elsewhere: HashMap::new(),
        }
    }
}

struct Walk<'a> {
    scopes: Scopes<'a>,
    scope: ScopeId,
    /// Where the innermost branch around this place ends; `None` outside all of its scope.
    branch_end: Option<TextSize>,
}

impl<'a> Walk<'a> {
    fn within(&mut self, kind: Kind, inside: impl FnOnce(&mut Self)) {
        let parent = self.scope;
        self.scope = self.scopes.all.len();
        self.scopes.all.push(Scope::new(kind, Some(parent)));
        let branch_end = self.branch_end.take();
        inside(self);
        self.branch_end = branch_end;
        self.scope = parent;
    }

    /// What ends at `end` may not happen at all.
    fn in_branch(&mut self, end: TextSize, inside: impl FnOnce(&mut Self)) {
        let around = self.branch_end.replace(end);
        inside(self);
        self.branch_end = around;
    }

    /// A body that runs whenever what it belongs to does.
    fn run(&mut self, body: &'a [Stmt]) {
        body.iter().for_each(|statement| self.visit_stmt(statement));
    }

    fn comprehension(&mut self, generators: &'a [Comprehension], parts: &[&'a Expr]) {
        let Some((first, others)) = generators.split_first() else {
            return;
        };
        // The first iterable is evaluated in the scope around.
        self.visit_expr(&first.iter);
        self.within(Kind::Comprehension, |walk| {
            walk.bind_target(&first.target, None);
            walk.visit_expr(&first.target);
            first
                .ifs
                .iter()
                .for_each(|condition| walk.visit_expr(condition));
            for other in others {
                walk.visit_expr(&other.iter);
                walk.bind_target(&other.target, None);
                walk.visit_expr(&other.target);
                other
                    .ifs
                    .iter()
                    .for_each(|condition| walk.visit_expr(condition));
            }
            parts.iter().for_each(|part| walk.visit_expr(part));
        });
    }

    fn use_here(&mut self, expression: &'a Expr) {
        self.scopes.uses.push((self.scope, expression));
    }

    fn function(&mut self, parameters: Option<&'a Parameters>, inside: impl FnOnce(&mut Self)) {
        if let Some(parameters) = parameters {
            self.visit_parameters(parameters);
        }
        self.within(Kind::Function, |walk| {
            for parameter in parameters.into_iter().flat_map(Parameters::iter) {
                walk.bind(parameter.name().as_str(), Origin::Unknown, TextSize::ZERO);
            }
            inside(walk);
        });
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.bind_statement(statement);
        match statement {
            Stmt::FunctionDef(function) => {
                function
                    .decorator_list
                    .iter()
                    .for_each(|one| self.visit_decorator(one));
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                self.function(Some(&function.parameters), |walk| {
                    walk.type_parameters(function.type_params.as_deref());
                    walk.run(&function.body);
                });
            }
            Stmt::ClassDef(class) => {
                class
                    .decorator_list
                    .iter()
                    .for_each(|one| self.visit_decorator(one));
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.within(Kind::Class, |walk| {
                    walk.type_parameters(class.type_params.as_deref());
                    walk.run(&class.body);
                });
            }
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.scopes.imports.push(statement),
            Stmt::With(with) => {
                with.items
                    .iter()
                    .for_each(|item| self.visit_with_item(item));
                self.run(&with.body);
            }
            _ => walk_stmt(self, statement),
        }
    }

    /// A body of a branch or a loop; the others are run.
    fn visit_body(&mut self, body: &'a [Stmt]) {
        let end = body.last().map_or(TextSize::ZERO, Ranged::end);
        self.in_branch(end, |walk| walk.run(body));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx == ExprContext::Load => self.use_here(expression),
            Expr::Attribute(_) => {
                self.use_here(expression);
                // Only whole chains: their beginnings are looked at with them.
                match chain(expression).0 {
                    Expr::Name(_) => {}
                    base => self.visit_expr(base),
                }
            }
            Expr::Call(_) | Expr::Subscript(_) => {
                self.use_here(expression);
                walk_expr(self, expression);
            }
            Expr::Named(named) => {
                self.bind_named(named);
                walk_expr(self, expression);
            }
            Expr::Lambda(lambda) => {
                self.function(lambda.parameters.as_deref(), |walk| {
                    walk.visit_expr(&lambda.body)
                });
            }
            Expr::ListComp(list) => self.comprehension(&list.generators, &[&list.elt]),
            Expr::SetComp(set) => self.comprehension(&set.generators, &[&set.elt]),
            Expr::Generator(generator) => {
                self.comprehension(&generator.generators, &[&generator.elt])
            }
            Expr::DictComp(dict) => match &dict.key {
                Some(key) => self.comprehension(&dict.generators, &[key, &dict.value]),
                None => self.comprehension(&dict.generators, &[&dict.value]),
            },
            _ => walk_expr(self, expression),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ruff_python_ast::ExceptHandler) {
        let ruff_python_ast::ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.in_branch(inner.range.end(), |walk| {
                walk.bind(name.as_str(), Origin::Unknown, name.end())
            });
        }
        ruff_python_ast::visitor::walk_except_handler(self, handler);
    }

    fn visit_match_case(&mut self, case: &'a ruff_python_ast::MatchCase) {
        self.in_branch(case.range.end(), |walk| walk.visit_pattern(&case.pattern));
        if let Some(guard) = &case.guard {
            self.visit_expr(guard);
        }
        self.visit_body(&case.body);
    }

    fn visit_pattern(&mut self, pattern: &'a ruff_python_ast::Pattern) {
        self.bind_pattern(pattern);
        ruff_python_ast::visitor::walk_pattern(self, pattern);
    }
}

/// What an attribute chain begins with, and its attributes in the order they are taken.
pub(crate) fn chain(expression: &Expr) -> (&Expr, Vec<&ruff_python_ast::ExprAttribute>) {
    let (mut base, mut attributes) = (expression, Vec::new());
    while let Expr::Attribute(attribute) = base {
        attributes.push(attribute);
        base = &attribute.value;
    }
    attributes.reverse();
    (base, attributes)
}
