//! A word at a gate: what `approve` and `reject` share.

use sluice_model::{EnvironmentName, JobId};
use sluice_wire::Decision;

use crate::remote::RepositoryArgs;
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct GateArgs {
    /// The environment, or with --run the approval job
    #[arg(value_name = "ENVIRONMENT|JOB")]
    gate: String,
    /// The number of the run whose approval job is meant
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    /// Why, for the record
    #[arg(short, long)]
    comment: Option<String>,
    /// Print the state afterwards as JSON
    #[arg(long)]
    json: bool,
}

pub async fn decide(repository: &RepositoryArgs, args: &GateArgs, approve: bool) -> anyhow::Result<Exit> {
    let (client, repository) = repository.client()?;
    let decision = Decision { approve, comment: args.comment.clone() };
    let done = if approve { "approved" } else { "rejected" };
    match args.run {
        Some(number) => {
            let run = client.decide_gate(&repository, number, &JobId::new(&args.gate), &decision).await?;
            if args.json {
                show::json(&run)?;
            } else {
                println!("{done} {} of run {number}; the run: {}", args.gate, show::run_state(run.run.state));
            }
        }
        None => {
            let status =
                client.decide_environment(&repository, &EnvironmentName::new(&args.gate), &decision).await?;
            if args.json {
                show::json(&status)?;
            } else {
                println!("{done} for {}", args.gate);
                for promotion in &status.promotions {
                    println!("{}", show::promotion(promotion));
                }
            }
        }
    }
    Ok(Exit::Done)
}
