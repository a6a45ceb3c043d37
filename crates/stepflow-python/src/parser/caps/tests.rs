use super::*;

fn admits(source: &str) -> bool {
    admit(source).is_ok()
}

#[test]
fn ordinary_sources_pass_however_long_they_are() {
    let table = format!("x = [{}]\n", "{'a': -1, 'b': f(2)}, ".repeat(9_000));
    let lines = "x = a.b(c)[0] + 1\n".repeat(20_000);
    let text = "'''((((((((((\n'''\n# [[[[[[\n".repeat(1_000);
    for source in ["", "x", &table, &lines, &text, "f'{a:{b}}' f\"{f'{c}'}\""] {
        assert!(admit(source).is_ok(), "{source:.40}");
    }
}

/// The source behind lines that make it too long for its pieces to say anything.
fn long(source: &str) -> String {
    format!("{}{source}", "x.y\n".repeat(SAFE_DEPTH))
}

#[test]
fn depth_is_refused_at_its_cap_and_not_before() {
    let sum = |links: usize| long(&format!("x = 1{}", "+1".repeat(links)));
    assert!(admits(&sum(DEPTH)));
    assert_eq!(admit(&sum(DEPTH + 1)), Err(Refused::TooDeep));
    let nest = |levels: usize| long(&format!("{}{}", "(".repeat(levels), ")".repeat(levels)));
    assert!(admits(&nest(BRACKETS)) && !admits(&nest(BRACKETS + 1)));
    let many = |commas: usize| long(&format!("f({})", "lambda a, b: ".repeat(commas)));
    assert!(admits(&many(100)) && !admits(&many(1000)));
}

#[test]
fn what_no_python_compiles_is_admitted_only_while_it_is_short() {
    for source in ["(", ")", "(]", "f'{x", "f'{' \n}'", "x = $", "f'{(\n1)}'"] {
        assert!(admits(source), "{source}");
        assert_eq!(admit(&long(source)), Err(Refused::Broken), "{source}");
    }
    assert_eq!(admit(&long("").repeat(10)), Err(Refused::TooLong));
}

#[test]
fn a_short_source_may_be_as_deep_as_it_can() {
    let sum = |links: usize| format!("x = 1{}", "+1".repeat(links));
    assert!(admits(&sum(SAFE_DEPTH - DEEPEST_STAIRS - 1)));
    assert_eq!(
        admit(&sum(SAFE_DEPTH - DEEPEST_STAIRS)),
        Err(Refused::TooDeep)
    );
    for word in [
        "yield", "lazy", "as", "not", "try", "return", "finally", "nonlocal",
    ] {
        assert_eq!(pieces(word.as_bytes()), 1, "{word}");
        assert_eq!(
            pieces(format!("{word}x {word}_0{word}").as_bytes()),
            2,
            "{word}"
        );
    }
    assert_eq!(pieces(b"rf'{x!r}' + a.b(c[0])"), 11);
}

#[test]
fn the_quick_count_is_never_below_the_exact_one() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let letters = b"asifor\"'fRt(){}[].+-*/%@&|^~<>!=,:; \n_09lambda";
    for length in 0..500 {
        let text: Vec<u8> = (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let place = usize::try_from(state >> 33).unwrap();
                letters[place % letters.len()]
            })
            .collect();
        assert!(most_pieces(&text) >= pieces(&text), "{text:?}");
    }
    let all: Vec<u8> = (0..=u8::MAX).collect();
    assert!(most_pieces(&all) >= pieces(&all));
    assert_eq!(most_pieces(b"ab c.d('x')"), 3 + 1 + 2 + 1);
}

/// Random texts in which the quotes can be paired in two ways, around a nest no cap allows.
#[test]
fn the_parser_never_reads_an_admitted_source_deeper() {
    // Longer than any broken source that is admitted: what passes has passed `Depth`.
    let deep = ["-".repeat(SAFE_DEPTH), "a.".repeat(SAFE_DEPTH)];
    let before = [
        "f'{", "f'", "f'''{", "f\"{", "'\n", "' #\n", "}''", "}'", "'", "\"", "'''", "(", ")",
        "a b\n", "!r'\n", ":{",
    ];
    let behind = ["'", "", "\n)", "'''"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % most as u64).unwrap()
    };
    let rounds = 20_000;
    let mut admitted = 0;
    for _ in 0..rounds {
        let mut text: String = (0..2 + below(3))
            .map(|_| before[below(before.len())])
            .collect();
        text += &deep[below(deep.len())];
        text += behind[below(behind.len())];
        if !admits(&text) {
            continue;
        }
        admitted += 1;
        let tree = ruff_python_parser::parse_unchecked(&text, Mode::Module.into());
        let read = deepest(tree.tokens().iter().map(|token| token.kind()));
        std::mem::forget(tree);
        assert!(
            read < 2 * DEPTH,
            "{}",
            text.replace(&deep[0], "DEEP").replace(&deep[1], "DEEP")
        );
    }
    assert!(
        admitted > rounds / 50,
        "only {admitted} of {rounds} say anything"
    );
}
