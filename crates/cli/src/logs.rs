use std::io::Write;

use futures_util::StreamExt;
use sluice_model::InstanceId;

use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// The run's number
    run: u64,
    /// The job; without it, the run's jobs are listed
    job: Option<InstanceId>,
    /// Go on until the job has ended
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    repository: RepositoryArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let Some(job) = &args.job else {
            let run = client.run(&repository, args.run).await?;
            let rows = run.jobs.iter().map(|job| {
                [
                    job.instance.to_string(),
                    job.state.as_str().to_owned(),
                    job.name.clone(),
                    job.problem.clone().unwrap_or_default(),
                ]
            });
            show::table(["JOB", "STATE", "NAME", "PROBLEM"], rows);
            for diagnostic in &run.diagnostics {
                println!("{diagnostic}");
            }
            return Ok(Exit::Done);
        };
        let mut log = std::pin::pin!(client.log(&repository, args.run, job, 1, args.follow).await?);
        let mut output = anstream::stdout().lock();
        while let Some(chunk) = log.next().await {
            output.write_all(&chunk?)?;
            output.flush()?;
        }
        Ok(Exit::Done)
    })
}
