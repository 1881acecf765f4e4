use sluice_wire::CancelRequest;

use crate::remote::{Whose, WhoseArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// The run's number
    run: u64,
    /// Also the jobs that would go on because of `always()`
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    whose: WhoseArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let state = match args.whose.settle()? {
            Whose::Servers(client, repository) => {
                let request = CancelRequest { force: args.force };
                client.cancel(&repository, args.run, &request).await?.run.state
            }
            Whose::Local(local) => local.history.cancel(args.run, args.force).await?.state,
        };
        println!("run {}: {}", args.run, show::run_state(state));
        Ok(Exit::Done)
    })
}
