use indicatif::HumanBytes;
use sluice_wire::{CollectGarbage, GarbageReport};

use crate::remote::{ServerArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    /// Only say what would go, and why
    #[arg(long)]
    dry_run: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let request = CollectGarbage { dry_run: args.dry_run };
        let report = args.server.client()?.collect_garbage(&request).await?;
        if args.json {
            show::json(&report)?;
        } else {
            tell(&report);
        }
        Ok(Exit::Done)
    })
}

fn tell(report: &GarbageReport) {
    for repository in &report.repositories {
        println!("{}", repository.repository);
        for gone in &repository.gone {
            let size = match gone.size_bytes {
                0 => String::new(),
                bytes => format!("  {}", HumanBytes(bytes)),
            };
            println!("  {} {}{size}  {}", gone.kind.as_str(), gone.name, gone.why);
        }
    }
    let (would, verb) = if report.dry_run { ("would be ", "would go") } else { ("", "went") };
    match report.repositories.len() {
        0 => println!("nothing {verb} from any repository"),
        count => println!("{verb} from {count} {}", if count == 1 { "repository" } else { "repositories" }),
    }
    println!("{} in {} blobs {would}freed on the disk", HumanBytes(report.freed_bytes), report.blobs);
    if report.uploads > 0 {
        println!("{} uploads that nobody went on with were thrown away", report.uploads);
    }
}
