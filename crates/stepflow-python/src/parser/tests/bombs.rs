//! Sources made to break whoever parses them.

/// Source: security/http_probes.md, section G.
pub(super) fn bombs(depth: usize) -> Vec<(&'static str, String)> {
    let around = |open: &str, middle: &str, close: &str| {
        format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    // A staircase grows with the square of its depth.
    let stairs = |head: &str| -> String {
        (0..depth.min(1_400))
            .map(|level| format!("{}{head}\n", " ".repeat(level)))
            .collect()
    };
    vec![
        ("open parentheses", "(".repeat(depth)),
        ("parentheses", around("(", "1", ")")),
        ("lists", around("[", "", "]")),
        ("mismatched", "(]".repeat(depth)),
        ("hidden by a string", format!("f'{{\"{}", "(".repeat(depth))),
        (
            "quotes read the other way",
            format!("f'{{' \n}}''{}'", "-".repeat(depth)),
        ),
        (
            "f-string and bracket read the other way",
            format!("f'{{(\n{}1'", "-".repeat(depth)),
        ),
        (
            "f-string closed behind a bracket",
            format!("f'{{(a b\n c)}}'''{}'''", "-".repeat(depth)),
        ),
        (
            "triple f-string read the other way",
            format!("f\"\"\"{{'\n}}\"\"\"'{}", "-".repeat(depth)),
        ),
        (
            "raw conversion",
            format!("f'{{a!r'\n}}''{}'", "-".repeat(depth)),
        ),
        (
            "brackets recovered",
            format!("(a b\nif 1:\n x = {}1\n)", "-,".repeat(depth)),
        ),
        ("negations", format!("{}1", "-".repeat(depth))),
        ("not", format!("{}1", "not ".repeat(depth))),
        ("await", format!("{}1", "await ".repeat(depth))),
        ("attributes", format!("a{}", ".b".repeat(depth))),
        ("subscripts", format!("a{}", "[0]".repeat(depth))),
        ("calls of calls", format!("f{}", "()".repeat(depth))),
        ("sums", format!("1{}", "+1".repeat(depth))),
        ("powers", format!("1{}", "**1".repeat(depth))),
        ("and", format!("1{}", " and 1".repeat(depth))),
        ("comparisons", format!("1{}", "<1".repeat(depth))),
        ("conditions", format!("1{}", " if 1 else 1".repeat(depth))),
        ("nested calls", around("f(", "", ")")),
        ("lambdas", format!("{}1", "lambda:".repeat(depth))),
        (
            "lambdas with commas",
            format!("{}1", "lambda a,b:".repeat(depth)),
        ),
        ("yields", format!("def f(): {}1", "yield a,".repeat(depth))),
        ("one-line ifs", format!("{}1", "if 1: ".repeat(depth))),
        (
            "one-line ifs and semicolons",
            format!("{}1", "if 1: x; ".repeat(depth)),
        ),
        ("long list", format!("x=[{}]", "0,".repeat(depth))),
        ("implicit concatenation", "\"a\"".repeat(depth)),
        ("f-strings", around("f'{", "1", "}'")),
        ("format specifications", around("{a:", "", "}")),
        ("f-string format", format!("f'{}'", around("{a:", "", "}"))),
        ("dicts", "{".repeat(depth)),
        (
            "decorators",
            format!("{}def f(): pass", "@a\n".repeat(depth)),
        ),
        (
            "elifs",
            format!("if 1: pass\n{}", "elif 1: pass\n".repeat(depth)),
        ),
        ("targets", format!("{}1", "a=".repeat(depth))),
        (
            "patterns",
            format!("match a:\n case {}: pass", around("[", "b", "]")),
        ),
        (
            "alternatives",
            format!("match a:\n case 1{}: pass", "|1".repeat(depth)),
        ),
        ("matches", "match ".repeat(depth)),
        ("matches in parentheses", around("match (", "", ")")),
        (
            "with parentheses",
            format!("with {}: pass", around("(", "a", ")")),
        ),
        ("if stairs", stairs("if 1:")),
        ("try stairs", stairs("try:")),
        ("class stairs", stairs("class A:")),
        ("with stairs", stairs("with (a, b):")),
        ("match stairs", stairs("match (a):")),
        ("stairs in parentheses", format!("(\n{})", stairs("if 1:"))),
        ("lines", "a\n".repeat(depth)),
        (
            "names",
            (0..depth).map(|number| format!("a{number}\n")).collect(),
        ),
        ("semicolons", "import a;".repeat(depth)),
        ("powers of nine", "9**9**9\n".repeat(depth)),
        ("continuations", format!("a{}", "\\\n".repeat(depth))),
        (
            "brackets at the cap",
            format!("{}1{}", "(".repeat(199), ")".repeat(199)),
        ),
        (
            "with at the cap",
            format!("with {}a{}: pass", "(".repeat(150), ")".repeat(150)),
        ),
        (
            "with lists at the cap",
            format!("with {}a{}: pass", "(".repeat(150), ",b)".repeat(150)),
        ),
        (
            "match at the cap",
            format!("{}a{}", "match (".repeat(150), ")".repeat(150)),
        ),
        ("match chain at the cap", "match ".repeat(500)),
        (
            "dict or set",
            format!("{}a{}", "{".repeat(150), ":b}".repeat(150)),
        ),
        (
            "case at the cap",
            format!(
                "match a:\n case {}b{}: pass",
                "(".repeat(150),
                ")".repeat(150)
            ),
        ),
        (
            "blocks at the cap",
            (0..99)
                .map(|level| format!("{}if 1:\n", " ".repeat(level)))
                .collect(),
        ),
    ]
}
