use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runner, RngAlgorithm, TestRng, TestRunner};
use sluice_dialect_circleci::PipelineValues;

use crate::support::{config, findings, push, read_with};

const EVERYTHING: &str = include_str!("everything.yml");

/// Reads, compiles and selects, whatever comes of it. What is compiled is good, and compiles to itself.
fn run_through(text: &str) {
    let read = read_with(text, &PipelineValues::default());
    if let Some(config) = read.config {
        let once = config.compile();
        let again = read_with(&once, &PipelineValues::default());
        let twice = again.config.map(|config| config.compile());
        assert_eq!(twice.as_deref(), Some(once.as_str()), "{text}\n{:#?}", again.diagnostics);
        config.select(&push("refs/heads/main"));
        config.select(&push("refs/tags/v1"));
    }
}

#[test]
fn compiling_again_changes_nothing() {
    let once = config(EVERYTHING).compile();
    assert_eq!(config(&once).compile(), once);
}

#[test]
fn real_configs_compile_to_a_fixed_point() {
    let Some(root) = std::env::var_os("SLUICE_CONFORMANCE") else {
        println!("skipped, SLUICE_CONFORMANCE is not set");
        return;
    };
    for file in std::fs::read_dir(std::path::Path::new(&root).join("circleci/configs")).unwrap() {
        let path = file.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let read = read_with(&text, &PipelineValues::default());
        // Without its orbs, a config has jobs that nobody can expand.
        let Some(first) = read.config.filter(|_| read.missing_orbs.is_empty()) else { continue };
        let once = first.compile();
        let second = read_with(&once, &PipelineValues::default());
        let twice = second.config.map(|config| config.compile());
        assert_eq!(twice.as_deref(), Some(once.as_str()), "{}: {:?}", path.display(), second.diagnostics);
    }
}

/// Pieces of the language, put where they do not belong.
const PIECES: [&str; 24] = [
    "<< parameters.x >>",
    "<<# parameters.x >>",
    "<</ parameters.x >>",
    "<< pipeline.number >>",
    "\\<<",
    "null",
    "[]",
    "{}",
    "- ",
    ": ",
    "\n",
    "\n      - ",
    "*default",
    "&a ",
    "when",
    "unless",
    "steps",
    "executor",
    "matrix",
    "requires",
    "type: approval",
    "🦀",
    "'",
    "\t",
];

#[test]
fn no_mutation_of_a_config_panics() {
    let seed = *b"sluice reads every pipeline file";
    let runner = Runner { cases: 800, failure_persistence: None, ..Runner::default() };
    let mut runner = TestRunner::new_with_rng(runner, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let places: Vec<usize> = EVERYTHING.char_indices().map(|(at, _)| at).collect();
    let edit = (0..places.len(), 0..40usize, 0..PIECES.len());
    let mutations = proptest::collection::vec(edit, 1..4);
    runner
        .run(&mutations, |edits| {
            let mut text = EVERYTHING.to_owned();
            for (at, length, piece) in edits {
                let from = places[at].min(text.len());
                let to = (from + length).min(text.len());
                if text.is_char_boundary(from) && text.is_char_boundary(to) {
                    text.replace_range(from..to, PIECES[piece]);
                }
            }
            run_through(&text);
            Ok(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(Runner { cases: 256, failure_persistence: None, ..Runner::default() })]

    /// Any text survives as a command, through the compiled YAML and back.
    #[test]
    fn any_command_survives_compilation(command in "[ -~\n\t\u{e9}\u{2028}\u{feff}\u{7f}]{1,40}") {
        let escaped = serde_json::to_string(&command).unwrap().replace('\u{7f}', "\\u007f");
        let text = format!("version: 2\njobs: {{build: {{docker: [{{image: i}}], steps: [run: {{command: {escaped}}}]}}}}\n");
        let compiled = config(&text).compile();
        let loaded = sluice_source::load("x", &compiled, &Default::default());
        let node = loaded.documents.first().and_then(|d| d.get("jobs")?.get("build")?.get("steps").cloned()).unwrap();
        let run = node.items().unwrap()[0].get("run").unwrap().get("command").unwrap();
        prop_assert_eq!(run.text(), Some(command.as_str()), "{}", compiled);
        prop_assert_eq!(config(&compiled).compile(), compiled);
    }
}

/// Commands that each call the next one twice: 2^40 steps.
#[test]
fn calls_that_double_are_stopped() {
    let mut text = "version: 2.1\ncommands:\n".to_owned();
    for level in 0..40 {
        writeln!(text, "  c{level}: {{steps: [c{0}, c{0}]}}", level + 1).unwrap();
    }
    text.push_str("  c40: {steps: [checkout]}\njobs: {build: {docker: [{image: i}], steps: [c0]}}\n");
    let start = Instant::now();
    assert!(findings(&text).contains("circleci/too-large"), "{}", findings(&text));
    assert!(start.elapsed() < Duration::from_secs(60), "took {:?}", start.elapsed());
}

/// A text that each command passes on twice: 2^40 characters.
#[test]
fn text_that_doubles_is_stopped() {
    let mut text = "version: 2.1\ncommands:\n".to_owned();
    for level in 0..40 {
        let x = "<< parameters.x >>";
        writeln!(
            text,
            "  c{level}: {{parameters: {{x: {{type: string}}}}, steps: [c{}: {{x: '{x}{x}'}}]}}",
            level + 1
        )
        .unwrap();
    }
    text.push_str("  c40: {parameters: {x: {type: string}}, steps: [checkout]}\n");
    text.push_str("jobs: {build: {docker: [{image: i}], steps: [c0: {x: 'a'}]}}\n");
    assert!(findings(&text).contains("circleci/too-large"), "{}", findings(&text));
}

/// Fifty matrices of a hundred jobs under one alias, which every job requires.
#[test]
fn jobs_and_requirements_are_counted() {
    let values: String = (0..100).map(|number| format!("'{number}', ")).collect();
    let matrices = |count: usize| {
        let mut text = "version: 2.1\njobs: {a: {parameters: {x: {type: string}}, docker: [{image: i}], steps: [checkout]}}\nworkflows: {w: {jobs: [\n".to_owned();
        for number in 0..count {
            writeln!(text, "  a: {{name: m{number}-<< matrix.x >>, requires: [before], matrix: {{alias: all, parameters: {{x: [{values}]}}}}}},").unwrap();
        }
        text + "  a: {name: before, x: ''}, a: {name: after, x: '', requires: ["
            + &"all, ".repeat(100)
            + "]}\n]}}\n"
    };
    assert!(findings(&matrices(51)).contains("more than 5000 jobs"));
    assert!(findings(&matrices(40)).contains("require more than 200000 jobs"));
    assert_eq!(findings(&matrices(2)), "");
}

/// Thousands of jobs that bear one name and differ.
#[test]
fn many_jobs_of_one_name_take_no_time() {
    let mut text = "version: 2.1\njobs: {a: {parameters: {x: {type: string}}, docker: [{image: i}], steps: [run: << parameters.x >>]}}\nworkflows: {w: {jobs: [\n".to_owned();
    for number in 0..4000 {
        writeln!(text, "  a: {{x: 'number {number}'}},").unwrap();
    }
    text.push_str("]}}\n");
    let start = Instant::now();
    assert!(config(&text).compile().contains("a-4000:"));
    assert!(start.elapsed() < Duration::from_secs(30), "took {:?}", start.elapsed());
}

#[test]
fn patterns_are_counted() {
    let mut text =
        "version: 2.1\njobs: {a: {docker: [{image: i}], steps: [checkout]}}\nworkflows: {w: {jobs: [\n"
            .to_owned();
    for number in 0..501 {
        writeln!(text, "  a: {{name: n{number}, filters: {{branches: {{only: /{number}/}}}}}},").unwrap();
    }
    text.push_str("]}}\n");
    assert!(findings(&text).contains("500 different patterns"), "{}", findings(&text));
}

#[test]
fn deep_and_circular_things_are_stopped() {
    let mut chain = "version: 2.1\ncommands:\n".to_owned();
    for level in 0..100 {
        writeln!(chain, "  c{level}: {{steps: [c{}]}}", level + 1).unwrap();
    }
    chain.push_str("  c100: {steps: [checkout]}\njobs: {build: {docker: [{image: i}], steps: [c0]}}\n");
    assert!(findings(&chain).contains("circleci/recursive-command"));

    let orbs = "{orbs: {o: ".repeat(20) + "{}" + &"}}".repeat(20);
    let text = format!(
        "version: 2.1\norbs: {{o: {orbs}}}\njobs: {{build: {{docker: [{{image: i}}], steps: [checkout]}}}}\n"
    );
    assert!(findings(&text).contains("circleci/too-many-orbs"));

    let aliases = "version: 2.1\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f]\n";
    assert!(findings(aliases).contains("yaml/alias-bomb"));
}
