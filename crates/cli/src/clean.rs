use anyhow::bail;
use sluice_docker::Engine;
use sluice_runner::{Kept, Runner, RunnerConfig, remove_action_images};

use crate::Exit;
use crate::remote::{Local, converse};

#[derive(clap::Args)]
pub struct Args {
    /// Only what is kept of this run
    run: Option<u64>,
    /// Everything of the repository on this machine: runs, logs, snapshots, artifacts and caches, and
    /// the images that were built for Docker actions
    #[arg(long, conflicts_with = "run")]
    all: bool,
}

/// Removes the places of failed jobs that `--keep` kept.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let Local { history, state, root } = Local::at(".")?;
        let driven = history.driven()?;
        if args.all && !driven.is_empty() {
            bail!("{} runs of {} go on: wait for their end, or cancel them", driven.len(), root.display());
        }
        let mut kept = Kept::all(&state);
        kept.retain(|kept| kept.is_closed && args.run.is_none_or(|run| kept.run.0 == run));
        let engine = match kept.iter().any(|kept| kept.container.is_some()) {
            true => Engine::connect().await.ok(),
            false => None,
        };
        let mut left = 0;
        for kept in &kept {
            match kept.remove(engine.as_ref()).await {
                Ok(()) => println!("removed what was kept of {} in run {}", kept.instance, kept.run),
                Err(error) => {
                    left += 1;
                    anstream::eprintln!("{} of run {} stays: {error}", kept.instance, kept.run);
                }
            }
        }
        if left > 0 {
            return Ok(Exit::Failed);
        }
        if args.all {
            // What a killed run has left: who owns it is written in what goes now.
            Runner::new(RunnerConfig::new(&state)).await?.sweep().await?;
            // Where no engine answers, there are none that could be removed.
            if let Ok(engine) = Engine::connect().await {
                for image in remove_action_images(&state, &engine).await? {
                    println!("removed {image}, which was built for an action");
                }
            }
            drop(history);
            std::fs::remove_dir_all(&state)?;
            println!("removed {}", state.display());
        } else if kept.is_empty() {
            println!("nothing was kept");
        }
        Ok(Exit::Done)
    })
}
