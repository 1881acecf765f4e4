//! Limits, and that no text makes the reader panic.

use std::time::{Duration, Instant};

use sluice_dialect_github::read;

use crate::findings;

#[test]
fn depth_and_size_are_limited() {
    let nested = format!("on: push\njobs: {}1{}", "[".repeat(60), "]".repeat(60));
    assert!(findings(&nested).contains("Maximum object depth exceeded"), "{}", findings(&nested));
    let long = format!("on: push\nname: {}\njobs: {{ a: {{ runs-on: x }} }}\n", "x".repeat(6 << 20));
    assert!(findings(&long).contains("Maximum object size exceeded"));
}

#[test]
fn the_number_of_errors_is_limited() {
    let text =
        format!("on: push\njobs:\n{}", (0..5000).map(|n| format!("  {n}: {{ x: 1 }}\n")).collect::<String>());
    assert_eq!(read("ci.yml", &text, &|_| None).diagnostics.len(), 100);
}

#[test]
fn time_grows_with_the_size_and_no_faster() {
    let job =
        |n: usize| format!("  j{n}: {{ runs-on: x, steps: [{{ run: 'echo ${{{{ github.ref }}}}' }}] }}\n");
    let text: String = (0..5000).map(job).collect();
    let started = Instant::now();
    assert!(read("ci.yml", &format!("on: push\njobs:\n{text}"), &|_| None).workflow.is_some());
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// A generator that is the same everywhere (xorshift64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const SEED_TEXTS: [&str; 4] = [
    "on:\n  push: { branches: ['v*', '!x'], paths: [a] }\n  schedule: [{ cron: '0 0 * * 1-5' }]\njobs:\n  a: { runs-on: x, steps: [{ run: 'echo ${{ github.ref }}' }] }\n",
    "on: { workflow_call: { inputs: { a: { type: string, default: 1 } }, outputs: { o: { value: '${{ jobs.a.outputs.o }}' } } } }\njobs:\n  a:\n    runs-on: [x, '${{ matrix.y }}']\n    strategy: { matrix: { y: [1, 2.5, null, true], include: [{ z: { w: 1 } }] } }\n    outputs: { o: '${{ steps.s.outputs.o }}' }\n    steps:\n      - &s { id: s, run: x, env: { ${{ insert }}: '${{ github }}' } }\n      - wait: s\n",
    "on: [push, pull_request_target]\npermissions: read-all\njobs:\n  a:\n    needs: b\n    if: always() && !cancelled()\n    uses: ./x.yml\n    with: { a: '${{ needs.b.outputs.c }}' }\n    secrets: inherit\n  b:\n    runs-on: { group: g, labels: l }\n    container: { image: i, ports: [80] }\n    environment: production\n",
    "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - parallel: [{ run: |\n            a }, { uses: a/b@c, with: { d: e } }]\n",
];

#[test]
fn no_text_panics() {
    const PIECES: [&str; 24] = [
        "${{",
        "}}",
        "'",
        "\"",
        ": ",
        "\n",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "!!int ",
        "<<: ",
        "é😀",
        "null",
        "~",
        "|\n",
        "\t",
        "runs-on: x",
        "matrix.",
        "()",
        "0x1",
    ];
    let mut random = Seeded(0x00c0_ffee);
    for round in 0..4000 {
        let mut text = SEED_TEXTS[round % SEED_TEXTS.len()].to_owned();
        for _ in 0..=random.below(4) {
            let mut at = random.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match random.below(3) {
                0 => text.insert_str(at, PIECES[random.below(PIECES.len())]),
                1 => text.truncate(at),
                _ => {
                    let mut end = (at + random.below(12)).min(text.len());
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.replace_range(at.min(end)..end, "");
                }
            }
        }
        let outcome = read("ci.yml", &text, &|_| Some(SEED_TEXTS[1].to_owned()));
        if let Some(workflow) = outcome.workflow {
            let plan = workflow.plan().unwrap();
            let stored = serde_json::to_string(&plan).unwrap();
            assert!(serde_json::from_str::<sluice_plan::Plan>(&stored).is_ok(), "{text}");
        }
    }
}
