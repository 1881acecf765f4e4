use std::io::Write;

use futures_util::StreamExt;
use sluice_model::InstanceId;
use sluice_wire::RunDetail;

use crate::remote::{Local, Whose, WhoseArgs, converse};
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
    whose: WhoseArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        match (args.whose.settle()?, &args.job) {
            (Whose::Servers(client, repository), None) => list(&client.run(&repository, args.run).await?),
            (Whose::Local(local), None) => list(&local.history.run(args.run).await?),
            (Whose::Servers(client, repository), Some(job)) => {
                let mut log = std::pin::pin!(client.log(&repository, args.run, job, 1, args.follow).await?);
                let mut output = anstream::stdout().lock();
                while let Some(chunk) = log.next().await {
                    output.write_all(&chunk?)?;
                    output.flush()?;
                }
            }
            (Whose::Local(local), Some(job)) => local_log(&local, args, job).await?,
        }
        Ok(Exit::Done)
    })
}

/// Copied through a pipe of this process, so that colours are for terminals here too.
async fn local_log(local: &Local, args: &Args, job: &InstanceId) -> anyhow::Result<()> {
    let (mut writer, reader) = tokio::io::duplex(64 << 10);
    let writing = async {
        let written = local.history.write_log(args.run, job, args.follow, &mut writer).await;
        drop(writer);
        written
    };
    let printing = async {
        let mut chunks = tokio_util::io::ReaderStream::new(reader);
        while let Some(chunk) = chunks.next().await {
            let mut output = anstream::stdout().lock();
            output.write_all(&chunk?)?;
            output.flush()?;
        }
        anyhow::Ok(())
    };
    let (written, printed) = tokio::join!(writing, printing);
    written?;
    printed
}

fn list(run: &RunDetail) {
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
}
