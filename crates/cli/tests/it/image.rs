//! `sluice image` when it is interrupted.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::repository::{Repository, says};
use crate::under_way::UnderWay;

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_pack_that_is_interrupted_leaves_nothing_behind() {
    let repository = Repository::with(&[("app/file", "x")]);
    let temp = tempfile::tempdir().unwrap();
    // What does not compress, and enough of it that nobody is done before the signal comes.
    let noise = (0..8 << 20).scan(1_u32, |state, _| {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        Some(*state as u8)
    });
    let noise: Vec<u8> = noise.collect();
    for part in 0..8 {
        std::fs::write(repository.path().join(format!("app/{part}")), &noise).unwrap();
    }
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command = repository.command(&["image", "pack", "--to", "oci-archive:out.tar:v", "app=/"]);
        command.env("TMPDIR", temp.path());
        let packing = UnderWay::start(command);
        let begun = Instant::now();
        while entries(temp.path()) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never began");
            std::thread::sleep(Duration::from_millis(1));
        }
        packing.send(signal);
        says(&packing.end(), code, &[]);
        assert_eq!(entries(temp.path()), 0);
        assert!(!repository.path().join("out.tar").exists());
    }
}
