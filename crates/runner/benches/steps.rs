//! What the runner adds to a job: 50 steps that do nothing against a bare loop, on the host and in a container, and log
//! text through masking. Medians of rounds in one process; prints one line a figure.

#![allow(dead_code, reason = "the tests' door to the runner has more than is measured")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/it/world.rs"]
mod world;

use world::{World, github, run, secret};

const STEPS: usize = 50;
const ROUNDS: usize = 7;
const LOG_LINES: usize = 200_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let raw = median((0..ROUNDS).map(|_| raw_loop()).collect());
        println!("raw loop of {STEPS} `bash -e script` on the host: {raw:?}");
        let host = World::host().await;
        let steps = jobs(&host).await;
        println!("{STEPS} steps on the host: {steps:?}, {:.2} x the raw loop", ratio(steps, raw));
        log(&host).await;
        let Some(docker) = World::docker().await else { return };
        let floor = median((0..ROUNDS).map(|_| raw_container()).collect());
        println!("one `docker run` with the raw loop inside it: {floor:?}");
        let steps = jobs(&docker).await;
        println!("{STEPS} steps in a container: {steps:?}, {:.2} x the raw container", ratio(steps, floor));
    });
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64()
}

fn timed(command: &mut Command) -> Duration {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("the floor runs");
    assert!(status.success());
    began.elapsed()
}

fn raw_loop() -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    std::fs::write(&script, "true\n").expect("a script");
    let text = format!("for i in $(seq {STEPS}); do bash -e {}; done", script.display());
    timed(Command::new("bash").args(["-c", &text]))
}

fn raw_container() -> Duration {
    let text = format!("echo true > /s; for i in $(seq {STEPS}); do bash -e /s; done");
    timed(Command::new("docker").args(["run", "--rm", world::TINY, "bash", "-c", &text]))
}

async fn jobs(world: &World) -> Duration {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let order = github((0..STEPS).map(|_| run("true")).collect());
        let began = Instant::now();
        world.run(order).await.succeeded();
        times.push(began.elapsed());
    }
    median(times)
}

async fn log(world: &World) {
    let line = "x".repeat(499);
    let script = format!(
        "for i in $(seq {}); do echo {line}; done > all; for i in $(seq 100); do cat all; done",
        LOG_LINES / 100
    );
    let mut order = github(vec![run(&script)]);
    for number in 0..20 {
        secret(&mut order, &format!("S{number}"), &format!("secret-value-number-{number}"));
    }
    let began = Instant::now();
    let done = world.run(order).await;
    let time = began.elapsed();
    let bytes = done.output(1).len();
    println!(
        "{LOG_LINES} lines, {} MB, through masking with 20 secrets: {time:?}, {:.0} MB/s",
        bytes / 1_000_000,
        bytes as f64 / 1e6 / time.as_secs_f64()
    );
}
