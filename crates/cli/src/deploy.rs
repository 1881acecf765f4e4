use sluice_model::EnvironmentName;
use sluice_wire::DeployRequest;

use crate::Exit;
use crate::promotion::{Followed, RETRY_AFTER, conclude, follow};
use crate::remote::{RepositoryArgs, converse};

#[derive(clap::Args)]
pub struct Args {
    /// The environment that what this run has pushed shall enter
    environment: String,
    /// The tag that the images were pushed with [default: in a job of the server, the last push of each]
    #[arg(long)]
    tag: Option<String>,
    /// Do not wait for a person at the gate (exit code 3)
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    repository: RepositoryArgs,
}

/// Asking twice is harmless: the run has one release, and that release one promotion into the environment.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client_of_any()?;
        let (environment, tag) = (EnvironmentName::new(&args.environment), args.tag.clone());
        let request = DeployRequest { environment, tag, repository };
        loop {
            match client.deploy(&request).await {
                Ok(progress) => match follow(progress, !args.no_wait).await? {
                    Followed::Ended(promotion) | Followed::Waits(promotion) => {
                        return Ok(conclude(&promotion));
                    }
                    Followed::Lost => {}
                },
                Err(error) if error.is_passing() => {}
                // The server understood, and says no: the deployment has failed.
                Err(error) => {
                    anstream::eprintln!("error: {error}");
                    return Ok(Exit::Failed);
                }
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    })
}
