//! From an annotation to what a JSON value may be, by name resolution and never by guessing.
//!
//! An argument reaches the function as `json.load` makes it: a string, a number, a list, a dict.
//! So only what these can be is a constraint. A class, a `set`, a `datetime`, a name that may mean
//! several things or nothing we know: all are unconstrained, with the annotation as a description.

use std::cell::Cell;

use ruff_python_ast::{Expr, Number, Operator, Stmt, UnaryOp};
use ruff_text_size::Ranged;
use serde_json::Value;

use super::shape::Shape;
use crate::parser::with_expression;
use crate::validator::policy::is_builtin;
use crate::validator::scopes::{MODULE, Origin, Scopes, chain};

/// Deepest annotation that is followed, aliases and strings included.
const DEPTH: usize = 16;
/// Parts of annotations that are followed in one module: aliases can double at every step.
const PARTS: usize = 200_000;
/// Parts of one annotation that are followed.
const PARTS_OF_ONE: usize = 1000;
/// Text of annotations that is followed in one module, as often as an alias repeats it. Unit: bytes.
const BYTES: usize = 4 << 20;
/// Longest annotation in quotes: it is parsed again wherever it is named. Unit: bytes.
const LONGEST_QUOTED: usize = 4096;
/// Longest annotation that is shown. Unit: characters.
const SHOWN: usize = 200;

/// Reads the annotations of one module.
pub(super) struct Annotations<'a> {
    source: &'a str,
    scopes: &'a Scopes<'a>,
    /// Whether a `from … import *` may have bound any name at all.
    any_name: bool,
    /// Whether `from typing import *` has bound typing's.
    typing_names: bool,
    left: Cell<usize>,
    bytes: Cell<usize>,
}

/// What a name stands for.
enum Meaning<'a> {
    /// Something of the standard library, by its full name.
    Full(String),
    /// An expression of the module.
    Alias(&'a Expr),
    Unknown,
}

impl<'a> Annotations<'a> {
    pub(super) fn new(source: &'a str, scopes: &'a Scopes<'a>) -> Self {
        let stars = scopes.imports.iter().filter_map(|import| match import {
            Stmt::ImportFrom(import) if import.names.iter().any(|one| one.name.as_str() == "*") => {
                Some(import.module.as_ref().map_or("", |module| module.as_str()))
            }
            _ => None,
        });
        let (typing, others): (Vec<&str>, Vec<&str>) =
            stars.partition(|module| matches!(*module, "typing" | "typing_extensions"));
        Self {
            source,
            scopes,
            any_name: !others.is_empty(),
            typing_names: !typing.is_empty(),
            left: Cell::new(PARTS),
            bytes: Cell::new(BYTES),
        }
    }

    /// What a value of this annotation may be. `own` are the type parameters of its function.
    pub(super) fn shape(&self, annotation: &Expr, own: &[&str]) -> Shape {
        let one = One {
            all: self,
            own,
            left: Cell::new(PARTS_OF_ONE),
        };
        one.of(annotation, self.source, 0)
    }

    /// The full name of a decorator or an annotation, if it has one.
    pub(super) fn full_name(&self, expression: &Expr) -> Option<String> {
        match self.meaning(expression, &[]) {
            Meaning::Full(name) => Some(name),
            Meaning::Alias(_) | Meaning::Unknown => None,
        }
    }

    fn meaning(&self, expression: &Expr, own: &[&str]) -> Meaning<'a> {
        let (base, attributes) = chain(expression);
        let Expr::Name(name) = base else {
            return Meaning::Unknown;
        };
        let root = match name.id.as_str() {
            own_name if own.contains(&own_name) => Meaning::Unknown,
            other => self.root(other),
        };
        match root {
            Meaning::Full(mut full) => {
                for attribute in attributes {
                    full.push('.');
                    full.push_str(attribute.attr.as_str());
                }
                Meaning::Full(canonical(full))
            }
            alias @ Meaning::Alias(_) if attributes.is_empty() => alias,
            Meaning::Alias(_) | Meaning::Unknown => Meaning::Unknown,
        }
    }

    fn root(&self, name: &str) -> Meaning<'a> {
        let Some((_, bound)) = self.scopes.binding(name, MODULE) else {
            return match name {
                _ if self.any_name => Meaning::Unknown,
                builtin if is_builtin(builtin) => Meaning::Full(format!("builtins.{builtin}")),
                other if self.typing_names => Meaning::Full(format!("typing.{other}")),
                _ => Meaning::Unknown,
            };
        };
        // A builtin that is bound somewhere may still be the builtin where it is used.
        if is_builtin(name) || bound.is_deleted {
            return Meaning::Unknown;
        }
        match bound.origins.as_slice() {
            [Origin::Value(value, _)] => Meaning::Alias(value),
            [Origin::Import(first), others @ ..] => {
                let first = canonical(first.clone());
                let is_same = |other: &Origin<'_>| matches!(other, Origin::Import(name) if canonical(name.clone()) == first);
                if others.iter().all(is_same) {
                    Meaning::Full(first)
                } else {
                    Meaning::Unknown
                }
            }
            _ => Meaning::Unknown,
        }
    }
}

/// One name for what has two.
fn canonical(full: String) -> String {
    match full.strip_prefix("typing_extensions") {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("typing{rest}"),
        _ => full,
    }
}

/// One annotation.
struct One<'s, 'a> {
    all: &'s Annotations<'a>,
    own: &'s [&'s str],
    left: Cell<usize>,
}

impl One<'_, '_> {
    /// `text` is what `expression` is a part of.
    fn of(&self, expression: &Expr, text: &str, depth: usize) -> Shape {
        let note = || {
            let said = text.get(expression.range().to_std_range());
            Shape::Any(said.map(|said| said.chars().take(SHOWN).collect()))
        };
        // Before anything of it is copied, its own text as a note included.
        if !spend(&self.all.bytes, expression.range().len().to_usize()) {
            return Shape::ANY;
        }
        let may = depth < DEPTH && spend(&self.left, 1) && spend(&self.all.left, 1);
        may.then(|| self.known(expression, text, depth + 1))
            .flatten()
            .unwrap_or_else(note)
    }

    fn known(&self, expression: &Expr, text: &str, depth: usize) -> Option<Shape> {
        match expression {
            Expr::NoneLiteral(_) => Some(Shape::Null),
            Expr::StringLiteral(literal) => {
                let inside = literal.value.to_str().trim();
                if inside.len() > LONGEST_QUOTED {
                    return None;
                }
                let shape = with_expression(inside, |inner| self.of(inner, inside, depth))?;
                shape.note().is_none().then_some(shape)
            }
            Expr::BinOp(_) => {
                let members = members(expression)?;
                union(members.into_iter().map(|one| self.of(one, text, depth)))
            }
            Expr::Name(_) | Expr::Attribute(_) => match self.all.meaning(expression, self.own) {
                Meaning::Full(name) => plain(&name),
                Meaning::Alias(value) => {
                    let shape = self.of(value, self.all.source, depth);
                    shape.note().is_none().then_some(shape)
                }
                Meaning::Unknown => None,
            },
            Expr::Subscript(subscript) => {
                let Meaning::Full(name) = self.all.meaning(&subscript.value, self.own) else {
                    return None;
                };
                let arguments = match &*subscript.slice {
                    Expr::Tuple(tuple) => tuple.elts.iter().collect(),
                    single => vec![single],
                };
                self.generic(&name, &arguments, text, depth)
            }
            _ => None,
        }
    }

    fn generic(&self, name: &str, arguments: &[&Expr], text: &str, depth: usize) -> Option<Shape> {
        let of = |expression: &Expr| self.of(expression, text, depth);
        match (name, arguments) {
            ("builtins.list" | "typing.List" | "collections.abc.MutableSequence", [item]) => {
                Some(Shape::Array(Box::new(of(item))))
            }
            (
                "builtins.dict"
                | "typing.Dict"
                | "typing.Mapping"
                | "typing.MutableMapping"
                | "collections.abc.Mapping"
                | "collections.abc.MutableMapping",
                [key, value],
            ) => match of(key) {
                Shape::String | Shape::Any(None) => Some(Shape::Object(Box::new(of(value)))),
                // A key of an object is a string, and nothing turns it into something else.
                _ => None,
            },
            ("builtins.tuple" | "typing.Tuple", [item, Expr::EllipsisLiteral(_)]) => {
                Some(Shape::Array(Box::new(of(item))))
            }
            ("builtins.tuple" | "typing.Tuple", items) => {
                let are_plain = items
                    .iter()
                    .all(|item| !item.is_starred_expr() && !item.is_ellipsis_literal_expr());
                are_plain.then(|| Shape::Tuple(items.iter().map(|item| of(item)).collect()))
            }
            ("typing.Optional", [item]) => union([of(item), Shape::Null].into_iter()),
            ("typing.Union", [_, ..]) => union(arguments.iter().map(|one| of(one))),
            ("typing.Annotated", [item, _, ..]) => Some(of(item)),
            ("typing.Literal", [_, ..]) => {
                let values: Option<Vec<Value>> =
                    arguments.iter().map(|one| constant(one)).collect();
                values.map(Shape::Enum)
            }
            _ => None,
        }
    }
}

/// Takes `cost` away; `false` when there is not as much left, and then nothing is left.
fn spend(left: &Cell<usize>, cost: usize) -> bool {
    let rest = left.get().checked_sub(cost);
    left.set(rest.unwrap_or_default());
    rest.is_some()
}

/// What a name alone stands for.
fn plain(name: &str) -> Option<Shape> {
    Some(match name {
        "builtins.str" | "typing.Text" | "typing.LiteralString" => Shape::String,
        "builtins.int" => Shape::Integer,
        "builtins.float" => Shape::Number,
        "builtins.bool" => Shape::Boolean,
        "builtins.object" | "typing.Any" => Shape::ANY,
        "builtins.list" | "typing.List" | "builtins.tuple" | "typing.Tuple" => {
            Shape::Array(Box::new(Shape::ANY))
        }
        "builtins.dict"
        | "typing.Dict"
        | "typing.Mapping"
        | "typing.MutableMapping"
        | "collections.abc.Mapping"
        | "collections.abc.MutableMapping" => Shape::Object(Box::new(Shape::ANY)),
        _ => return None,
    })
}

/// The operands of `a | b | c`, however many there are.
fn members(expression: &Expr) -> Option<Vec<&Expr>> {
    let (mut left, mut found) = (expression, Vec::new());
    while let Expr::BinOp(operation) = left {
        if operation.op != Operator::BitOr {
            return None;
        }
        found.push(&*operation.right);
        left = &operation.left;
    }
    found.push(left);
    found.reverse();
    Some(found)
}

/// `None` where one member could be anything we do not know: so could then the whole.
fn union(members: impl Iterator<Item = Shape>) -> Option<Shape> {
    let mut found: Vec<Shape> = Vec::new();
    for member in members {
        match member {
            Shape::Any(Some(_)) => return None,
            Shape::AnyOf(inner) => found.extend(inner),
            other => found.push(other),
        }
    }
    if found.contains(&Shape::ANY) {
        return Some(Shape::ANY);
    }
    let mut distinct: Vec<Shape> = Vec::new();
    for member in found {
        if !distinct.contains(&member) {
            distinct.push(member);
        }
    }
    match distinct.len() {
        1 => distinct.pop(),
        _ => Some(Shape::AnyOf(distinct)),
    }
}

/// A literal as JSON; `None` for anything else.
pub(super) fn constant(expression: &Expr) -> Option<Value> {
    match expression {
        Expr::NoneLiteral(_) => Some(Value::Null),
        Expr::BooleanLiteral(literal) => Some(Value::Bool(literal.value)),
        Expr::StringLiteral(literal) => Some(literal.value.to_str().into()),
        Expr::NumberLiteral(literal) => number(&literal.value, false),
        Expr::UnaryOp(unary) if unary.op == UnaryOp::USub => match &*unary.operand {
            Expr::NumberLiteral(literal) => number(&literal.value, true),
            _ => None,
        },
        _ => None,
    }
}

fn number(number: &Number, is_negative: bool) -> Option<Value> {
    match number {
        Number::Int(int) => {
            let int = int.as_i64()?;
            Some(if is_negative { -int } else { int }.into())
        }
        Number::Float(float) => {
            let float = if is_negative { -float } else { *float };
            serde_json::Number::from_f64(float).map(Value::Number)
        }
        Number::Complex { .. } => None,
    }
}
