use sluice_wire::{RunQuery, RunSummary};

use crate::remote::{Whose, WhoseArgs, converse};
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
    whose: WhoseArgs,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let runs = match args.whose.settle()? {
            Whose::Servers(client, repository) => {
                let query = RunQuery { branch: args.branch.clone(), sha: None, limit: Some(args.limit) };
                client.runs(&repository, &query).await?
            }
            Whose::Local(local) => local.history.runs(args.branch.as_deref(), args.limit).await?,
        };
        if args.json {
            show::json(&runs)?;
        } else {
            list(&runs);
        }
        Ok(Exit::Done)
    })
}

fn list(runs: &[RunSummary]) {
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
    show::queued(runs);
}
