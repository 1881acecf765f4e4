use anyhow::{Context, anyhow, bail};
use sluice_engine::Refused;
use sluice_model::{JobId, RunId};
use sluice_server::local::{Begin, LocalError, Prepared, RerunScope};
use sluice_wire::RerunRequest;

use crate::remote::{Local, Whose, WhoseArgs, converse};
use crate::run::{self, JobArgs, Performance, ShowArgs};
use crate::tree::Snapshot;
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// The run's number
    run: u64,
    /// Only the jobs that failed, and those that need them; what passed is kept
    #[arg(long, conflicts_with = "job")]
    failed: bool,
    /// Only this job, and those that need it; what else passed is kept
    #[arg(short, long)]
    job: Option<String>,
    #[command(flatten)]
    whose: WhoseArgs,
    #[command(flatten, next_help_heading = "On this machine (else as the run was started)")]
    jobs: JobArgs,
    #[command(flatten, next_help_heading = "On this machine (else as the run was started)")]
    show: ShowArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    match args.whose.settle()? {
        Whose::Servers(client, repository) => converse(async {
            if args.jobs != JobArgs::default() || args.show != ShowArgs::default() {
                bail!(
                    "how jobs run on the server, and are shown, is not for a rerun to say: give the run's number alone"
                );
            }
            let request = RerunRequest { failed: args.failed, job: args.job.as_deref().map(JobId::new) };
            let run = client.rerun(&repository, args.run, &request).await?;
            println!("run {}, attempt {}: {}", args.run, run.run.attempt, show::run_state(run.run.state));
            Ok(Exit::Done)
        }),
        Whose::Local(local) => run::on_runtime(here(args, local)),
    }
}

/// Another attempt on the snapshot of the first.
async fn here(args: &Args, local: Local) -> anyhow::Result<Exit> {
    let Local { history, state, root } = local;
    let number = args.run;
    // Settles it, where its process was killed.
    history.run(number).await?;
    let source = history.source(number).await?;
    let kept = Snapshot::again::<JobArgs>(&state, &source)?;
    let (snapshot, earlier) = kept.with_context(|| {
        format!("the snapshot of run {number} is not kept any more: `sluice run` takes a new one")
    })?;
    let of_run = history.state(number).await?;
    let plan = of_run.run().map(|run| run.plan().clone()).context("the run has no plan")?;
    let scope = match (&args.job, args.failed) {
        (Some(job), _) => RerunScope::Job(JobId::new(job)),
        (None, true) => RerunScope::Failed,
        (None, false) => RerunScope::All,
    };
    let is_under_way = history.driven()?.contains(&RunId(number));
    drop(history);
    let options = args.jobs.clone().absolute()?.over(earlier).options(&root, state)?;
    let again = |_: &_, job: &sluice_model::InstanceId| format!("sluice rerun {number} --job {}", job.job);
    run::perform(Performance {
        plans: vec![plan],
        runs: vec![Begin::Again { number, scope }],
        snapshot,
        prepared: Prepared::new(options).await?,
        show: &args.show,
        again: &again,
    })
    .await
    .map_err(|error| match error.downcast_ref() {
        // Whoever began it was asked, and is gone.
        Some(LocalError::Refused(Refused::WaitsForApproval { job })) if !is_under_way => anyhow!(
            "`{job}` waits for an approval that nobody can give any more here: `sluice cancel {number}`, then `sluice rerun {number}`"
        ),
        _ => error,
    })
}
