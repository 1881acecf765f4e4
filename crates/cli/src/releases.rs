use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    repository: RepositoryArgs,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let releases = client.releases(&repository).await?;
        if args.json {
            show::json(&releases)?;
            return Ok(Exit::Done);
        }
        let rows = releases.iter().map(|release| {
            let live: Vec<_> = release.live_in.iter().map(|environment| environment.as_str()).collect();
            [
                release.version.clone(),
                release.commit.short().to_owned(),
                release.run.map_or_else(|| "-".to_owned(), |run| run.to_string()),
                show::ago(release.created),
                live.join(", "),
                release.description.clone(),
            ]
        });
        show::table(["VERSION", "COMMIT", "RUN", "MADE", "LIVE IN", "DESCRIPTION"], rows);
        Ok(Exit::Done)
    })
}
