use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use sluice_store::{Durability, Store};

use crate::append;

const FOLDER: &str = "SLUICE_STORE_CRASH_FOLDER";

/// Not a test by itself: the child of the next one, which appends until it is killed and says what was acknowledged.
#[tokio::test]
async fn child_that_appends_for_ever() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    // The folder's name says what its store is to outlive.
    let durability = match folder.ends_with("process") {
        true => Durability::Process,
        false => Durability::PowerCut,
    };
    let store = Store::open_with(&std::path::Path::new(&folder).join("sluice.db"), durability).unwrap();
    let mut last = store.events("s", 0).await.unwrap().len() as u64;
    loop {
        last = store.append(append("s", last, &["x", "y"], &[(1, "e")]), vec![]).await.unwrap().0;
        println!("acknowledged {last}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    for (name, lines) in ["power-cut", "process"].iter().flat_map(|name| [(name, 3), (name, 40), (name, 11)])
    {
        let folder = folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let acknowledged = append_and_kill(&folder, lines);
        let store = Store::open(&folder.join("sluice.db")).unwrap();
        let events = store.events("s", 0).await.unwrap();
        let effects = store.pending_effects().await.unwrap();
        assert!(events.len() as u64 >= acknowledged, "{} events, {acknowledged} acknowledged", events.len());
        assert!(events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence), "a gap");
        assert_eq!(events.len(), effects.len() * 2, "an append and its effect were torn apart");
    }
}

/// Kills the child once it has acknowledged so many appends; gives the last sequence that it had.
fn append_and_kill(folder: &std::path::Path, lines: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_appends_for_ever", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let last = out
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("acknowledged ")?.1.parse::<u64>().ok())
        .take(lines)
        .last();
    child.kill().unwrap();
    child.wait().unwrap();
    last.expect("the child acknowledged nothing")
}
