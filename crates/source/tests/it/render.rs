use sluice_source::{Diagnostic, Location, Options, did_you_mean_text, json, load, sarif, terminal};

const TEXT: &str = "jobs:\n  build:\n    stepz: []\n  build:\n    steps: []\n";

fn findings() -> Vec<Diagnostic> {
    let mut findings = load("ci/a b.yml", TEXT, &Options::default()).diagnostics;
    let at = Location { path: "ci/a b.yml".to_owned(), line: 3, column: 5 };
    findings.push(
        Diagnostic::warning("circleci/unknown-key", at, 5, "unknown key `stepz`")
            .with_help(did_you_mean_text("stepz", ["steps", "docker"]).unwrap()),
    );
    findings
}

#[test]
fn a_terminal_shows_the_lines() {
    let text =
        findings().iter().map(|d| terminal(d, &|_| Some(TEXT), false)).collect::<Vec<_>>().join("\n\n");
    insta::assert_snapshot!(text);
}

#[test]
fn a_terminal_without_the_text_shows_the_place() {
    insta::assert_snapshot!(terminal(&findings()[1], &|_| None, false));
}

#[test]
fn a_strangers_control_characters_stay_out_of_the_terminal() {
    let at = Location { path: "f.yml".to_owned(), line: 1, column: 1 };
    let finding = Diagnostic::error("x/y", at, 3, "no key `\u{1b}[2J\n`");
    let shown = terminal(&finding, &|_| Some("a\u{1b}[2Jb: 1"), false);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert_eq!(finding.to_string(), "f.yml:1:1: error[x/y]: no key `\\u{1b}[2J\\n`");
}

#[test]
fn places_outside_of_the_text_are_no_panic() {
    for (line, column, length) in
        [(0, 0, 0), (1, 99, 5), (99, 1, 1), (1, 1, u32::MAX), (u32::MAX, u32::MAX, u32::MAX)]
    {
        let at = Location { path: "f.yml".to_owned(), line, column };
        let finding = Diagnostic::error("x/y", at.clone(), length, "m").with_label(at, length, "l");
        assert!(terminal(&finding, &|_| Some("é\n"), true).contains('m'));
        assert!(sarif(&[finding], "1").contains("x/y"));
    }
}

#[test]
fn json_is_the_diagnostics() {
    insta::assert_snapshot!(json(&findings()));
}

#[test]
fn sarif_is_2_1_0() {
    insta::assert_snapshot!(sarif(&findings(), "0.1.0"));
}
