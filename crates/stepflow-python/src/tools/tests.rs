//! From sources to schemas and from JSON to calls.

use serde_json::{Value, json};

use super::call::bind;
use super::{Arguments, ToolError, ToolFunction, functions_of};

async fn only(source: &str) -> ToolFunction {
    let mut found = functions_of(source, None).await.unwrap();
    assert_eq!(found.len(), 1, "{source}");
    found.remove(0)
}

/// The schema of the parameter `x`, after `prelude`.
async fn of(prelude: &str, annotation: &str) -> Value {
    let source = format!("{prelude}\ndef f(x: {annotation}): pass\n");
    only(&source).await.schema()["properties"]["x"].clone()
}

const TYPING: &str = "import typing, typing as t, datetime, collections.abc\nfrom typing import *\nfrom typing_extensions import Literal as L";

#[tokio::test]
async fn annotations_are_constraints_where_json_can_say_them() {
    let optional = |schema: Value| json!({"anyOf": [schema, {"type": "null"}]});
    let integer = json!({"type": "integer"});
    for (annotation, expected) in [
        ("str", json!({"type": "string"})),
        ("int", integer.clone()),
        ("float", json!({"type": "number"})),
        ("bool", json!({"type": "boolean"})),
        ("None", json!({"type": "null"})),
        ("Any", json!({})),
        ("object", json!({})),
        ("list", json!({"type": "array"})),
        (
            "list[int]",
            json!({"type": "array", "items": {"type": "integer"}}),
        ),
        (
            "t.List[typing.List[str]]",
            json!({"type": "array", "items": {"type": "array", "items": {"type": "string"}}}),
        ),
        ("dict", json!({"type": "object"})),
        (
            "dict[str, int]",
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        ),
        ("Dict[str, Any]", json!({"type": "object"})),
        (
            "collections.abc.Mapping[str, int]",
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        ),
        ("tuple", json!({"type": "array"})),
        (
            "tuple[int, ...]",
            json!({"type": "array", "items": {"type": "integer"}}),
        ),
        ("tuple[()]", json!({"type": "array", "maxItems": 0})),
        (
            "Tuple[int, str]",
            json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false, "minItems": 2}),
        ),
        ("Optional[int]", optional(integer.clone())),
        ("int | None", optional(integer.clone())),
        ("Union[int, None, int]", optional(integer.clone())),
        (
            "int | (str | None)",
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
        ),
        ("Optional[Any]", json!({})),
        (
            "L['a', -1, True, None, 2.5]",
            json!({"enum": ["a", -1, true, null, 2.5]}),
        ),
        ("Annotated[int, 'of bytes']", integer.clone()),
        ("'int'", integer.clone()),
        (
            "'list[\"int\"]'",
            json!({"type": "array", "items": {"type": "integer"}}),
        ),
    ] {
        assert_eq!(of(TYPING, annotation).await, expected, "{annotation}");
    }
}

#[tokio::test]
async fn what_json_cannot_say_is_unconstrained_with_its_text() {
    for annotation in [
        "Foo",
        "datetime.datetime",
        "set[int]",
        "bytes",
        "complex",
        "dict[int, str]",
        "list[int, str]",
        "dict[str]",
        "Optional[Foo]",
        "int | Foo",
        "Literal[Foo.BAR]",
        "Literal[b'a']",
        "tuple[*X]",
        "Sequence[str]",
        "Callable[[int], str]",
        "f(int)",
        "1 + 1",
        "'not an ( annotation'",
        "'a; b'",
        "lambda: int",
        "'int\\nstr'",
        "print",
        "t",
        "int.real",
        "Optional",
        "Literal",
    ] {
        let expected = json!({ "description": annotation });
        assert_eq!(of(TYPING, annotation).await, expected, "{annotation}");
    }
    let inner = of(TYPING, "list[Foo]").await;
    assert_eq!(
        inner,
        json!({"type": "array", "items": {"description": "Foo"}})
    );
    let long = of("", &format!("'{}'", "é".repeat(5000))).await;
    assert_eq!(long["description"].as_str().unwrap().chars().count(), 200);
}

#[tokio::test]
async fn names_are_resolved_and_never_guessed() {
    let (integer, unknown) = (
        json!({"type": "integer"}),
        |text: &str| json!({"description": text}),
    );
    for (prelude, annotation, expected) in [
        (
            "from typing import Optional as O",
            "O[int]",
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ),
        ("Number = int", "Number", integer.clone()),
        ("A = 'B'\nB = int", "A", integer.clone()),
        (
            "try:\n    from typing import Any\nexcept ImportError:\n    from typing_extensions import Any",
            "Any",
            json!({}),
        ),
        // Each of these is not the builtin, or may not be.
        ("class int: pass", "int", unknown("int")),
        ("int = str", "int", unknown("int")),
        (
            "if 1:\n    from elsewhere import int",
            "int",
            unknown("int"),
        ),
        ("from elsewhere import *", "int", unknown("int")),
        (
            "def _g():\n    global int\n    int = str",
            "int",
            unknown("int"),
        ),
        ("from elsewhere import Any", "Any", unknown("Any")),
        ("Number = int\nNumber = str", "Number", unknown("Number")),
        ("Number = int\ndel Number", "Number", unknown("Number")),
        ("for Number in [int]: pass", "Number", unknown("Number")),
        ("", "Optional[int]", unknown("Optional[int]")),
        ("A = B\nB = A", "A", unknown("A")),
        ("A = list['A']", "A", unknown("A")),
    ] {
        let found = of(prelude, annotation).await;
        if prelude == "A = list['A']" {
            // As deep as it was followed, and no deeper.
            assert_eq!(found["type"], "array");
            continue;
        }
        assert_eq!(found, expected, "{prelude}: {annotation}");
    }
    let own = only("def f[int](x: int): pass").await.schema();
    assert_eq!(own["properties"]["x"], unknown("int"));
}

#[tokio::test]
async fn a_schema_names_what_is_required_and_what_else_may_come() {
    let source = "def f(a, b: int, /, c: str = 'x', *rest: int, d, e: int = None, g=object(), **more: bool) -> int:\n    '''Sums.\n\n    Args:\n        a: the first\n        b: the second\n        rest: all others\n        e: maybe\n    '''\n";
    let function = only(source).await;
    assert_eq!(
        (function.description.as_str(), function.returns.as_deref()),
        ("Sums.", Some("int"))
    );
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "a": {"description": "the first"},
            "b": {"type": "integer", "description": "the second"},
            "c": {"type": "string", "default": "x"},
            "rest": {"type": "array", "items": {"type": "integer"}, "description": "all others"},
            "d": {},
            "e": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null, "description": "maybe"},
            "g": {},
        },
        "required": ["a", "b", "d"],
        "additionalProperties": {"type": "boolean"},
    });
    assert_eq!(function.schema(), expected);
}

#[tokio::test]
async fn public_functions_are_those_of_the_top_level() {
    let source = "import typing, functools\n@typing.overload\ndef a(x: int): ...\n@functools.cache\ndef a(x: str): pass\ndef a(x: bool): pass\nasync def b(): pass\ndef _c(): pass\nclass D:\n    def d(self): pass\nif True:\n    def e(): pass\nf = lambda: 1\ndef g():\n    def h(): pass\n@typing.overload\ndef i(x: int): ...\n";
    let found = functions_of(source, None).await.unwrap();
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "g"]);
    assert_eq!(
        found[0].schema()["properties"]["x"],
        json!({"type": "boolean"}),
        "the last counts"
    );
    assert!(found[1].is_async && found[0].decorators.is_empty());
}

#[tokio::test]
async fn hostile_sources_are_refused_or_bounded() {
    let many: String = (0..10_000).map(|n| format!("def f{n}(): pass\n")).collect();
    let told = functions_of(&many, None).await.unwrap_err().to_string();
    assert!(told.contains("10000 public functions"), "{told}");
    let wide: String = (0..20_000).map(|n| format!("a{n},")).collect();
    let told = functions_of(&format!("def f({wide}): pass"), None)
        .await
        .unwrap_err();
    assert!(told.to_string().contains("20000 parameters"), "{told}");
    // Doubles at every step: 2^40 parts if it were followed.
    let doubling: String = (1..40)
        .map(|n| format!("A{n} = tuple[A{}, A{}]\n", n - 1, n - 1))
        .collect();
    let schema = of(&format!("A0 = int\n{doubling}"), "A39").await;
    assert!(
        schema.to_string().len() < 200_000,
        "{}",
        schema.to_string().len()
    );
    let deep = format!("{}int{}", "list[".repeat(150), "]".repeat(150));
    let schema = of("", &deep).await.to_string();
    assert!(schema.matches("\"array\"").count() <= 16, "{schema}");
    let nested = (0..12).fold("int".to_owned(), |text, _| format!("{text:?}"));
    if let Ok(found) = functions_of(&format!("def f(x: {nested}): pass"), None).await {
        assert_eq!(found.len(), 1);
    }
    for (source, expected) in [
        ("def f(:", "ok"),
        ("\0", "refused"),
        (
            &format!("def f(x: {}1): pass", "-".repeat(100_000)),
            "refused",
        ),
    ] {
        let told = functions_of(source, None).await;
        assert_eq!(
            matches!(told, Err(ToolError::Rejected(_))),
            expected == "refused",
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn what_an_alias_repeats_is_followed_only_so_far() {
    let parameters: String = (0..9_000).map(|n| format!("a{n}: L, ")).collect();
    let tuple = format!("tuple[{}]", "'xxxxxxxxxxxxxxxxxxxx', ".repeat(50));
    for alias in [
        format!("Literal['{}']", "x".repeat(500_000)),
        format!("Literal[{}]", "1, ".repeat(100_000)),
        format!("'{}int'", "int | ".repeat(80_000)),
        tuple,
    ] {
        let source = format!("{TYPING}\nL = {alias}\ndef f({parameters}): pass\n");
        let found = only(&source).await;
        assert_eq!(found.parameters.len(), 9_000);
        let kept = serde_json::to_string(&found).unwrap().len();
        assert!(kept < 8 << 20, "{kept}");
    }
    let quoted = |bytes: usize| {
        format!(
            "'{}int'",
            " | int".repeat(bytes / 6).replacen(" | ", "", 1) + " | "
        )
    };
    assert_eq!(of("", &quoted(4_000)).await, json!({"type": "integer"}));
    assert!(of("", &quoted(5_000)).await["description"].is_string());
}

/// What goes by place and what by name.
async fn bound(source: &str, arguments: Value) -> Result<(Value, Value), String> {
    let arguments: Arguments = serde_json::from_str(&arguments.to_string()).unwrap();
    let bound = bind(&only(source).await, arguments)?;
    let json = |raw: String| serde_json::from_str::<Value>(&raw).unwrap();
    Ok((
        json(serde_json::to_string(&bound.args).unwrap()),
        json(serde_json::to_string(&bound.kwargs).unwrap()),
    ))
}

#[tokio::test]
async fn arguments_go_by_place_where_they_must() {
    for (parameters, arguments, args, named) in [
        ("a, b=1", json!({"a": 1}), json!([]), json!({"a": 1})),
        (
            "a, /, b=1",
            json!({"a": 1, "b": 2}),
            json!([1]),
            json!({"b": 2}),
        ),
        (
            "a, b=1, *rest, c=3",
            json!({"a": 1, "b": 2, "rest": [4], "c": 5}),
            json!([1, 2, 4]),
            json!({"c": 5}),
        ),
        (
            "a, b=1, *rest",
            json!({"a": 1, "rest": []}),
            json!([]),
            json!({"a": 1}),
        ),
        ("*rest", json!({"rest": [1, 2]}), json!([1, 2]), json!({})),
        (
            "a, **more",
            json!({"a": 1, "z": 2, "more": 3}),
            json!([]),
            json!({"a": 1, "z": 2, "more": 3}),
        ),
        ("", json!({}), json!([]), json!({})),
    ] {
        let found = bound(&format!("def f({parameters}): pass"), arguments).await;
        assert_eq!(found.unwrap(), (args, named), "{parameters}");
    }
}

#[tokio::test]
async fn a_wrong_argument_is_one_sentence_that_names_it() {
    for (parameters, arguments, expected) in [
        ("a: int", json!({}), "`f` needs the argument `a`"),
        (
            "a: int",
            json!({"a": "x"}),
            "the argument `a` must be a whole number, not the string \"x\"",
        ),
        (
            "a: list[int]",
            json!({"a": [1, null]}),
            "the argument `a[1]` must be a whole number, not null",
        ),
        (
            "a: int",
            json!({"a": 1, "b": 2}),
            "`f` takes no argument `b`; it takes `a`",
        ),
        (
            "",
            json!({"b": 2}),
            "`f` takes no argument `b`; it takes none",
        ),
        (
            "a=1, b=2, /",
            json!({"b": 1}),
            "the argument `b` is passed by place, so `a`, which comes before it, must be given, too",
        ),
        (
            "a=1, *rest",
            json!({"rest": [1]}),
            "the argument `rest` is passed by place, so `a`, which comes before it, must be given, too",
        ),
        (
            "*rest: int",
            json!({"rest": [1, "x"]}),
            "the argument `rest[1]` must be a whole number, not the string \"x\"",
        ),
        (
            "*rest",
            json!({"rest": 1}),
            "the argument `rest` must be an array",
        ),
        (
            "**more: bool",
            json!({"z": 1}),
            "the argument `z` must be true or false, not 1",
        ),
    ] {
        let told = bound(&format!("def f({parameters}): pass"), arguments)
            .await
            .unwrap_err();
        assert_eq!(told, expected, "{parameters}");
    }
}

#[tokio::test]
async fn no_number_loses_a_digit_and_no_depth_is_followed() {
    let function = only("def f(x: int, *y: int): pass").await;
    let arguments = |text: &str| serde_json::from_str::<Arguments>(text).unwrap();
    let digits = "123456789012345678901234567890";
    let exact = bind(
        &function,
        arguments(&format!(r#"{{"x": {digits}, "y": [{digits}]}}"#)),
    );
    let args: Vec<String> = exact
        .unwrap()
        .args
        .iter()
        .map(|raw| raw.get().to_owned())
        .collect();
    assert_eq!(args, [digits, digits]);
    let long = format!("-{}", "9".repeat(4000));
    let listed = only("def f(x: list[int]): pass").await;
    let both = [(&function, long.clone()), (&listed, format!("[1, {long}]"))];
    for (function, text) in both {
        let bound = bind(function, arguments(&format!(r#"{{"x": {text}}}"#))).unwrap();
        assert_eq!(bound.kwargs["x"].get(), text);
    }
    let fraction = bind(&function, arguments(&format!(r#"{{"x": {long}.5}}"#)));
    assert!(fraction.is_err(), "no float is as large");
    // A string keeps its digits: they are no number.
    let text = only("def f(x: int): pass").await;
    let digits = format!(r#"{{"x": "a\\\"{}"}}"#, "9".repeat(4000));
    let told = bind(&text, arguments(&digits)).unwrap_err();
    assert!(told.contains("not the string"), "{told}");
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let told = bind(&function, arguments(&format!(r#"{{"x": {deep}}}"#))).unwrap_err();
    assert!(
        told.starts_with("the argument `x` must be a whole number"),
        "{told}"
    );
    let told = bind(&function, arguments(r#"{"x": 1e999}"#)).unwrap_err();
    assert!(
        told.starts_with("the argument `x` cannot be read"),
        "{told}"
    );
}
