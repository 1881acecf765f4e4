use crate::remote::ServerArgs;

#[derive(clap::Args)]
pub struct Args {
    /// Have the server sign with a new key from now on; what it has signed stays good
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The key that signs now, then those before it: a file of them is what `sluice image verify --key` takes.
pub async fn run(args: &Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    let keys = match args.replace {
        true => client.replace_signing_key().await?,
        false => client.signing_keys().await?,
    };
    for pem in &keys.pem {
        print!("{pem}");
    }
    Ok(())
}
