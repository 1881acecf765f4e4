use sluice_wire::CancelRequest;

use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// The run's number
    run: u64,
    /// Also the jobs that would go on because of `always()`
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    repository: RepositoryArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let run = client.cancel(&repository, args.run, &CancelRequest { force: args.force }).await?;
        println!("run {}: {}", args.run, show::run_state(run.run.state));
        Ok(Exit::Done)
    })
}
