use sluice_model::JobId;
use sluice_wire::RerunRequest;

use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// The run's number
    run: u64,
    /// Only the jobs that failed, and those that need them
    #[arg(long, conflicts_with = "job")]
    failed: bool,
    /// Only this job, and those that need it
    #[arg(short, long)]
    job: Option<String>,
    #[command(flatten)]
    repository: RepositoryArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let request = RerunRequest { failed: args.failed, job: args.job.as_deref().map(JobId::new) };
        let run = client.rerun(&repository, args.run, &request).await?;
        println!("run {}, attempt {}: {}", args.run, run.run.attempt, show::run_state(run.run.state));
        Ok(Exit::Done)
    })
}
