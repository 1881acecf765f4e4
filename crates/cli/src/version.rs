use crate::Exit;

/// The version of the package.
pub const SHORT: &str = env!("CARGO_PKG_VERSION");

/// The commit that this binary was built from, or `unknown` outside a checkout.
pub const COMMIT: &str = env!("SLUICE_COMMIT");

#[derive(clap::Args)]
pub struct Args {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.json {
        println!("{}", serde_json::json!({ "version": SHORT, "commit": COMMIT }));
    } else {
        println!("sluice {SHORT} ({COMMIT})");
    }
    Ok(Exit::Done)
}
