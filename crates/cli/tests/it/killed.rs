//! `sluice run` is killed at random moments: nothing of it is left after the next start, and `sluice runs` tells the truth.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sluice_docker::LABEL_OWNER;

use crate::cases::image;
use crate::repository::{Repository, send};

/// Numbers that look random, and are the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// `SLUICE_SEED` replays.
fn seed() -> Random {
    let given = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
    println!("SLUICE_SEED={seed}");
    Random(seed)
}

/// Whether a process of this machine has `marker` for an argument.
pub fn is_running(marker: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.any(|command| command.split(|byte| *byte == 0).any(|word| word == marker.as_bytes()))
}

/// Jobs that leave processes of every kind behind, one of which ends by itself.
fn config(marker: &str) -> String {
    let leave = format!("(setsid sleep {marker} &) ; sleep {marker} & trap '' TERM INT");
    format!(
        "version: 2.1\njobs:\n  quick: {{ docker: [{{ image: \"cimg/base:current\" }}], steps: [checkout, {{ run: echo quick }}] }}\n  \
         long:\n    docker: [{{ image: \"cimg/base:current\" }}, {{ image: \"cimg/base:current\", command: [sleep, \"{marker}\"] }}]\n    \
         steps: [checkout, {{ run: \"{leave}; sleep {marker}\" }}]\n\
         workflows: {{ all: {{ jobs: [quick, long] }} }}\n"
    )
}

fn rounds(runner: &[String], marker: &str, text: &str, count: u64, longest_ms: u64) -> Repository {
    let repository = Repository::with(&[(".circleci/config.yml", text)]);
    let mut random = seed();
    let words = |more: &[&str]| -> Vec<String> {
        ["run"].iter().chain(more).map(|word| (*word).to_owned()).chain(runner.iter().cloned()).collect()
    };
    for round in 0..count {
        let words = words(&[]);
        let mut command = repository.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.below(longest_ms)));
        send(&child, "KILL");
        child.wait().unwrap();
        // At the next look already, nothing goes on.
        let said = repository.sluice(&["runs", "--json", "--limit", "100"]);
        if said.code == 0 {
            let runs: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).unwrap();
            let untrue =
                runs.iter().find(|run| !["interrupted", "success"].contains(&run["state"].as_str().unwrap()));
            assert_eq!(untrue, None, "round {round}");
        } else {
            assert!(said.stderr.contains("nothing has run"), "round {round}: {}", said.stderr);
        }
    }
    let last = words(&["--job", "quick"]);
    let said = repository.sluice(&last.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let begun = Instant::now();
    while is_running(marker) {
        assert!(begun.elapsed() < Duration::from_secs(10), "a process was left behind");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(left(&repository), Vec::<PathBuf>::new());
    repository
}

fn state(repository: &Repository) -> PathBuf {
    let mut folders = std::fs::read_dir(repository.state().join("sluice")).unwrap();
    folders.next().unwrap().unwrap().path()
}

/// The folders of processes and of runners.
fn left(repository: &Repository) -> Vec<PathBuf> {
    let folders = ["processes", "runner/live"].map(|folder| state(repository).join(folder));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn nothing_is_left_on_the_host() {
    let marker = format!("91{:05}", std::process::id() % 100_000);
    let text = config(&marker);
    // The host has no place for a second image.
    let text =
        text.replace(&format!(", {{ image: \"cimg/base:current\", command: [sleep, \"{marker}\"] }}"), "");
    let runner = ["--runner", "host"].map(str::to_owned);
    rounds(&runner, &marker, &text, 24, 500);
}

#[test]
fn nothing_is_left_in_docker() {
    let Some(image) = image::ready() else { return };
    let marker = format!("92{:05}", std::process::id() % 100_000);
    let runner = ["--runner", "docker", "--image", &format!("cimg/base={image}")].map(str::to_owned);
    let repository = rounds(&runner, &marker, &config(&marker), 8, 2_500);
    nothing_is_at_the_engine(&repository);
}

/// What steps on the host make with `docker`, by the socket that they are given.
#[test]
fn nothing_that_steps_made_is_left_at_the_engine() {
    let Some(image) = image::ready() else { return };
    let marker = format!("93{:05}", std::process::id() % 100_000);
    let network = format!("sluice-test-{marker}-$RANDOM");
    let make = format!(
        "for i in 1 2 3; do docker network create {network}; docker volume create; \
         docker run --detach --volume /own --entrypoint sleep {image} {marker}; done"
    );
    let text = config(&marker)
        .replace(&format!(", {{ image: \"cimg/base:current\", command: [sleep, \"{marker}\"] }}"), "")
        .replace("steps: [checkout, { run: \"", &format!("steps: [checkout, {{ run: \"{make}; "));
    let repository = rounds(&["--runner", "host"].map(str::to_owned), &marker, &text, 6, 3_000);
    nothing_is_at_the_engine(&repository);
}

fn nothing_is_at_the_engine(repository: &Repository) {
    let owner = std::fs::read_to_string(state(repository).join("runner/owner")).unwrap();
    // What the runner made, and what steps did.
    for label in [format!("{LABEL_OWNER}={}", owner.trim()), format!("{LABEL_OWNER}.{}", owner.trim())] {
        nothing_is_labelled(&format!("label={label}"));
    }
}

fn nothing_is_labelled(label: &str) {
    for list in [&["ps", "--all", "--quiet"][..], &["network", "ls", "--quiet"], &["volume", "ls", "--quiet"]]
    {
        let begun = Instant::now();
        // The engine removes a container that ended by itself a moment later.
        while !docker(list, label).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(10), "docker {list:?}: {}", docker(list, label));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn docker(list: &[&str], label: &str) -> String {
    let output = Command::new("docker").args(list).args(["--filter", label]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
