//! What an expression may mean, by full name: `sp.run` is `subprocess.run` after
//! `import subprocess as sp`.
//!
//! Only names that a policy minds are followed, so that no set of names gets long, and every name
//! of a scope is resolved once. What an alias means is followed `HOPS` aliases far.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use ruff_python_ast::{Arguments, Expr, Operator};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::policy::{BUILTINS, Policy, canonical, is_builtin};
use super::scopes::{Kind, MODULE, Origin, ScopeId, Scopes, chain};

/// Aliases of aliases; each may lie at the bottom of a deep expression.
const HOPS: usize = 20;
/// Names that one expression may mean.
const MEANINGS: usize = 64;
/// Names and literals that one text is put together from.
const PARTS: usize = 64;
/// Longest text that is put together from constants. Units: bytes.
const CONSTANT: usize = 256;

/// Full names, none twice.
pub(crate) type Names = Rc<Vec<String>>;

/// Resolves expressions of one module under one policy.
pub(crate) struct Resolver<'a> {
    pub(crate) scopes: &'a Scopes<'a>,
    pub(crate) policy: &'a Policy,
    known: RefCell<HashMap<(ScopeId, &'a str), Names>>,
    /// Of calls, subscripts and chains, which contain each other.
    seen: RefCell<HashMap<TextRange, Names>>,
    hops: Cell<usize>,
}

/// What a name in a string is looked up in.
pub(crate) enum Lookup<'a> {
    /// An attribute of what has one of these names.
    Attribute(Vec<String>, Option<&'a Expr>),
    /// A module, by its full name.
    Module(Option<&'a Expr>, Reach),
    /// A global of the module.
    Global(Option<&'a Expr>),
}

/// Which module the import of a dotted name gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// `__import__`: the first part.
    First,
    /// `import_module`, `sys.modules`: the whole.
    Whole,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(scopes: &'a Scopes<'a>, policy: &'a Policy) -> Self {
        Self {
            scopes,
            policy,
            known: RefCell::default(),
            seen: RefCell::default(),
            hops: Cell::new(0),
        }
    }

    /// The full names that `expression` may have, as far as the policy minds them.
    pub(crate) fn names(&self, expression: &'a Expr, scope: ScopeId) -> Names {
        match expression {
            Expr::Name(name) => self.name(name.id.as_str(), scope, expression.start()),
            Expr::Named(named) => self.names(&named.value, scope),
            Expr::If(choice) => self.union([&*choice.body, &*choice.orelse], scope),
            Expr::BoolOp(choice) => self.union(&choice.values, scope),
            Expr::Attribute(_) | Expr::Call(_) | Expr::Subscript(_) => {
                if let Some(seen) = self.seen.borrow().get(&expression.range()) {
                    return Rc::clone(seen);
                }
                let names = self.composed(expression, scope);
                self.seen
                    .borrow_mut()
                    .insert(expression.range(), Rc::clone(&names));
                names
            }
            _ => Names::default(),
        }
    }

    fn composed(&self, expression: &'a Expr, scope: ScopeId) -> Names {
        if expression.is_attribute_expr() {
            let (base, attributes) = chain(expression);
            return attributes
                .iter()
                .fold(self.names(base, scope), |names, attribute| {
                    self.attribute(&names, attribute.attr.as_str())
                });
        }
        let lookup = self.lookup(expression, scope);
        lookup.map_or_else(Names::default, |lookup| self.found(&lookup, scope))
    }

    /// The full names of `attribute` of what has one of `names`.
    pub(crate) fn attribute(&self, names: &[String], attribute: &str) -> Names {
        // What a dictionary of names has as attributes has nothing to do with the names.
        let names = names.iter().filter(|name| !name.ends_with(".__dict__"));
        self.minded(names.map(|name| match attribute {
            "__dict__" => format!("{name}.__dict__"),
            _ => self.policy.attribute(name, attribute),
        }))
    }

    /// Whether a name may be that of a builtin there.
    pub(crate) fn may_be_builtin(&self, name: &str, scope: ScopeId, at: TextSize) -> bool {
        let Some((home, bound)) = self.scopes.binding(name, scope) else {
            return true;
        };
        // Python 3 has no `file`: whoever binds it means their own.
        if !is_builtin(name) {
            return false;
        }
        if !matches!(self.scopes.all[home].kind, Kind::Module | Kind::Class) {
            return false;
        }
        let at = self.scopes.runs_with(scope, home).then_some(at);
        bound.is_deleted || !bound.is_certain(at)
    }

    fn name(&self, name: &'a str, scope: ScopeId, at: TextSize) -> Names {
        let mut found = match self.scopes.binding(name, scope) {
            Some((home, _)) => self.bound(name, home),
            None => Names::default(),
        };
        if let Some(builtin) = self.policy.builtin(name)
            && self.may_be_builtin(name, scope, at)
        {
            found = self.minded(found.iter().cloned().chain([builtin]));
        }
        found
    }

    /// What a name of a scope may be bound to.
    fn bound(&self, name: &'a str, home: ScopeId) -> Names {
        if let Some(known) = self.known.borrow().get(&(home, name)) {
            return Rc::clone(known);
        }
        let Some(bound) = self.scopes.all[home].names.get(name) else {
            return Names::default();
        };
        if self.hops.get() >= HOPS {
            return Names::default();
        }
        self.hops.set(self.hops.get() + 1);
        // What leads back to itself adds nothing.
        self.known
            .borrow_mut()
            .insert((home, name), Names::default());
        let found = self.minded(bound.origins.iter().flat_map(|origin| match origin {
            Origin::Import(full) => vec![canonical(full)],
            Origin::Value(value, scope) => self.names(value, *scope).to_vec(),
            Origin::Unknown => Vec::new(),
        }));
        self.known
            .borrow_mut()
            .insert((home, name), Rc::clone(&found));
        self.hops.set(self.hops.get() - 1);
        found
    }

    fn union(&self, expressions: impl IntoIterator<Item = &'a Expr>, scope: ScopeId) -> Names {
        let all = expressions
            .into_iter()
            .flat_map(|one| self.names(one, scope).to_vec());
        self.minded(all)
    }

    fn minded(&self, names: impl IntoIterator<Item = String>) -> Names {
        let mut kept: Vec<String> = Vec::new();
        for name in names {
            let whole = name.strip_suffix(".__dict__").unwrap_or(&name);
            if kept.len() < MEANINGS && !kept.contains(&name) && self.policy.minds(whole) {
                kept.push(name);
            }
        }
        Rc::new(kept)
    }

    /// What a call or a subscript looks up by a name in a string, if it is one of those that do.
    pub(crate) fn lookup(&self, expression: &'a Expr, scope: ScopeId) -> Option<Lookup<'a>> {
        match expression {
            Expr::Subscript(subscript) => {
                self.in_namespace(&subscript.value, Some(&subscript.slice), scope)
            }
            Expr::Call(call) => {
                let argument = |name, index| call.arguments.find_argument_value(name, index);
                for function in self.names(&call.func, scope).iter() {
                    match function.as_str() {
                        "builtins.__import__" | "importlib.__import__" => {
                            return Some(Lookup::Module(
                                argument("name", 0),
                                reach(&call.arguments),
                            ));
                        }
                        "importlib.import_module" => {
                            return Some(Lookup::Module(argument("name", 0), Reach::Whole));
                        }
                        "builtins.getattr" => {
                            let names = self.names(call.arguments.find_positional(0)?, scope);
                            return Some(Lookup::Attribute(
                                names.to_vec(),
                                call.arguments.find_positional(1),
                            ));
                        }
                        _ => {}
                    }
                }
                let method = call.func.as_attribute_expr()?;
                let key = call.arguments.find_positional(0);
                match method.attr.as_str() {
                    "get" | "pop" | "setdefault" | "__getitem__" => {
                        self.in_namespace(&method.value, key, scope)
                    }
                    "__getattribute__" | "__getattr__" => {
                        let names = self.names(&method.value, scope);
                        (!names.is_empty()).then(|| Lookup::Attribute(names.to_vec(), key))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A lookup in `vars(x)`, `x.__dict__`, `globals()`, `sys.modules` or `__builtins__`.
    fn in_namespace(
        &self,
        mapping: &'a Expr,
        key: Option<&'a Expr>,
        scope: ScopeId,
    ) -> Option<Lookup<'a>> {
        if let Expr::Call(call) = mapping {
            let functions = self.names(&call.func, scope);
            let calls = |name: &str| functions.iter().any(|function| function == name);
            if calls("builtins.vars")
                && let Some(of) = call.arguments.find_positional(0)
            {
                return Some(Lookup::Attribute(self.names(of, scope).to_vec(), key));
            }
            if calls("builtins.globals") || calls("builtins.locals") || calls("builtins.vars") {
                return Some(Lookup::Global(key));
            }
            return None;
        }
        let names = self.names(mapping, scope);
        if names.iter().any(|name| name == "sys.modules") {
            return Some(Lookup::Module(key, Reach::Whole));
        }
        let of: Vec<String> = names
            .iter()
            .filter_map(|name| match name.strip_suffix(".__dict__") {
                Some(of) => Some(of.to_owned()),
                // In an imported module it is a dictionary.
                None => (name == BUILTINS).then(|| name.clone()),
            })
            .collect();
        (!of.is_empty()).then_some(Lookup::Attribute(of, key))
    }

    /// The full names of what a lookup finds, where its key is known.
    pub(crate) fn found(&self, lookup: &Lookup<'a>, scope: ScopeId) -> Names {
        let text = |key: &Option<&'a Expr>| key.and_then(|key| self.constant(key, scope));
        match lookup {
            Lookup::Attribute(names, key) => {
                text(key).map_or_else(Names::default, |key| self.attribute(names, &key))
            }
            Lookup::Module(key, reach) => text(key).map_or_else(Names::default, |name| {
                let module = match reach {
                    Reach::First => name.split('.').next().unwrap_or_default().to_owned(),
                    Reach::Whole => name,
                };
                self.minded([canonical(&module)])
            }),
            Lookup::Global(key) => match text(key) {
                None => Names::default(),
                Some(name) if name == "__builtins__" => self.minded([BUILTINS.to_owned()]),
                Some(name) => match self.scopes.all[MODULE].names.get_key_value(name.as_str()) {
                    Some((name, _)) => self.bound(name, MODULE),
                    None => Names::default(),
                },
            },
        }
    }

    /// The text of an expression, where the source itself says it.
    pub(crate) fn constant(&self, expression: &'a Expr, scope: ScopeId) -> Option<String> {
        let mut parts = PARTS;
        self.constant_within(expression, scope, &mut parts)
    }

    fn constant_within(
        &self,
        expression: &'a Expr,
        scope: ScopeId,
        parts: &mut usize,
    ) -> Option<String> {
        *parts = parts.checked_sub(1)?;
        let text = match expression {
            Expr::StringLiteral(literal) => literal.value.to_str().to_owned(),
            Expr::BinOp(sum) if sum.op == Operator::Add => {
                let left = self.constant_within(&sum.left, scope, parts)?;
                left + &self.constant_within(&sum.right, scope, parts)?
            }
            Expr::Name(name) => {
                let (_, bound) = self.scopes.binding(name.id.as_str(), scope)?;
                let [Origin::Value(value, scope)] = bound.origins.as_slice() else {
                    return None;
                };
                self.constant_within(value, *scope, parts)?
            }
            _ => return None,
        };
        (text.len() <= CONSTANT).then_some(text)
    }
}

/// With a `fromlist` that is not empty the whole name counts.
fn reach(arguments: &Arguments) -> Reach {
    match arguments.find_argument_value("fromlist", 3) {
        None => Reach::First,
        Some(Expr::List(list)) if list.elts.is_empty() => Reach::First,
        Some(Expr::Tuple(tuple)) if tuple.elts.is_empty() => Reach::First,
        Some(_) => Reach::Whole,
    }
}
