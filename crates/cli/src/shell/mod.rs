//! `sluice shell`: a shell where a failed step was, with its environment, its directory and its user.

mod terminal;

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, bail};
use sluice_docker::Engine;
use sluice_model::InstanceId;
use sluice_runner::{Kept, KeptContainer};

use crate::Exit;
use crate::remote::{Local, converse};
use crate::run::{JobArgs, gather_known, on_runtime};
use crate::tree::Snapshot;

#[derive(clap::Args)]
pub struct Args {
    /// The run's number
    run: u64,
    /// The job, as `sluice logs RUN` lists it
    job: InstanceId,
    /// Let the job go on that stands at the step (`sluice run --break-on-failure`)
    #[arg(long = "continue", conflicts_with = "command")]
    go_on: bool,
    /// What to run there [default: an interactive shell]
    #[arg(last = true)]
    command: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let local = Local::at(".")?;
    if args.go_on {
        converse(async { Ok(local.history.go_on(args.run, &args.job).await?) })?;
        println!("{} of run {} goes on", args.job, args.run);
        return Ok(Exit::Done);
    }
    let source = converse(async { Ok(local.history.source(args.run).await?) })?;
    let kept = Kept::all(&local.state).into_iter().rev();
    let mut kept = kept.filter(|kept| kept.run.0 == args.run && kept.instance == args.job);
    let Some(kept) = kept.next() else {
        bail!(
            "nothing is kept of `{}` in run {}: `sluice rerun {} --job {} --keep` keeps it where it fails",
            args.job,
            args.run,
            args.run,
            args.job.job
        );
    };
    let env = environment(&local, &source, &kept)?;
    match &kept.container {
        None => on_host(&kept, &env, &args.command),
        Some(container) => on_runtime(in_container(&kept, container, env, &args.command)),
    }
}

/// The step's variables, secrets filled in where they can be had.
fn environment(local: &Local, source: &str, kept: &Kept) -> anyhow::Result<Vec<(String, String)>> {
    let mut names: Vec<String> = kept.env.iter().flat_map(|variable| variable.secrets.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let secrets = match names.is_empty() {
        true => Default::default(),
        false => {
            let started = Snapshot::again::<JobArgs>(&local.state, source)?.map(|(_, started)| started);
            let started = started.unwrap_or_default();
            gather_known(started.secret_sources().0, &names)?
        }
    };
    let mut env = Vec::new();
    let mut missing = kept.left_out.clone();
    for variable in &kept.env {
        match variable.filled(&secrets) {
            Some(value) => env.push((variable.name.clone(), value)),
            None => missing.push(variable.name.clone()),
        }
    }
    if !missing.is_empty() {
        anstream::eprintln!("not set, for secrets are in them that are not given: {}", missing.join(", "));
    }
    Ok(env)
}

/// The shell takes the place of this process.
fn on_host(kept: &Kept, env: &[(String, String)], command: &[String]) -> anyhow::Result<Exit> {
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_str());
    let has_bash =
        std::env::split_paths(path.unwrap_or_default()).any(|folder| folder.join("bash").is_file());
    let shell = [if has_bash { "bash" } else { "sh" }.to_owned()];
    let (program, arguments) = match command {
        [] => (&shell[0], &shell[1..]),
        [program, arguments @ ..] => (program, arguments),
    };
    if command.is_empty() {
        greet(kept);
    }
    // Looked up by the step's own PATH, and not by this process's.
    let found = std::env::split_paths(path.unwrap_or_default()).map(|folder| folder.join(program));
    let found = found.into_iter().find(|path| !program.contains('/') && path.is_file());
    let error = Command::new(found.unwrap_or_else(|| program.into()))
        .arg0(program)
        .args(arguments)
        .env_clear()
        .envs(kept.host_env())
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(&kept.directory)
        .exec();
    Err(error).with_context(|| format!("cannot start `{program}` in {}", kept.directory))
}

async fn in_container(
    kept: &Kept,
    container: &KeptContainer,
    env: Vec<(String, String)>,
    command: &[String],
) -> anyhow::Result<Exit> {
    let engine = Engine::connect().await.context("the place is a container")?;
    if !kept.is_there(Some(&engine)).await {
        bail!(
            "the container that was kept is gone: it was removed by hand, or this machine was started anew"
        );
    }
    let shell = ["sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi"];
    let words = if command.is_empty() { shell.map(str::to_owned).to_vec() } else { command.to_vec() };
    if command.is_empty() {
        greet(kept);
    }
    terminal::execute(&engine, container, &kept.directory, env, words).await
}

fn greet(kept: &Kept) {
    let state = if kept.is_closed { "kept as step" } else { "standing at step" };
    anstream::eprintln!("{} of run {}, {state} \"{}\" left it", kept.instance, kept.run, kept.step);
}
