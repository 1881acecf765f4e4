use std::path::PathBuf;

use crate::Exit;

#[derive(clap::Args)]
pub struct Args {
    /// The folder of its state and its control socket
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

/// Not for people: the server starts it as a process of its own, so that what is deployed stays reachable while the
/// server restarts.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(sluice_proxy::serve(sluice_proxy::Options::new(&args.state)))?;
    Ok(Exit::Done)
}
