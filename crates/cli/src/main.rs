//! The `sluice` binary: one file a verb. Decides nothing.

mod completions;
mod exit;
mod version;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Runs the pipelines that a repository already has, and takes what they built to production through gates.
///
/// Exit codes: 0 done; 1 the pipeline or the deployment failed; 2 usage, or a file that cannot be read;
/// 3 waiting on a gate.
#[derive(Parser)]
#[command(name = "sluice", version = version::SHORT, max_term_width = 110, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the shell completions of a shell
    Completions(completions::Args),
    /// Print the version and the commit that this binary was built from
    Version(version::Args),
}

fn main() -> std::process::ExitCode {
    let outcome = match CommandLine::parse().verb {
        Verb::Completions(args) => completions::run(&args),
        Verb::Version(args) => version::run(&args),
    };
    outcome.unwrap_or_else(|error| exit::explain(&error)).into()
}
