//! The `sluice` binary: one file a verb. Decides nothing.

mod actions;
mod approve;
mod cancel;
mod check;
mod clean;
mod compile;
mod completions;
mod demo;
mod deploy;
mod eval;
mod exit;
mod gate;
mod gc;
mod image;
mod lock;
mod logs;
mod mirror_options;
mod plan;
mod promote;
mod promotion;
mod proxy;
mod registry_options;
mod reject;
mod releases;
mod remote;
mod rerun;
mod rollback;
mod run;
mod runner_choice;
mod runs;
mod scrub;
mod serve;
mod shell;
mod show;
mod ssh_keys;
mod status;
mod teardown;
mod tree;
mod user_config;
mod users;
mod version;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Runs the pipelines that a repository already has, and takes what they built to production through gates.
///
/// Exit codes: 0 done; 1 the pipeline or the deployment failed; 2 usage, or a file that cannot be read;
/// 3 waiting on a gate; 130 cancelled by Ctrl-C.
#[derive(Parser)]
#[command(name = "sluice", version = version::SHORT, max_term_width = 110)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Approve what waits at a gate
    Approve(approve::Args),
    /// Cancel a run
    Cancel(cancel::Args),
    /// Find what is wrong or dangerous in the pipeline files
    Check(check::Args),
    /// Remove the places of failed jobs that `sluice run --keep` kept
    Clean(clean::Args),
    /// Print a CircleCI config with everything expanded
    Compile(compile::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
    /// Take a sample from a push to production, in a throw-away folder
    Demo(demo::Args),
    /// From a pipeline: take what this run has pushed into an environment, and wait until it is live
    Deploy(deploy::Args),
    /// Evaluate an expression of GitHub Actions
    Eval(eval::Args),
    /// Remove from the server's registry what nothing refers to, or say what would go
    Gc(gc::Args),
    /// Make, copy, look at and unpack container images without an engine
    Image(image::Args),
    /// Write sluice.lock: the commits that actions of other repositories are taken from
    Lock(lock::Args),
    /// Print the log of a job, or list a run's jobs
    Logs(logs::Args),
    /// Show what would run, in which order, and why the rest would not
    Plan(plan::Args),
    /// Take a release into an environment
    Promote(promote::Args),
    /// Serve the traffic of what is deployed (started by the server)
    #[command(hide = true)]
    Proxy(proxy::Args),
    /// Reject what waits at a gate
    Reject(reject::Args),
    /// List the releases of a repository
    Releases(releases::Args),
    /// Run a run's jobs again
    Rerun(rerun::Args),
    /// Take an environment back to the release before
    Rollback(rollback::Args),
    /// Run the working tree's pipelines here, with no server
    #[command(after_help = user_config::HELP)]
    Run(run::Args),
    /// List the runs of a repository
    Runs(runs::Args),
    /// Read every byte of the server's registry again, and set aside what is rotten
    Scrub(scrub::Args),
    /// Serve pages, API, git, registry and deliveries on one port
    Serve(serve::Args),
    /// Open a shell where a job failed, kept by `sluice run --keep` or standing by `--break-on-failure`
    Shell(shell::Args),
    /// Show what is live, what is on its way, and on whom it waits
    Status(status::Args),
    /// Stop and remove everything that a server has deployed, and its proxy; the data stays
    Teardown(teardown::Args),
    /// Manage the server's accounts
    Users(users::Args),
    /// Print the version and the commit that this binary was built from
    Version(version::Args),
}

fn main() -> std::process::ExitCode {
    exit::end_with_the_reader();
    // One crypto provider for everything that speaks TLS; this is its first and only choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match CommandLine::parse().verb {
        Verb::Approve(args) => approve::run(&args),
        Verb::Cancel(args) => cancel::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Clean(args) => clean::run(&args),
        Verb::Compile(args) => compile::run(&args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Deploy(args) => deploy::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Gc(args) => gc::run(&args),
        Verb::Image(args) => image::run(&args),
        Verb::Lock(args) => lock::run(&args),
        Verb::Logs(args) => logs::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Promote(args) => promote::run(&args),
        Verb::Proxy(args) => proxy::run(&args),
        Verb::Reject(args) => reject::run(&args),
        Verb::Releases(args) => releases::run(&args),
        Verb::Rerun(args) => rerun::run(&args),
        Verb::Rollback(args) => rollback::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Runs(args) => runs::run(&args),
        Verb::Scrub(args) => scrub::run(&args),
        Verb::Serve(args) => serve::run(&args),
        Verb::Shell(args) => shell::run(&args),
        Verb::Status(args) => status::run(&args),
        Verb::Teardown(args) => teardown::run(&args),
        Verb::Users(args) => users::run(&args),
        Verb::Version(args) => version::run(&args),
    };
    outcome.unwrap_or_else(|error| exit::explain(&error)).into()
}
