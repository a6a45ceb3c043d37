//! Sources that break parsers: each gets an answer, and the server stays the same process.

use anyhow::Result;
use serde_json::json;

use super::Target;
use super::raw::expect;

pub(super) fn run(target: &mut Target<'_>) -> Result<()> {
    let depth = target.size.pick(10_000, 100_000);
    for (name, source) in bombs(depth) {
        let wall_ms = target.size.pick(500, 4_000);
        let body = json!({"source": source, "limits": {"wall_ms": wall_ms}});
        let answer = target.server.endpoint.post("/v1/executions", &body);
        // 413 where the source is longer than a source may be.
        target.judge(name, answer.and_then(|answer| expect(&answer, &[200, 413])));
        let prompt = target.is_prompt();
        target.judge(&format!("another program after {name}"), prompt);
    }
    Ok(())
}

fn bombs(depth: usize) -> Vec<(&'static str, String)> {
    let repeated = |part: &str| part.repeat(depth);
    let stairs: String = (0..depth.min(2_000))
        .map(|level| format!("{}if 1:\n", " ".repeat(level)))
        .collect();
    vec![
        ("open brackets", repeated("(")),
        (
            "nested lists",
            format!("{}{}", repeated("["), repeated("]")),
        ),
        ("minus signs", format!("{}1", repeated("-"))),
        ("nots", format!("{}1", repeated("not "))),
        ("attributes", format!("a{}", repeated(".b"))),
        ("sums", format!("1{}", repeated("+1"))),
        ("calls", format!("{}{}", repeated("f("), repeated(")"))),
        ("lambdas", format!("{}1", repeated("lambda:"))),
        ("a staircase", stairs),
        ("a long list", format!("x=[{}]", repeated("0,"))),
        ("strings side by side", repeated("\"a\"")),
        ("open braces", repeated("{")),
        ("decorators", repeated("@a\n")),
        ("a folded power", "9**9**9".into()),
        ("NUL", "print(1)\0".into()),
        (
            "a cookie that lies",
            "# coding: utf-16\n\u{feff}print(1)".into(),
        ),
        ("tabs and spaces", "if 1:\n\tx=1\n        y=2\n  z=3".into()),
        ("carriage returns", "x=1\ry=2\r\x0c\x1a".into()),
        ("many lines", repeated("x=1\n")),
    ]
}
