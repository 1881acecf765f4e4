//! What the verbs that ask a server share: where it is, who asks, about which repository.

mod address;

use anyhow::{Context, bail};
use sluice_model::RepositoryName;
use sluice_wire::{Client, Secret};

use address::Address;

/// Where the server is, and who asks. What is not given comes from the checkout's git remote.
#[derive(clap::Args)]
pub struct ServerArgs {
    /// The server's address, such as http://127.0.0.1:7000 [default: the git remote's]
    #[arg(long, env = "SLUICE_URL", value_name = "URL")]
    server: Option<String>,
    /// Your token [default: the one in the git remote's address]
    #[arg(long, env = "SLUICE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

/// The same, and which repository.
#[derive(clap::Args)]
pub struct RepositoryArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// OWNER/NAME [default: the git remote's]
    #[arg(short = 'R', long, env = "SLUICE_REPOSITORY", value_name = "OWNER/NAME")]
    repository: Option<RepositoryName>,
}

impl ServerArgs {
    pub fn client(&self) -> anyhow::Result<Client> {
        connect(self, Address::of_checkout().as_ref())
    }
}

impl RepositoryArgs {
    pub fn client(&self) -> anyhow::Result<(Client, RepositoryName)> {
        let address = Address::of_checkout();
        let repository = match (&self.repository, &address) {
            (Some(repository), _) => repository.clone(),
            (None, Some(address)) => address.repository.clone(),
            (None, None) => bail!(
                "which repository? Give --repository OWNER/NAME, or call this in a checkout that has a remote on the server"
            ),
        };
        Ok((connect(&self.server, address.as_ref())?, repository))
    }
}

fn connect(args: &ServerArgs, address: Option<&Address>) -> anyhow::Result<Client> {
    let server = args
        .server
        .as_deref()
        .or(address.map(|address| address.server.as_str()))
        .context("which server? Give --server URL, or call this in a checkout that has a remote on it")?;
    // A token out of a remote's address goes to that remote's server only.
    let of_remote =
        || address.filter(|address| address.server == server.trim_end_matches('/'))?.token.clone();
    let token = args.token.clone().or_else(of_remote).map(Secret::new);
    Ok(Client::new(server, token)?)
}

/// Runs a verb's conversation with the server on a small runtime.
pub fn converse<T>(conversation: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(conversation)
}
