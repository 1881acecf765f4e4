use sluice_wire::RunQuery;

use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// Only runs of this branch or tag
    #[arg(short, long)]
    branch: Option<String>,
    /// At most so many
    #[arg(short = 'L', long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    repository: RepositoryArgs,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let (client, repository) = args.repository.client()?;
        let query = RunQuery { branch: args.branch.clone(), sha: None, limit: Some(args.limit) };
        let runs = client.runs(&repository, &query).await?;
        if args.json {
            show::json(&runs)?;
            return Ok(Exit::Done);
        }
        let rows = runs.iter().map(|run| {
            [
                run.number.to_string(),
                show::run_state(run.state),
                run.workflow.clone(),
                run.title.clone(),
                run.git_ref.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/").to_owned(),
                run.sha.short().to_owned(),
                show::ago(run.created),
            ]
        });
        show::table(["RUN", "STATE", "WORKFLOW", "TITLE", "REF", "COMMIT", "WHEN"], rows);
        Ok(Exit::Done)
    })
}
