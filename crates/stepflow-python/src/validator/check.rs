//! The findings of a policy: each stands where a name becomes something that is refused.
//!
//! `import os` is one finding and `os.getcwd()` behind it none; so is an alias of what was found.

use engine::Finding;
use ruff_python_ast::{Alias, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::policy::{BUILTINS, Kind, Policy, Refusal, canonical};
use super::resolve::{Lookup, Resolver};
use super::scopes::{ScopeId, Scopes, chain};
use crate::parser::{Import, Parse, syntax};

/// A module that is not to be imported, however.
pub(crate) const BLOCKED_IMPORT: &str = "blocked-import";
/// A function that is not to be used.
pub(crate) const BLOCKED_FUNCTION: &str = "blocked-function";
/// A module that is not among those that alone are allowed.
pub(crate) const UNLISTED_IMPORT: &str = "unlisted-import";
/// A function that is not among those that alone are allowed.
pub(crate) const UNLISTED_FUNCTION: &str = "unlisted-function";
/// An import of something that is known only when it runs.
pub(crate) const DYNAMIC_IMPORT: &str = "dynamic-import";
/// A lookup in a module of something that is known only when it runs.
pub(crate) const DYNAMIC_LOOKUP: &str = "dynamic-lookup";

/// What `policy` has against a source, in the order of the source. Only for pool threads.
pub(crate) fn findings(parse: &Parse<'_>, policy: &Policy) -> Vec<Finding> {
    if policy.is_empty() {
        return Vec::new();
    }
    let scopes = Scopes::of(parse.tree.syntax());
    let mut check = Check {
        policy,
        resolver: Resolver::new(&scopes, policy),
        found: Vec::new(),
    };
    scopes
        .imports
        .iter()
        .for_each(|import| check.import(import));
    for (scope, expression) in &scopes.uses {
        check.expression(expression, *scope);
    }
    let mut found = check.found;
    found.sort_by_key(|(range, _)| (range.start(), range.end()));
    found.dedup();
    found.truncate(syntax::MOST);
    let finding = |(range, remark): (TextRange, Remark)| remark.finding(parse, range);
    found.into_iter().map(finding).collect()
}

/// What `policy` has against an import that was found before.
pub(crate) fn import(policy: &Policy, import: &Import) -> Option<Finding> {
    if import.level > 0 {
        return None;
    }
    let (name, remark) = match import.name.as_deref() {
        Some("*") => (import.module.clone(), policy.star_import(&import.module)),
        Some(name) => {
            let name = format!("{}.{name}", import.module);
            let remark = policy.import(&name);
            (name, remark)
        }
        None => (import.module.clone(), policy.import(&import.module)),
    };
    remark.map(|remark| Finding {
        code: remark.code.to_owned(),
        message: remark.message,
        span: import.span,
        excerpt: name,
        suggestion: remark.suggestion,
    })
}

fn is_own_name(key: &Expr) -> bool {
    key.as_name_expr()
        .is_some_and(|name| name.id.as_str() == "__name__")
}

struct Check<'a> {
    policy: &'a Policy,
    resolver: Resolver<'a>,
    found: Vec<(TextRange, Remark)>,
}

/// A finding without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remark {
    code: &'static str,
    message: String,
    suggestion: Option<String>,
}

impl Remark {
    fn refused(refusal: &Refusal) -> Self {
        let Refusal {
            name,
            kind,
            reason,
            suggestion,
        } = refusal;
        let (code, what) = match kind {
            Kind::Module => (BLOCKED_IMPORT, "the module "),
            Kind::Function => (BLOCKED_FUNCTION, ""),
        };
        Self {
            code,
            message: format!("{what}`{name}` is not allowed: {reason}"),
            suggestion: suggestion.clone(),
        }
    }

    fn unlisted(code: &'static str, what: &str, name: &str) -> Self {
        Self {
            code,
            message: format!("the {what} `{name}` is not among those that are allowed"),
            suggestion: None,
        }
    }

    fn dynamic(code: &'static str, what: &str) -> Self {
        Self {
            code,
            message: format!("what is {what} here is known only when it runs"),
            suggestion: Some("write its name".to_owned()),
        }
    }

    fn finding(self, parse: &Parse<'_>, range: TextRange) -> Finding {
        let finding = syntax::at(&parse.lines, range, self.code, self.message);
        Finding {
            suggestion: self.suggestion,
            ..finding
        }
    }
}

impl Policy {
    /// What it has against the import of a full name: a module, or something in one.
    fn import(&self, name: &str) -> Option<Remark> {
        let name = self.imported(name);
        if let Some(refusal) = self.refusal_of(&name) {
            return Some(Remark::refused(refusal));
        }
        let module = name.split('.').next().unwrap_or_default();
        self.is_unlisted_module(&name)
            .then(|| Remark::unlisted(UNLISTED_IMPORT, "module", module))
    }

    /// The same for all that is in a module.
    fn star_import(&self, module: &str) -> Option<Remark> {
        let within = || self.first_within(&canonical(module)).map(Remark::refused);
        self.import(module).or_else(within)
    }
}

impl<'a> Check<'a> {
    fn note(&mut self, range: TextRange, remark: Remark) {
        self.found.push((range, remark));
    }

    fn import(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let remark = self.policy.import(alias.name.as_str());
                    self.found
                        .extend(remark.map(|remark| (alias.range, remark)));
                }
            }
            // What is relative is the program's own.
            Stmt::ImportFrom(import) if import.level == 0 => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    self.imported(alias, module);
                }
            }
            _ => {}
        }
    }

    fn imported(&mut self, alias: &Alias, module: &str) {
        let remark = match alias.name.as_str() {
            "*" => self.policy.star_import(module),
            name => self.policy.import(&format!("{module}.{name}")),
        };
        self.found
            .extend(remark.map(|remark| (alias.range, remark)));
    }

    fn expression(&mut self, expression: &'a Expr, scope: ScopeId) {
        match expression {
            Expr::Name(name) => self.builtin(name.id.as_str(), expression, scope),
            Expr::Attribute(_) => self.chain(expression, scope),
            Expr::Call(call) => {
                self.lookup(expression, scope);
                self.unlisted(&call.func, scope);
            }
            _ => self.lookup(expression, scope),
        }
    }

    /// A name that nothing binds; what is bound was looked at where it was.
    fn builtin(&mut self, name: &str, expression: &Expr, scope: ScopeId) {
        if let Some(refusal) = self.policy.refusal_of(&format!("{BUILTINS}.{name}"))
            && self
                .resolver
                .may_be_builtin(name, scope, expression.start())
        {
            self.note(expression.range(), Remark::refused(refusal));
        }
    }

    fn chain(&mut self, expression: &'a Expr, scope: ScopeId) {
        let (base, attributes) = chain(expression);
        if let Expr::Name(name) = base {
            self.builtin(name.id.as_str(), base, scope);
        }
        let mut names = self.allowed(&self.resolver.names(base, scope));
        for attribute in attributes {
            let after = self.resolver.attribute(&names, attribute.attr.as_str());
            self.arrive(TextRange::new(expression.start(), attribute.end()), &after);
            names = self.allowed(&after);
        }
    }

    fn lookup(&mut self, expression: &'a Expr, scope: ScopeId) {
        let Some(lookup) = self.resolver.lookup(expression, scope) else {
            return;
        };
        let range = expression.range();
        let (lookup, key, dynamic) = match lookup {
            Lookup::Attribute(names, key) => {
                // What already is refused was found where it became so.
                let names = self.allowed(&names);
                if names.is_empty() {
                    return;
                }
                (
                    Lookup::Attribute(names, key),
                    key,
                    Remark::dynamic(DYNAMIC_LOOKUP, "looked up"),
                )
            }
            Lookup::Module(key, reach) => (
                Lookup::Module(key, reach),
                key,
                Remark::dynamic(DYNAMIC_IMPORT, "imported"),
            ),
            // What it finds was bound somewhere, and looked at there.
            Lookup::Global(_) => return,
        };
        // `sys.modules[__name__]` is the program itself.
        let Some(key) = key.filter(|key| !is_own_name(key)) else {
            return;
        };
        match (self.resolver.constant(key, scope), &lookup) {
            (None, Lookup::Module(..)) if !self.policy.minds_modules() => {}
            (None, _) if self.is_refused_function(expression, scope) => {}
            (None, _) => self.note(range, dynamic),
            (Some(name), Lookup::Module(..)) => {
                self.found
                    .extend(self.policy.import(&name).map(|remark| (range, remark)));
            }
            (Some(_), _) => {
                let found = self.resolver.found(&lookup, scope);
                self.arrive(range, &found);
            }
        }
    }

    /// Whether it is a call of something that was found on its own.
    fn is_refused_function(&self, expression: &'a Expr, scope: ScopeId) -> bool {
        let Expr::Call(call) = expression else {
            return false;
        };
        let names = self.resolver.names(&call.func, scope);
        names
            .iter()
            .any(|name| self.policy.refusal_of(name).is_some())
    }

    fn unlisted(&mut self, function: &'a Expr, scope: ScopeId) {
        for name in self.resolver.names(function, scope).iter() {
            if self.policy.is_unlisted_function(name) {
                let builtin = format!("{BUILTINS}.");
                let shown = name.strip_prefix(&builtin).unwrap_or(name);
                self.note(
                    function.range(),
                    Remark::unlisted(UNLISTED_FUNCTION, "function", shown),
                );
            }
        }
    }

    /// Notes what is refused among `names`.
    fn arrive(&mut self, range: TextRange, names: &[String]) {
        for name in names {
            if let Some(refusal) = self.policy.refusal_of(name) {
                self.note(range, Remark::refused(refusal));
            }
        }
    }

    fn allowed(&self, names: &[String]) -> Vec<String> {
        let allowed = names
            .iter()
            .filter(|name| self.policy.refusal_of(name).is_none());
        allowed.cloned().collect()
    }
}
