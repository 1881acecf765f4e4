use sluice_docker::Engine;
use sluice_runner::Kept;
use sluice_wire::{RunQuery, RunSummary};

use crate::remote::{Whose, WhoseArgs, converse};
use crate::run::shell_command;
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
        let mut kept = Vec::new();
        let runs = match args.whose.settle()? {
            Whose::Servers(client, repository) => {
                let query = RunQuery { branch: args.branch.clone(), sha: None, limit: Some(args.limit) };
                client.runs(&repository, &query).await?
            }
            Whose::Local(local) => {
                kept = Kept::all(&local.state);
                local.history.runs(args.branch.as_deref(), args.limit).await?
            }
        };
        if args.json {
            show::json(&runs)?;
        } else {
            list(&runs);
            list_kept(&kept).await;
        }
        Ok(Exit::Done)
    })
}

/// Places that `sluice shell` leads to. One whose container is gone is none.
async fn list_kept(kept: &[Kept]) {
    let engine = match kept.iter().any(|kept| kept.container.is_some()) {
        true => Engine::connect().await.ok(),
        false => None,
    };
    let mut rows = Vec::new();
    for kept in kept {
        if kept.is_there(engine.as_ref()).await {
            rows.push([
                kept.run.to_string(),
                kept.instance.to_string(),
                kept.step.lines().next().unwrap_or_default().to_owned(),
                if kept.container.is_some() { "container" } else { "host" }.to_owned(),
                show::ago(kept.at),
                shell_command(kept.run.0, &kept.instance),
            ]);
        }
    }
    if !rows.is_empty() {
        println!();
        show::table(["KEPT OF", "JOB", "AT STEP", "WHERE", "WHEN", "LOOK INSIDE"], rows);
    }
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
