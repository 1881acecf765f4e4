//! GitHub's own toolkits of caches and artifacts, run by Node.js in a job.

use std::path::PathBuf;

use sluice_wire::SourceTree;

use crate::world::{Done, World, github, repository_of, run, uses};

/// The folder in which the toolkits are installed. None (and a printed line) where the variable is not set.
fn toolkits() -> Option<PathBuf> {
    match std::env::var_os("SLUICE_TEST_TOOLKITS") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => {
            println!(
                "skipped: SLUICE_TEST_TOOLKITS is not set; `npm install` in a copy of crates/runner/tests/toolkits, \
                 and set it to that folder"
            );
            None
        }
    }
}

const ACTION: &str = "inputs: { toolkits: { required: true } }\nruns: { using: node20, main: main.mjs }\n";

async fn run_script(world: &World, script: &str, name: &str, toolkits: &str) -> Done {
    let folder = world.folder.path().join(name);
    let files = [("act/action.yml", ACTION), ("act/main.mjs", script)];
    let sha = repository_of(&folder, &files);
    let mut order = github(vec![
        uses("actions/checkout@v4", &[]),
        uses("./act", &[("toolkits", toolkits)]),
        run("mkdir out; echo b > out/b.txt"),
        uses("actions/upload-artifact@v4", &[("name", "built-in"), ("path", "out")]),
        uses("actions/download-artifact@v4", &[("path", "all")]),
        run("ls all all/*"),
    ]);
    order.source = SourceTree::Bare { path: folder };
    order.trigger.sha = sha.parse().unwrap();
    world.run(order).await
}

fn lines<'a>(text: &'a str, words: &[&str]) -> Vec<&'a str> {
    text.lines().filter(|line| words.iter().any(|word| line.starts_with(word))).collect()
}

#[tokio::test]
async fn the_stock_toolkits_save_and_find() {
    let Some(toolkits) = toolkits() else { return };
    let toolkits = toolkits.to_str().unwrap();
    let world = World::host().await;
    let saved = run_script(&world, include_str!("../toolkits/save.mjs"), "save", toolkits).await;
    saved.succeeded();
    let text = saved.output(2);
    assert_eq!(
        lines(&text, &["saved", "again", "stored", "refused"]),
        [
            "saved cache-4 true",
            "again cache-4 -1",
            "saved cache-6 true",
            "again cache-6 -1",
            "stored artifact-2 true true",
            "refused artifact-2 true",
            "stored artifact-6 true true",
            "refused artifact-6 true",
        ],
        "{text}"
    );
    // The built-in actions see the toolkits' artifacts, and the other way round.
    assert!(saved.output(6).contains("all/artifact-2:\na.txt\nsub\n"), "{}", saved.output(6));
    let found = run_script(&world, include_str!("../toolkits/restore.mjs"), "restore", toolkits).await;
    found.succeeded();
    let text = found.output(2);
    let size = 20 * 1024 * 1024;
    assert_eq!(
        lines(&text, &["restored", "missed", "listed", "read", "removed", "still"]),
        [
            &format!("restored cache-4 cache-4-deps-1 one {size}"),
            "missed cache-4 undefined",
            &format!("restored cache-6 cache-6-deps-1 one {size}"),
            "missed cache-6 undefined",
            "listed artifact-2 artifact-6 built-in",
            &format!("read artifact-2 one {size}"),
            "read built-in b",
            "removed artifact-2",
            "listed artifact-6 built-in",
            &format!("read artifact-6 one {size}"),
            "read built-in b",
            "removed artifact-6",
        ],
        "{text}"
    );
    for done in [&saved, &found] {
        let text: String = done.events.iter().map(|event| format!("{event:?}\n")).collect();
        assert!(!text.contains("eyJ"), "a token is shown: {text}");
    }
}
