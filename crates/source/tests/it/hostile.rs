use std::time::{Duration, Instant};

use proptest::prelude::*;
use sluice_source::{Limits, MergeKeys, Options, load};

fn refused(text: &str, limits: Limits) -> String {
    let options = Options { limits, merge_keys: MergeKeys::Apply, ..Options::default() };
    load("f.yml", text, &options).diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Nine levels of nine aliases each: 387 million nodes when followed.
fn bomb() -> String {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 9].join(",")));
    }
    text
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let start = Instant::now();
    let message = refused(&bomb(), Limits::default());
    assert!(message.contains("yaml/alias-bomb"), "{message}");
    // It takes microseconds; the allowance is for a busy machine.
    assert!(start.elapsed() < Duration::from_millis(500), "took {:?}", start.elapsed());
}

#[test]
fn a_merge_bomb_is_refused() {
    let keys: String = (0..200).map(|n| format!("k{n}: 1, ")).collect();
    let text = format!("a: &a {{{keys}}}\nb: [{}]", "{<<: *a}, ".repeat(200));
    let limits = Limits { expanded_nodes: 5_000, ..Limits::default() };
    assert!(refused(&text, limits).contains("yaml/alias-bomb"));
}

#[test]
fn each_limit_holds() {
    let cases = [
        (Limits { size_bytes: 4, ..Limits::default() }, "a: 12345", "yaml/too-large"),
        (Limits { depth: 3, ..Limits::default() }, "[[[[1]]]]", "yaml/too-deep"),
        (Limits { depth: 3, ..Limits::default() }, "- - - - 1", "yaml/too-deep"),
        (Limits { depth: 3, ..Limits::default() }, "[&a [[1]], [[*a]]]", "yaml/too-deep"),
        (Limits { nodes: 3, ..Limits::default() }, "[1, 2, 3, 4]", "yaml/too-many-nodes"),
        (Limits { expanded_nodes: 3, ..Limits::default() }, "[&a [1, 2], *a, *a]", "yaml/alias-bomb"),
    ];
    for (limits, text, code) in cases {
        assert!(refused(text, limits).contains(code), "{text}");
    }
    assert_eq!(refused("[[[1]]]", Limits { depth: 3, ..Limits::default() }), "");
}

#[test]
fn a_million_open_brackets_do_not_break_the_stack() {
    assert!(refused(&"[".repeat(1_000_000), Limits::default()).contains("yaml/too-deep"));
    assert!(refused(&"- ".repeat(1_000_000), Limits::default()).contains("yaml/too-deep"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any text at all gives documents or diagnostics, and every place is inside the text.
    #[test]
    fn no_text_panics(text in "[-a: \\[\\]{},&*x!|>'\"\n\t\r#?%@`~<é\u{feff}]{0,80}") {
        let loaded = load("f.yml", &text, &Options { merge_keys: MergeKeys::Apply, ..Options::default() });
        let lines = text.split(['\n', '\r']).count() as u32 + 1;
        for diagnostic in &loaded.diagnostics {
            prop_assert!((1..=lines).contains(&diagnostic.location.line), "{diagnostic}");
            prop_assert!(diagnostic.location.column >= 1);
        }
    }
}
