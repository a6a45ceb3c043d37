//! Functions and their parameters.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Decorator, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};

use super::docstrings::docstring;
use super::{Collector, Place, Text};
use crate::parser::module::{Parameter, ParameterKind, PythonFunction};

impl Collector<'_> {
    pub(super) fn function(&mut self, function: &StmtFunctionDef, place: &Place) {
        let found = self.text.function(function, place);
        let inner = Place {
            prefix: self
                .text
                .keep(&format!("{}.<locals>.", found.qualified_name))
                .into(),
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
        self.body(&function.body, &inner);
    }
}

impl Text<'_> {
    fn function(&self, function: &StmtFunctionDef, place: &Place) -> PythonFunction {
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
            qualified_name: self.keep(&format!("{}{name}", place.prefix)),
            span: self.lines.span(span),
        }
    }

    fn parameters(&self, parameters: &ruff_python_ast::Parameters) -> Vec<Parameter> {
        use ParameterKind::{
            KeywordOnly, PositionalOnly, PositionalOrKeyword, VarKeyword, VarPositional,
        };
        let with_default = |list: &[ruff_python_ast::ParameterWithDefault], kind| {
            let one = |one: &ruff_python_ast::ParameterWithDefault| {
                let default = one.default.as_ref().map(|default| self.of(&**default));
                self.parameter(&one.parameter, kind, default)
            };
            list.iter().map(one).collect::<Vec<_>>()
        };
        let variadic = |one: &Option<Box<ruff_python_ast::Parameter>>, kind| {
            one.iter()
                .map(|one| self.parameter(one, kind, None))
                .collect::<Vec<_>>()
        };
        [
            with_default(&parameters.posonlyargs, PositionalOnly),
            with_default(&parameters.args, PositionalOrKeyword),
            variadic(&parameters.vararg, VarPositional),
            with_default(&parameters.kwonlyargs, KeywordOnly),
            variadic(&parameters.kwarg, VarKeyword),
        ]
        .concat()
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
