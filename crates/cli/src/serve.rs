use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use sluice_runner::ExecutorChoice;
use sluice_server::{Options, Server};
use sluice_wire::ServerVersion;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::actions::ActionArgs;
use crate::registry_options::RegistryArgs;
use crate::run::image_map;
use crate::runner_choice::RunnerChoice;
use crate::{Exit, version};

#[derive(clap::Args)]
pub struct Args {
    /// The folder that everything is kept in
    #[arg(long, env = "SLUICE_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Where to listen
    #[arg(long, env = "SLUICE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    listen: SocketAddr,
    /// The address that people and jobs reach the server at [default: http:// and where it listens]
    #[arg(long, env = "SLUICE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Where jobs run and services are deployed to
    #[arg(long, value_enum, default_value_t = RunnerChoice::Auto)]
    runner: RunnerChoice,
    /// How many jobs run at once [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Take another image, or give a runs-on label one; may be repeated
    #[arg(long = "image", value_name = "FROM=TO")]
    images: Vec<String>,
    /// Let steps call this machine's container engine
    #[arg(long)]
    allow_host_docker: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    actions: ActionArgs,
}

/// Pages, API, git, registry and deliveries on one port, until SIGTERM or Ctrl-C.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    log_to_stderr();
    let mut options = Options::new(&args.data, std::env::current_exe()?, about());
    options.listen = args.listen;
    options.public_url.clone_from(&args.public_url);
    options.executor = ExecutorChoice::from(args.runner);
    options.images = image_map(&args.images)?;
    options.jobs = args.jobs;
    options.allow_host_docker = args.allow_host_docker;
    options.registry = args.registry.options()?;
    options.actions = args.actions.source()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let server = Server::start(options).await?;
        println!("sluice {} at {}", version::SHORT, server.url());
        println!("jobs run on {}", server.executor());
        if let Some(link) = server.sign_in_link() {
            println!(
                "\nsign in as administrator (the token is kept in {}/admin-token):",
                args.data.display()
            );
            println!("  {}\n", link.expose());
        }
        server
            .run_until(async move {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            })
            .await?;
        Ok(Exit::Done)
    })
}

/// What `GET /version` says: the server can be delivered by itself.
fn about() -> ServerVersion {
    ServerVersion {
        version: version::SHORT.to_owned(),
        commit: version::COMMIT.to_owned(),
        description: "Sluice, continuous delivery".to_owned(),
    }
}

/// `RUST_LOG` says how much; JSON where nobody looks.
fn log_to_stderr() {
    use std::io::IsTerminal;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().init();
    }
}
