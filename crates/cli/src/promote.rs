use sluice_model::EnvironmentName;
use sluice_wire::PromoteRequest;

use crate::Exit;
use crate::remote::{RepositoryArgs, converse};

#[derive(clap::Args)]
pub struct Args {
    /// The release's version
    version: String,
    /// The environment that it shall enter
    environment: String,
    /// Do not wait for a person at the gate (exit code 3)
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    repository: RepositoryArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let environment = EnvironmentName::new(&args.environment);
        let request = PromoteRequest { version: args.version.clone() };
        let promotion = client.promote(&repository, &environment, &request).await?;
        crate::promotion::to_its_end(&client, &repository, promotion.id, !args.no_wait).await
    })
}
