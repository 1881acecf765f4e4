//! The store through its one door, on a real file.

mod crash;
mod log;
mod rows;

use sluice_model::Timestamp;
use sluice_store::{Append, NewEffect, NewEvent, Store};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("sluice.db")).unwrap();
    (folder, store)
}

fn append(stream: &str, expected: u64, bodies: &[&str], effects: &[(usize, &str)]) -> Append {
    Append {
        stream: stream.to_owned(),
        expected,
        at: NOW,
        events: bodies
            .iter()
            .map(|body| NewEvent { kind: "test".to_owned(), body: (*body).to_owned() })
            .collect(),
        effects: effects
            .iter()
            .map(|(event, body)| NewEffect { event: *event, kind: "do".to_owned(), body: (*body).to_owned() })
            .collect(),
    }
}
