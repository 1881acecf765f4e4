use sluice_model::EnvironmentName;
use sluice_wire::RollbackRequest;

use crate::Exit;
use crate::remote::{RepositoryArgs, converse};

#[derive(clap::Args)]
pub struct Args {
    /// The environment to take back
    environment: String,
    /// The version to go back to [default: the one that was live before]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    #[command(flatten)]
    repository: RepositoryArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let environment = EnvironmentName::new(&args.environment);
        let promotion =
            client.rollback(&repository, &environment, &RollbackRequest { version: args.to.clone() }).await?;
        crate::promotion::to_its_end(&client, &repository, promotion.id, true).await
    })
}
