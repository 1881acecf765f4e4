//! `sluice demo`: a sample repository, from a push to production and back, against a server in a throw-away folder.

mod backing;
mod changes;
mod chaos;
mod cleanup;
mod clock;
mod evidence;
mod load;
mod people;
mod room;
mod sample;
mod server;
mod story;
mod watch;

use std::path::PathBuf;

use crate::Exit;
use crate::runner_choice::RunnerChoice;

#[derive(clap::Args)]
pub struct Args {
    /// The sample repository
    #[arg(long, value_name = "DIR", default_value = "examples/storefront")]
    sample: PathBuf,
    /// Approve everything, then deploy a second version and a broken third, under steady requests
    #[arg(long)]
    yes: bool,
    /// Where jobs run and services are deployed to [default: docker where an engine answers, else host]
    #[arg(long, value_enum, default_value_t = RunnerChoice::Auto)]
    runner: RunnerChoice,
    /// Kill the server so many times at random moments, and start it again
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    kills: u32,
    /// Chooses the moments
    #[arg(long, value_name = "N", default_value_t = 1, hide = true)]
    seed: u64,
}

/// The environment that the story is about.
const PRODUCTION: &str = "production";

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let room = room::Room::prepare(&args.sample, args.runner).await?;
        let mut interrupted = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let backing = backing::Backing::start(&room)?;
        let outcome = tokio::select! {
            outcome = story::tell(&room, &backing, args) => outcome,
            _ = tokio::signal::ctrl_c() => { println!(); Ok(Exit::Done) }
            _ = interrupted.recv() => Ok(Exit::Done),
        };
        cleanup::leave_nothing(room, &backing).await?;
        outcome
    })
}
