//! How long it takes to read and check every workflow of a folder: `cargo run --release --example read_folder FOLDER`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures: an edge of its own")]

use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let entries = std::fs::read_dir(&folder).expect("the folder can be read");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let texts: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml"))
        .map(|path| {
            let text = std::fs::read(&path).expect("a file can be read");
            (path.display().to_string(), String::from_utf8_lossy(&text).into_owned())
        })
        .collect();
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let mut best_ms = f64::MAX;
    for _ in 0..5 {
        let started = Instant::now();
        let findings: usize = texts
            .iter()
            .map(|(path, text)| sluice_dialect_github::read(path, text, &|_| None).diagnostics.len())
            .sum();
        best_ms = best_ms.min(started.elapsed().as_secs_f64() * 1000.0);
        assert!(findings < usize::MAX);
    }
    println!("{} workflows, {bytes} bytes: {best_ms:.1} ms on one core", texts.len());
    for size in [250_000, 500_000, 1_000_000, 4_000_000, 8_000_000] {
        let job = "  j: { runs-on: x, steps: [{ run: 'echo ${{ github.ref }}' }] }\n";
        let mut text = "on: push\njobs:\n".to_owned();
        for number in 0..size / job.len() {
            text.push_str(&job.replacen('j', &format!("j{number}"), 1));
        }
        let started = Instant::now();
        let read = sluice_dialect_github::read("large.yml", &text, &|_| None);
        let ms = started.elapsed().as_secs_f64() * 1000.0;
        let outcome = read.diagnostics.first().map_or("accepted".to_owned(), ToString::to_string);
        println!("{} bytes in one workflow: {ms:.0} ms, {outcome}", text.len());
    }
}
