use sluice_wire::RunQuery;

use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    repository: RepositoryArgs,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Every environment in order: what is live, what is on its way, what it waits for, what a rollback would bring back;
/// before them, the latest runs that wait for their concurrency group.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let environments = client.environments(&repository).await?;
        if args.json {
            show::json(&environments)?;
            return Ok(Exit::Done);
        }
        let runs = client.runs(&repository, &RunQuery::default()).await?;
        show::queued(&runs);
        if environments.is_empty() {
            println!("{repository} has no environments: its default branch has no sluice.yaml");
            return Ok(Exit::Done);
        }
        let rows = environments.iter().map(|environment| {
            let live = environment.live.as_ref();
            [
                environment.name.to_string(),
                live.map_or("–".to_owned(), |live| live.version.clone()),
                live.map_or(String::new(), |live| live.commit.short().to_owned()),
                live.map_or(String::new(), |live| show::ago(live.since)),
                environment
                    .promotions
                    .first()
                    .or(environment.last.as_ref())
                    .map(show::promotion)
                    .unwrap_or_default(),
                environment.rollback_to.first().cloned().unwrap_or_default(),
            ]
        });
        show::table(["ENVIRONMENT", "LIVE", "COMMIT", "SINCE", "PROMOTION", "ROLLBACK TO"], rows);
        for environment in &environments {
            for (service, address) in environment.live.iter().flat_map(|live| &live.addresses) {
                println!("{}/{service}  {address}", environment.name);
            }
        }
        Ok(Exit::Done)
    })
}
