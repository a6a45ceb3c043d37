//! A function that a tool offers: what it takes, as data.

use std::collections::HashMap;

use ruff_python_ast::{Expr, ParameterWithDefault, Stmt, StmtFunctionDef};
use ruff_text_size::Ranged;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::annotation::{Annotations, constant};
use super::docstring::{self, Docs};
use super::shape::Shape;
use super::{MOST_FUNCTIONS, MOST_PARAMETERS};
use crate::parser::{ParameterKind, Parse, docstring_of};
use crate::validator::scopes::Scopes;

/// Longest default that a schema shows. Unit: bytes.
const LONGEST_DEFAULT: usize = 1024;

/// A function that can be called by its name with JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolFunction {
    /// Its name.
    pub name: String,
    /// What its docstring says before the first section; empty without one.
    pub description: String,
    /// In the order in which they are written.
    pub parameters: Vec<ToolParameter>,
    /// The text behind `->`.
    pub returns: Option<String>,
    /// The text of each decorator. What they make of the function is not known.
    pub decorators: Vec<String>,
    /// Whether it is written `async def`.
    pub is_async: bool,
}

/// One of its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolParameter {
    /// Without stars.
    pub name: String,
    /// How it is passed.
    pub kind: ParameterKind,
    /// What it may be; for `*args` and `**kwargs` what each of them may be.
    pub shape: Shape,
    /// What the docstring says of it.
    pub description: Option<String>,
    /// Its default, if it is a literal.
    pub default: Option<Value>,
    /// Whether it has no default.
    pub is_required: bool,
}

impl ToolFunction {
    /// What it takes, as a JSON Schema, draft 2020-12.
    ///
    /// Shape: an object with a property per parameter; `*args` is an array under its name,
    /// `**kwargs` is what other properties may be.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut others = json!(false);
        for parameter in &self.parameters {
            match parameter.kind {
                ParameterKind::VarKeyword => others = Value::Object(parameter.property()),
                ParameterKind::VarPositional => {
                    let mut list = Shape::Array(Box::new(parameter.shape.clone())).schema();
                    parameter.describe(&mut list, None);
                    properties.insert(parameter.name.clone(), list.into());
                }
                ParameterKind::PositionalOnly
                | ParameterKind::PositionalOrKeyword
                | ParameterKind::KeywordOnly => {
                    if parameter.is_required {
                        required.push(parameter.name.as_str());
                    }
                    properties.insert(parameter.name.clone(), parameter.property().into());
                }
            }
        }
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": others,
        })
    }
}

impl ToolParameter {
    fn property(&self) -> Map<String, Value> {
        let mut schema = self.shape.schema();
        self.describe(&mut schema, self.shape.note());
        if let Some(default) = &self.default {
            schema.insert("default".into(), default.clone());
        }
        schema
    }

    /// What the docstring says, and the annotation where it is no constraint.
    fn describe(&self, schema: &mut Map<String, Value>, note: Option<&str>) {
        let text = match (&self.description, note) {
            (Some(said), Some(note)) => format!("{said} ({note})"),
            (Some(said), None) => said.clone(),
            (None, Some(note)) => note.to_owned(),
            (None, None) => return,
        };
        schema.insert("description".into(), text.into());
    }
}

/// The public functions of a module: those that its top level defines, outside of any block, whose
/// names do not begin with `_`; of several of one name the last. Only for pool threads.
///
/// Errors: too many, in one sentence; they are counted before anything of them is read.
pub(super) fn functions(parse: &Parse<'_>) -> Result<Vec<ToolFunction>, String> {
    let module = parse.tree.syntax();
    let scopes = Scopes::of(module);
    let reader = Reader {
        source: parse.source,
        annotations: Annotations::new(parse.source, &scopes),
    };
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut found: Vec<&StmtFunctionDef> = Vec::new();
    for statement in &module.body {
        let Stmt::FunctionDef(function) = statement else {
            continue;
        };
        if function.name.starts_with('_') || reader.is_overload(function) {
            continue;
        }
        match places.get(function.name.as_str()) {
            Some(place) => found[*place] = function,
            None => {
                places.insert(function.name.as_str(), found.len());
                found.push(function);
            }
        }
    }
    let parameters = found.iter().map(|one| one.parameters.len()).sum();
    for (count, what, most) in [
        (found.len(), "public functions", MOST_FUNCTIONS),
        (parameters, "parameters", MOST_PARAMETERS),
    ] {
        if count > most {
            return Err(format!(
                "the module has {count} {what}, but a tool has at most {most}"
            ));
        }
    }
    Ok(found.into_iter().map(|one| reader.function(one)).collect())
}

struct Reader<'a> {
    source: &'a str,
    annotations: Annotations<'a>,
}

impl Reader<'_> {
    /// Whether it only says how another of its name may be called.
    fn is_overload(&self, function: &StmtFunctionDef) -> bool {
        let names = function.decorator_list.iter();
        let mut names = names.map(|one| self.annotations.full_name(&one.expression));
        names.any(|name| name.as_deref() == Some("typing.overload"))
    }

    fn text(&self, node: impl Ranged) -> String {
        let text = self.source.get(node.range().to_std_range());
        text.unwrap_or_default().to_owned()
    }

    fn function(&self, function: &StmtFunctionDef) -> ToolFunction {
        let docs = docstring_of(&function.body);
        let docs = docs.map_or_else(Docs::default, |text| docstring::read(&text));
        let own = function.type_params.iter();
        let own = own.flat_map(|all| all.type_params.iter().map(|one| one.name().as_str()));
        let own: Vec<&str> = own.collect();
        let decorators = function.decorator_list.iter();
        ToolFunction {
            name: function.name.to_string(),
            parameters: self.parameters(function, &docs, &own),
            description: docs.description,
            returns: function
                .returns
                .as_ref()
                .map(|returns| self.text(&**returns)),
            decorators: decorators.map(|one| self.text(&one.expression)).collect(),
            is_async: function.is_async,
        }
    }

    fn parameters(
        &self,
        function: &StmtFunctionDef,
        docs: &Docs,
        own: &[&str],
    ) -> Vec<ToolParameter> {
        use ParameterKind::{
            KeywordOnly, PositionalOnly, PositionalOrKeyword, VarKeyword, VarPositional,
        };
        let all = &function.parameters;
        let mut found = Vec::new();
        let one = |parameter: &ruff_python_ast::Parameter, kind, default: Option<&Expr>| {
            let annotation = parameter.annotation.as_deref();
            let shape = annotation.map_or(Shape::ANY, |one| self.annotations.shape(one, own));
            let name = parameter.name.to_string();
            let value = default.and_then(literal);
            ToolParameter {
                shape: with_default(shape, value.as_ref()),
                description: docs.parameters.get(&name).cloned(),
                is_required: default.is_none() && !matches!(kind, VarPositional | VarKeyword),
                default: value,
                name,
                kind,
            }
        };
        let mut add = |list: &[ParameterWithDefault], kind| {
            let each = list.iter();
            each.map(|with| one(&with.parameter, kind, with.default.as_deref()))
                .for_each(|parameter| found.push(parameter));
        };
        add(&all.posonlyargs, PositionalOnly);
        add(&all.args, PositionalOrKeyword);
        add(&all.kwonlyargs, KeywordOnly);
        if let Some(rest) = &all.vararg {
            let place = all.posonlyargs.len() + all.args.len();
            found.insert(place, one(rest, VarPositional, None));
        }
        found.extend(all.kwarg.iter().map(|rest| one(rest, VarKeyword, None)));
        found
    }
}

/// A default of `None` is a value like any other, whatever the annotation says.
fn with_default(shape: Shape, default: Option<&Value>) -> Shape {
    match default {
        Some(Value::Null) if shape.check(&Value::Null).is_err() => match shape {
            Shape::AnyOf(mut all) => {
                all.push(Shape::Null);
                Shape::AnyOf(all)
            }
            other => Shape::AnyOf(vec![other, Shape::Null]),
        },
        _ => shape,
    }
}

/// A default that JSON can write and that is short.
fn literal(default: &Expr) -> Option<Value> {
    let value = match default {
        Expr::List(list) if list.elts.is_empty() => json!([]),
        Expr::Tuple(tuple) if tuple.elts.is_empty() => json!([]),
        Expr::Dict(dict) if dict.items.is_empty() => json!({}),
        other => constant(other)?,
    };
    let is_short = value
        .as_str()
        .is_none_or(|text| text.len() <= LONGEST_DEFAULT);
    is_short.then_some(value)
}
