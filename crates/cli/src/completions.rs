use clap::CommandFactory;
use clap_complete::Shell;

use crate::{CommandLine, Exit};

#[derive(clap::Args)]
pub struct Args {
    /// The shell to print them for
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    clap_complete::generate(args.shell, &mut CommandLine::command(), "sluice", &mut std::io::stdout());
    Ok(Exit::Done)
}
