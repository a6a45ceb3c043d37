//! What each statement binds.

use ruff_python_ast::{Expr, ExprContext, ExprNamed, Pattern, Stmt, TypeParams};
use ruff_text_size::{Ranged, TextSize};

use super::{Elsewhere, Kind, MODULE, Origin, ScopeId, Walk};

impl<'a> Walk<'a> {
    /// Binds what `statement` itself binds, not what stands in its blocks.
    pub(super) fn bind_statement(&mut self, statement: &'a Stmt) {
        let end = statement.end();
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    // Without `as` it is the first part that is bound.
                    let first = name.split('.').next().unwrap_or(name);
                    let (bound, full) = alias
                        .asname
                        .as_ref()
                        .map_or((first, first), |own| (own.as_str(), name));
                    self.bind(bound, Origin::Import(full.to_owned()), end);
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map(|module| module.as_str());
                for alias in import
                    .names
                    .iter()
                    .filter(|alias| alias.name.as_str() != "*")
                {
                    let name = alias.name.as_str();
                    let origin = match module {
                        // What is relative is the program's own.
                        Some(module) if import.level == 0 => {
                            Origin::Import(format!("{module}.{name}"))
                        }
                        Some(_) | None => Origin::Unknown,
                    };
                    let bound = alias.asname.as_ref().map_or(name, |own| own.as_str());
                    self.bind(bound, origin, end);
                }
            }
            Stmt::FunctionDef(function) => self.bind(function.name.as_str(), Origin::Unknown, end),
            Stmt::ClassDef(class) => self.bind(class.name.as_str(), Origin::Unknown, end),
            Stmt::Assign(assign) => {
                assign
                    .targets
                    .iter()
                    .for_each(|target| self.bind_target(target, Some(&assign.value)));
            }
            Stmt::AnnAssign(assign) => match &assign.value {
                Some(value) => self.bind_target(&assign.target, Some(value)),
                // In a function it makes the name a local one.
                None if self.scopes.all[self.scope].kind == Kind::Function => {
                    self.bind_target(&assign.target, None)
                }
                None => {}
            },
            Stmt::AugAssign(assign) => {
                self.in_branch(end, |walk| walk.bind_target(&assign.target, None))
            }
            Stmt::For(each) => self.in_branch(end, |walk| walk.bind_target(&each.target, None)),
            Stmt::With(with) => {
                let targets = with
                    .items
                    .iter()
                    .filter_map(|item| item.optional_vars.as_deref());
                targets.for_each(|target| self.bind_target(target, None));
            }
            Stmt::TypeAlias(alias) => self.bind_target(&alias.name, None),
            Stmt::Global(global) => global
                .names
                .iter()
                .for_each(|name| self.declare(name.as_str(), Elsewhere::Global)),
            Stmt::Nonlocal(nonlocal) => {
                nonlocal
                    .names
                    .iter()
                    .for_each(|name| self.declare(name.as_str(), Elsewhere::Nonlocal(name.range)));
            }
            Stmt::Delete(delete) => {
                for name in delete.targets.iter().filter_map(Expr::as_name_expr) {
                    let home = self.home(name.id.as_str());
                    self.scopes.all[home]
                        .names
                        .entry(name.id.as_str())
                        .or_default()
                        .is_deleted = true;
                }
            }
            _ => {}
        }
    }

    pub(super) fn bind_target(&mut self, target: &'a Expr, value: Option<&'a Expr>) {
        match target {
            Expr::Name(name) if name.ctx == ExprContext::Store => {
                let origin =
                    value.map_or(Origin::Unknown, |value| Origin::Value(value, self.scope));
                let from = value.map_or(target.end(), Ranged::end);
                self.bind(name.id.as_str(), origin, from);
            }
            Expr::Tuple(_) | Expr::List(_) => {
                let targets = elements(target).unwrap_or_default();
                let values = value
                    .and_then(elements)
                    .filter(|values| values.len() == targets.len());
                let has_star = |list: &[Expr]| list.iter().any(Expr::is_starred_expr);
                let values = values.filter(|values| !has_star(values) && !has_star(targets));
                for (index, target) in targets.iter().enumerate() {
                    self.bind_target(target, values.map(|values| &values[index]));
                }
            }
            Expr::Starred(starred) => self.bind_target(&starred.value, None),
            _ => {}
        }
    }

    /// `:=` binds outside all comprehensions, and only where it is evaluated.
    pub(super) fn bind_named(&mut self, named: &'a ExprNamed) {
        let Some(name) = named.target.as_name_expr() else {
            return;
        };
        let origin = Origin::Value(&named.value, self.scope);
        let here = self.scope;
        while let (Kind::Comprehension, Some(parent)) = (
            self.scopes.all[self.scope].kind,
            self.scopes.all[self.scope].parent,
        ) {
            self.scope = parent;
        }
        self.in_branch(named.end(), |walk| {
            walk.bind(name.id.as_str(), origin, named.end())
        });
        self.scope = here;
    }

    pub(super) fn bind_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchStar(star) => star.name.as_ref(),
            Pattern::MatchAs(capture) => capture.name.as_ref(),
            Pattern::MatchMapping(mapping) => mapping.rest.as_ref(),
            Pattern::MatchValue(_)
            | Pattern::MatchSingleton(_)
            | Pattern::MatchSequence(_)
            | Pattern::MatchClass(_)
            | Pattern::MatchOr(_) => None,
        };
        if let Some(name) = name {
            self.bind(name.as_str(), Origin::Unknown, pattern.end());
        }
    }

    pub(super) fn type_parameters(&mut self, parameters: Option<&'a TypeParams>) {
        for parameter in parameters.into_iter().flat_map(|all| &all.type_params) {
            self.bind(parameter.name().as_str(), Origin::Unknown, TextSize::ZERO);
        }
    }

    pub(super) fn bind(&mut self, name: &'a str, origin: Origin<'a>, from: TextSize) {
        let home = self.home(name);
        let is_here = home == self.scope;
        let bound = self.scopes.all[home].names.entry(name).or_default();
        bound.origins.push(origin);
        // From another scope nobody knows when.
        if is_here {
            bound.note(from, self.branch_end);
        }
    }

    fn declare(&mut self, name: &'a str, place: Elsewhere) {
        self.scopes.all[self.scope].elsewhere.insert(name, place);
    }

    /// The scope in which this one's bindings of `name` land.
    fn home(&self, name: &str) -> ScopeId {
        let scope = &self.scopes.all[self.scope];
        match scope.elsewhere.get(name) {
            None => self.scope,
            Some(Elsewhere::Global) => MODULE,
            Some(Elsewhere::Nonlocal(_)) => {
                let mut next = scope.parent;
                while let Some(id) = next {
                    let around = &self.scopes.all[id];
                    if around.kind == Kind::Function && around.names.contains_key(name) {
                        return id;
                    }
                    next = around.parent;
                }
                self.scope
            }
        }
    }
}

fn elements(expression: &Expr) -> Option<&[Expr]> {
    match expression {
        Expr::Tuple(tuple) => Some(&tuple.elts),
        Expr::List(list) => Some(&list.elts),
        _ => None,
    }
}
