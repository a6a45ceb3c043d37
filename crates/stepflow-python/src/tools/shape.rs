//! What a JSON value may be, as data: written as a JSON Schema, and checked in the same words.
//!
//! A value that `Shape::check` allows is one that the schema allows, and but for whole numbers that are
//! written as `1.0` the other way round: both are one list over the same kinds. Whatever is not surely
//! known is `Any`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A number that is nearer to zero and written as a whole one is read as such. Source: `serde_json`.
const MOST_WHOLE: f64 = 9_223_372_036_854_775_808.0;
/// Characters of a value that a sentence shows.
const SHOWN: usize = 40;

/// What a JSON value may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Anything. The text is the annotation that says more than JSON can, or that nobody knows.
    Any(Option<String>),
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array, all of whose items are this.
    Array(Box<Shape>),
    /// An array of just these.
    Tuple(Vec<Shape>),
    /// An object, all of whose values are this.
    Object(Box<Shape>),
    /// One of these values.
    Enum(Vec<Value>),
    /// Any of these.
    AnyOf(Vec<Shape>),
}

/// A value that is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where, below what was checked: `[3].name`; empty for the whole.
    pub path: String,
    /// What it must be and is not, as the end of a sentence.
    pub problem: String,
}

impl Shape {
    /// Anything at all.
    pub(crate) const ANY: Self = Self::Any(None);

    /// As a JSON Schema, draft 2020-12.
    #[must_use]
    pub fn schema(&self) -> Map<String, Value> {
        let schema = match self {
            Self::Any(None) => json!({}),
            Self::Any(Some(note)) => json!({ "description": note }),
            Self::Null => json!({"type": "null"}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::Integer => json!({"type": "integer"}),
            Self::Number => json!({"type": "number"}),
            Self::String => json!({"type": "string"}),
            Self::Array(item) if **item == Self::ANY => json!({"type": "array"}),
            Self::Array(item) => json!({"type": "array", "items": item.schema()}),
            Self::Tuple(items) if items.is_empty() => json!({"type": "array", "maxItems": 0}),
            Self::Tuple(items) => json!({
                "type": "array",
                "prefixItems": items.iter().map(Self::schema).collect::<Vec<_>>(),
                "items": false,
                "minItems": items.len(),
            }),
            Self::Object(value) if **value == Self::ANY => json!({"type": "object"}),
            Self::Object(value) => {
                json!({"type": "object", "additionalProperties": value.schema()})
            }
            Self::Enum(values) => json!({ "enum": values }),
            Self::AnyOf(all) => {
                json!({ "anyOf": all.iter().map(Self::schema).collect::<Vec<_>>() })
            }
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// The text of an annotation that could not be turned into a constraint.
    pub(crate) fn note(&self) -> Option<&str> {
        match self {
            Self::Any(note) => note.as_deref(),
            _ => None,
        }
    }

    /// Whether `value` is this.
    ///
    /// Errors: the first place where it is not.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        let fits = match (self, value) {
            (Self::Any(_), _)
            | (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_)) => true,
            // Python would get `1.0` as a `float`. Beyond 64 bits nobody can tell.
            (Self::Integer, Value::Number(number)) => {
                !number.is_f64() || number.as_f64().is_some_and(|one| one.abs() >= MOST_WHOLE)
            }
            (Self::Array(item), Value::Array(values)) => return check_all(item, values),
            (Self::Tuple(items), Value::Array(values)) if items.len() == values.len() => {
                let mut pairs = items.iter().zip(values).enumerate();
                return pairs.try_for_each(|(index, (item, value))| {
                    item.check(value).map_err(|at| at.below(index))
                });
            }
            (Self::Object(shape), Value::Object(values)) => {
                let mut each = values.iter();
                return each.try_for_each(|(key, value)| {
                    shape.check(value).map_err(|at| at.below_key(key))
                });
            }
            (Self::Enum(all), value) => all.iter().any(|one| same(one, value)),
            (Self::AnyOf(all), value) => return check_any(all, value),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(Mismatch {
            path: String::new(),
            problem: format!("must be {}, not {}", self.words(), kind(value)),
        })
    }

    /// What it is, in a few words.
    fn words(&self) -> String {
        match self {
            Self::Any(_) => "any value".into(),
            Self::Null => "null".into(),
            Self::Boolean => "true or false".into(),
            Self::Integer => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::String => "a string".into(),
            Self::Array(_) => "an array".into(),
            Self::Tuple(items) => format!("an array of {}", items.len()),
            Self::Object(_) => "an object".into(),
            Self::Enum(values) => {
                let shown: Vec<String> = values.iter().take(8).map(shown).collect();
                let more = if values.len() > 8 { ", …" } else { "" };
                format!("one of {}{more}", shown.join(", "))
            }
            Self::AnyOf(all) => {
                let words: Vec<String> = all.iter().map(Self::words).collect();
                words.join(" or ")
            }
        }
    }
}

fn check_all(item: &Shape, values: &[Value]) -> Result<(), Mismatch> {
    let mut each = values.iter().enumerate();
    each.try_for_each(|(index, value)| item.check(value).map_err(|at| at.below(index)))
}

/// The nearest miss is told: the one that got furthest into the value, if any did.
fn check_any(all: &[Shape], value: &Value) -> Result<(), Mismatch> {
    let mut nearest: Option<Mismatch> = None;
    for shape in all {
        match shape.check(value) {
            Ok(()) => return Ok(()),
            Err(miss) if !miss.path.is_empty() => nearest = nearest.or(Some(miss)),
            Err(_) => {}
        }
    }
    let whole = || Mismatch {
        path: String::new(),
        problem: format!(
            "must be {}, not {}",
            Shape::AnyOf(all.to_vec()).words(),
            kind(value)
        ),
    };
    Err(nearest.unwrap_or_else(whole))
}

/// Equal as JSON Schema has it: 1 and 1.0 are one number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.as_f64() == other.as_f64() && (one.is_f64() || other.is_f64()))
        }
        (one, other) => one == other,
    }
}

/// What a value is, in a few words: itself, if that is short.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => shown(value),
        Value::String(_) => format!("the string {}", shown(value)),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

impl Mismatch {
    fn below(self, index: usize) -> Self {
        let path = format!("[{index}]{}", self.path);
        Self { path, ..self }
    }

    fn below_key(self, key: &str) -> Self {
        let key = shown(&Value::String(key.to_owned()));
        let path = format!("[{key}]{}", self.path);
        Self { path, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(shape: &Shape, value: Value) -> String {
        match shape.check(&value) {
            Ok(()) => "fits".into(),
            Err(at) => format!("{} {}", at.path, at.problem),
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let list = Shape::Array(Box::new(Shape::Integer));
        let pair = Shape::Tuple(vec![Shape::String, list.clone()]);
        let optional = Shape::AnyOf(vec![list.clone(), Shape::Null]);
        let choice = Shape::Enum(vec![json!("a"), json!(1)]);
        for (shape, value, expected) in [
            (&Shape::ANY, json!([{}]), "fits"),
            (&Shape::Integer, json!(1), "fits"),
            (&Shape::Integer, json!(1e300), "fits"),
            (
                &Shape::Integer,
                json!(1.0),
                " must be a whole number, not 1.0",
            ),
            (
                &Shape::Integer,
                json!(1.5),
                " must be a whole number, not 1.5",
            ),
            (
                &Shape::Integer,
                json!(true),
                " must be a whole number, not true",
            ),
            (&Shape::Number, json!(3), "fits"),
            (&Shape::Boolean, json!(0), " must be true or false, not 0"),
            (
                &list,
                json!([1, "x"]),
                "[1] must be a whole number, not the string \"x\"",
            ),
            (&list, json!({}), " must be an array, not an object"),
            (
                &pair,
                json!(["a", [1, null]]),
                "[1][1] must be a whole number, not null",
            ),
            (
                &pair,
                json!(["a"]),
                " must be an array of 2, not an array of 1",
            ),
            (
                &Shape::Object(Box::new(Shape::String)),
                json!({"k": 1}),
                "[\"k\"] must be a string, not 1",
            ),
            (&optional, json!(null), "fits"),
            (
                &optional,
                json!(["x"]),
                "[0] must be a whole number, not the string \"x\"",
            ),
            (
                &optional,
                json!("x"),
                " must be an array or null, not the string \"x\"",
            ),
            (&choice, json!(1.0), "fits"),
            (&choice, json!(true), " must be one of \"a\", 1, not true"),
        ] {
            assert_eq!(told(shape, value.clone()), expected, "{shape:?} {value}");
        }
        let long = told(&Shape::Null, json!("é".repeat(1000)));
        assert!(long.chars().count() < 80 && long.ends_with('…'), "{long}");
    }
}
