use crate::remote::{RepositoryArgs, converse};
use crate::{Exit, gate};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    gate: gate::GateArgs,
    #[command(flatten)]
    repository: RepositoryArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(gate::decide(&args.repository, &args.gate, false))
}
