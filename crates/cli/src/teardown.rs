use std::path::PathBuf;

use crate::Exit;

#[derive(clap::Args)]
pub struct Args {
    /// The server's data folder
    #[arg(long, env = "SLUICE_DATA", value_name = "DIR")]
    data: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(sluice_server::teardown(&args.data, &std::env::current_exe()?))?;
    Ok(Exit::Done)
}
