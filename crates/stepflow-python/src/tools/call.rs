//! From JSON arguments to those of a call, checked before anything starts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::function::{ToolFunction, ToolParameter};
use super::shape::Mismatch;
use crate::parser::ParameterKind;

/// Names that a sentence lists.
const LISTED: usize = 12;

/// Most digits of an integer that is a finite `f64` whatever they are.
const MOST_DIGITS: usize = 308;

/// Arguments by name. They travel as the JSON they are, so that no number loses a digit.
pub type Arguments = BTreeMap<String, Box<RawValue>>;

/// What is passed by place and what by name.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) args: Vec<Box<RawValue>>,
    pub(super) kwargs: Arguments,
}

/// The arguments of a call of `function`.
///
/// Errors: one sentence that names the first argument in question.
pub(super) fn bind(function: &ToolFunction, mut arguments: Arguments) -> Result<Bound, String> {
    use ParameterKind::{
        KeywordOnly, PositionalOnly, PositionalOrKeyword, VarKeyword, VarPositional,
    };
    let by_place = passed_by_place(function, &arguments);
    let mut bound = Bound::default();
    let mut missing: Option<&str> = None;
    for parameter in &function.parameters {
        let name = parameter.name.as_str();
        if parameter.kind == VarKeyword {
            // All that is left: it is the last parameter.
            for (name, value) in std::mem::take(&mut arguments) {
                check(parameter, &name, &value)?;
                bound.kwargs.insert(name, value);
            }
            continue;
        }
        let Some(value) = arguments.remove(name) else {
            if parameter.is_required {
                return Err(format!("`{}` needs the argument `{name}`", function.name));
            }
            if parameter.kind != VarPositional {
                missing = missing.or(Some(name));
            }
            continue;
        };
        match parameter.kind {
            VarPositional => {
                let items = items(&value);
                let items =
                    items.ok_or_else(|| format!("the argument `{name}` must be an array"))?;
                for (index, item) in items.iter().enumerate() {
                    check(parameter, &format!("{name}[{index}]"), item)?;
                }
                in_place(name, missing.filter(|_| !items.is_empty()))?;
                bound.args.extend(items);
            }
            PositionalOrKeyword | KeywordOnly | VarKeyword
                if parameter.kind != PositionalOrKeyword || !by_place =>
            {
                check(parameter, name, &value)?;
                bound.kwargs.insert(name.to_owned(), value);
            }
            PositionalOnly | PositionalOrKeyword | KeywordOnly | VarKeyword => {
                check(parameter, name, &value)?;
                in_place(name, missing)?;
                bound.args.push(value);
            }
        }
    }
    match arguments.keys().next() {
        Some(unknown) => Err(format!(
            "`{}` takes no argument `{}`; it takes {}",
            function.name,
            unknown.chars().take(80).collect::<String>(),
            listed(function.parameters.iter().map(|one| one.name.as_str()))
        )),
        None => Ok(bound),
    }
}

fn items(value: &RawValue) -> Option<Vec<Box<RawValue>>> {
    serde_json::from_str(value.get()).ok()
}

/// Whether something follows by place, so that what comes before has to come by place, too.
fn passed_by_place(function: &ToolFunction, arguments: &Arguments) -> bool {
    let mut parameters = function.parameters.iter();
    parameters.any(|one| {
        let given = arguments.get(&one.name).and_then(|value| items(value));
        one.kind == ParameterKind::VarPositional && given.is_some_and(|given| !given.is_empty())
    })
}

/// Errors: an argument before it is missing, so that it would be taken for that one.
fn in_place(name: &str, missing: Option<&str>) -> Result<(), String> {
    match missing {
        Some(before) => Err(format!(
            "the argument `{name}` is passed by place, so `{before}`, which comes before it, must be given, too"
        )),
        None => Ok(()),
    }
}

fn check(parameter: &ToolParameter, name: &str, raw: &RawValue) -> Result<(), String> {
    // Too deep, or a number that is too large to be one.
    let value: Value = serde_json::from_str(&short_integers(raw.get()))
        .map_err(|error| format!("the argument `{name}` cannot be read: {error}"))?;
    let told = |Mismatch { path, problem }| format!("the argument `{name}{path}` {problem}");
    parameter.shape.check(&value).map_err(told)
}

/// The JSON text with long integers cut, so that they are still integers and can be read: what is
/// passed on has all digits.
fn short_integers(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST_DIGITS {
        return text.into();
    }
    let (mut short, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(|c: char| c == '"' || c.is_ascii_digit()) {
        let (before, token) = rest.split_at(at);
        let (token, behind) = token.split_at(length(token));
        let is_integer = token.bytes().all(|byte| byte.is_ascii_digit());
        let kept = if is_integer { MOST_DIGITS } else { token.len() };
        short.push_str(before);
        short.push_str(&token[..token.len().min(kept)]);
        rest = behind;
    }
    short.push_str(rest);
    short.into()
}

/// The length of the string or the number, without its sign, that `text` begins with.
fn length(text: &str) -> usize {
    if !text.starts_with('"') {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
        return text.find(|c| !is_part(c)).unwrap_or(text.len());
    }
    let mut escaped = true; // The quote that opens it.
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 1)
}

/// Names for a sentence.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => "none".to_owned(),
        many if many > LISTED => format!("{} and {} more", all[..LISTED].join(", "), many - LISTED),
        _ => all.join(", "),
    }
}
