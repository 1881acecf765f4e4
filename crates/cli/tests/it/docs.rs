//! Documents that are made from the program are as the program is.

use std::path::Path;

use crate::repository::Repository;

/// Compares a file of `docs/` with what it is made from, or writes it anew where SLUICE_RENEW_DOCS is set.
fn is_fresh(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("SLUICE_RENEW_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (old, new))) =
        committed.lines().zip(expected.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        println!("docs/{name}:{}: it says `{old}`, and should say `{new}`", line + 1);
    }
    assert!(
        committed == expected,
        "docs/{name} is stale: renew it with SLUICE_RENEW_DOCS=1 cargo test -p sluice-cli docs::"
    );
}

#[test]
fn the_help_of_every_verb() {
    let mut text = "# Commands\n\nMade from `sluice --help` of every verb.\n".to_owned();
    help(&Repository::folder(&[]), &[], &mut text);
    is_fresh("cli.md", &text);
}

/// The help of a verb, then that of each verb below it.
fn help(folder: &Repository, verb: &[&str], into: &mut String) {
    let said = folder.sluice(&[verb, &["--help"]].concat());
    assert_eq!(said.code, 0, "{verb:?}: {}", said.stderr);
    let title = [&["sluice"], verb].concat().join(" ");
    into.push_str(&format!("\n## {title}\n\n```text\n{}```\n", said.stdout));
    let verbs = said.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    // What goes on for a second line is indented further than a verb.
    for line in verbs.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   ")) {
        match line.split_whitespace().next() {
            None | Some("help") => {}
            Some(below) => help(folder, &[verb, &[below]].concat(), into),
        }
    }
}

#[test]
fn the_schema_of_the_configuration() {
    let schema = serde_json::to_string_pretty(&sluice_release::schema()).unwrap();
    is_fresh("sluice.yaml.schema.json", &format!("{schema}\n"));
}
