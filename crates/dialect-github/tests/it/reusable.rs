use std::collections::HashMap;

use insta::assert_snapshot;
use sluice_dialect_github::{Read, read};

use crate::written;

fn read_files(files: &[(&str, &str)]) -> Read {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    read("main.yml", files["main.yml"], &|path| files.get(path).map(|text| (*text).to_owned()))
}

#[test]
fn what_is_wrong_with_a_call() {
    let read = read_files(&[
        (
            "main.yml",
            "on: push\njobs:\n  a:\n    uses: ./flows/a.yml\n    with: { n: x, extra: 1 }\n    secrets: { S: x, T: x }\n",
        ),
        (
            "flows/a.yml",
            "on:\n  workflow_call:\n    inputs: { n: { type: number }, must: { type: string, required: true } }\n    secrets: { s: {}, u: { required: true } }\njobs:\n  x: { runs-on: x }\n",
        ),
    ]);
    assert_snapshot!(written(&read));
}

#[test]
fn an_error_in_a_called_file_shows_the_call() {
    let read = read_files(&[
        ("main.yml", "on: push\njobs:\n  a:\n    uses: ./flows/a.yml\n"),
        ("flows/a.yml", "on: push\njobs:\n  x: { runs: x }\n"),
    ]);
    assert_snapshot!(written(&read));
    let read = read_files(&[
        ("main.yml", "on: push\njobs:\n  a:\n    uses: ./flows/a.yml\n"),
        ("flows/a.yml", "on: push\njobs:\n  x: { runs-on: x }\n"),
    ]);
    assert_snapshot!(written(&read));
}

#[test]
fn workflows_that_call_each_other_come_to_an_end() {
    let caller =
        "on: { workflow_call: }\njobs:\n  a: { uses: ./flows/a.yml }\n  b: { uses: ./flows/a.yml }\n";
    let read = read_files(&[("main.yml", caller), ("flows/a.yml", caller)]);
    assert_snapshot!(written(&read));
}
