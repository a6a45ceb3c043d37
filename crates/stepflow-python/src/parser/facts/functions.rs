//! Functions and their parameters.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Decorator, Expr, ParameterWithDefault, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};

use super::docstrings::docstring;
use super::{Collector, Place, Text};
use crate::parser::module::{Parameter, ParameterKind, PythonFunction};

impl Collector<'_> {
    pub(super) fn function(&mut self, function: &StmtFunctionDef, place: Place) {
        let found = self.text.function(function, &self.path);
        let inner = Place {
            class: None,
            in_function: true,
            is_conditional: false,
        };
        if let Some(class) = place.class {
            if found.name == "__init__" {
                self.instance_fields(class, function);
            }
            self.facts.classes[class].methods.push(found);
        } else {
            self.facts.functions.push(found);
        }
        self.inside(function.name.as_str(), ".<locals>.", &function.body, inner);
    }
}

/// A parameter, how it is passed, and its default.
type Passed<'a> = (
    &'a ruff_python_ast::Parameter,
    ParameterKind,
    Option<&'a Expr>,
);

fn with_defaults(
    list: &[ParameterWithDefault],
    kind: ParameterKind,
) -> impl Iterator<Item = Passed<'_>> {
    list.iter()
        .map(move |one| (&one.parameter, kind, one.default.as_deref()))
}

fn variadic(
    one: Option<&ruff_python_ast::Parameter>,
    kind: ParameterKind,
) -> impl Iterator<Item = Passed<'_>> {
    one.into_iter().map(move |one| (one, kind, None))
}

impl Text<'_> {
    fn function(&self, function: &StmtFunctionDef, path: &str) -> PythonFunction {
        let name = function.name.as_str();
        let range = self.block(function.range);
        let span = self.definition(range, &function.decorator_list);
        PythonFunction {
            name: self.keep(name),
            parameters: self.parameters(&function.parameters),
            return_type: function.returns.as_ref().map(|returns| self.of(&**returns)),
            docstring: docstring(&function.body),
            decorators: self.decorators(&function.decorator_list),
            is_async: function.is_async,
            source_code: self.whole_lines(range),
            qualified_name: self.join(&[path, name]),
            span: self.lines.span(span),
        }
    }

    fn parameters(&self, parameters: &ruff_python_ast::Parameters) -> Vec<Parameter> {
        use ParameterKind::{
            KeywordOnly, PositionalOnly, PositionalOrKeyword, VarKeyword, VarPositional,
        };
        let all = with_defaults(&parameters.posonlyargs, PositionalOnly)
            .chain(with_defaults(&parameters.args, PositionalOrKeyword))
            .chain(variadic(parameters.vararg.as_deref(), VarPositional))
            .chain(with_defaults(&parameters.kwonlyargs, KeywordOnly))
            .chain(variadic(parameters.kwarg.as_deref(), VarKeyword));
        all.map(|(one, kind, default)| {
            self.parameter(one, kind, default.map(|default| self.of(default)))
        })
        .collect()
    }

    fn parameter(
        &self,
        one: &ruff_python_ast::Parameter,
        kind: ParameterKind,
        default: Option<String>,
    ) -> Parameter {
        Parameter {
            name: self.keep(one.name.as_str()),
            kind,
            annotation: one
                .annotation
                .as_ref()
                .map(|annotation| self.of(&**annotation)),
            default,
        }
    }

    pub(super) fn decorators(&self, decorators: &[Decorator]) -> Vec<String> {
        decorators
            .iter()
            .map(|decorator| self.of(&decorator.expression))
            .collect()
    }

    /// A definition without its decorators: from its keyword on, as CPython counts it.
    pub(super) fn definition(&self, range: TextRange, decorators: &[Decorator]) -> TextRange {
        let Some(last) = decorators.last() else {
            return range;
        };
        let behind = self
            .tokens
            .partition_point(|token| token.start() < last.end());
        let keyword = self.tokens[behind..].iter().find(|token| {
            matches!(
                token.kind(),
                TokenKind::Async | TokenKind::Def | TokenKind::Class
            )
        });
        keyword.map_or(range, |keyword| {
            TextRange::new(keyword.start(), range.end())
        })
    }
}
