//! Classes and their fields.

use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef};

use super::docstrings::docstring;
use super::{Collector, Place};
use crate::parser::module::{Field, PythonClass};

impl Collector<'_> {
    pub(super) fn class(&mut self, class: &StmtClassDef) {
        let text = self.text;
        let name = class.name.as_str();
        let range = text.block(class.range);
        let span = text.definition(range, &class.decorator_list);
        let arguments = class.arguments.as_deref();
        let inner = Place {
            class: Some(self.facts.classes.len()),
            in_function: false,
            is_conditional: false,
        };
        self.facts.classes.push(PythonClass {
            name: text.keep(name),
            bases: arguments
                .map_or(&[][..], |all| &all.args)
                .iter()
                .map(|base| text.of(base))
                .collect(),
            keywords: arguments
                .map_or(&[][..], |all| &all.keywords)
                .iter()
                .map(|keyword| text.of(keyword))
                .collect(),
            docstring: docstring(&class.body),
            decorators: text.decorators(&class.decorator_list),
            source_code: text.whole_lines(range),
            qualified_name: text.join(&[&self.path, name]),
            span: text.lines.span(span),
            ..Default::default()
        });
        self.inside(name, ".", &class.body, inner);
    }

    /// What `__init__` assigns to attributes of its first parameter, outside its inner blocks too.
    pub(super) fn instance_fields(&mut self, class: usize, init: &StmtFunctionDef) {
        let Some(own) = init.parameters.iter().next().map(|one| one.name().as_str()) else {
            return;
        };
        for statement in &init.body {
            let (targets, annotation, value): (&[Expr], _, _) = match statement {
                Stmt::Assign(assign) => (&assign.targets, None, Some(&*assign.value)),
                Stmt::AnnAssign(assign) => (
                    std::slice::from_ref(&*assign.target),
                    Some(&*assign.annotation),
                    assign.value.as_deref(),
                ),
                _ => continue,
            };
            for target in targets {
                let Expr::Attribute(attribute) = target else {
                    continue;
                };
                if attribute
                    .value
                    .as_name_expr()
                    .is_some_and(|name| name.id.as_str() == own)
                {
                    let text = |expression: Option<&Expr>| expression.map(|one| self.text.of(one));
                    let (annotation, default) = (text(annotation), text(value));
                    self.add_field(class, attribute.attr.as_str(), annotation, default, true);
                }
            }
        }
    }

    /// Only the first assignment of a name makes a field.
    pub(super) fn add_field(
        &mut self,
        class: usize,
        name: &str,
        annotation: Option<String>,
        default: Option<String>,
        is_instance: bool,
    ) {
        if self.fields.insert((class, name.to_owned())) {
            self.facts.classes[class].fields.push(Field {
                name: self.text.keep(name),
                annotation,
                default,
                is_instance,
            });
        }
    }
}
