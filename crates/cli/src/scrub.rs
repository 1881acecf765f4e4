use indicatif::HumanBytes;
use sluice_wire::RottenBlob;

use crate::remote::{ServerArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Exit code 1 where something is damaged.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let report = args.server.client()?.scrub().await?;
        if args.json {
            show::json(&report)?;
        } else {
            report.rotten.iter().for_each(|damage| tell("rotten", damage));
            report.missing.iter().for_each(|damage| tell("missing", damage));
            println!(
                "{} blobs read, {}: {} rotten and set aside, {} missing",
                report.blobs,
                HumanBytes(report.size_bytes),
                report.rotten.len(),
                report.missing.len()
            );
        }
        let is_sound = report.rotten.is_empty() && report.missing.is_empty();
        Ok(if is_sound { Exit::Done } else { Exit::Failed })
    })
}

fn tell(kind: &str, damage: &RottenBlob) {
    println!("{kind} {}: {}", damage.digest, damage.problem);
    match damage.images.as_slice() {
        [] => println!("  no image needs it"),
        images => println!("  push again: {}", images.join(", ")),
    }
}
