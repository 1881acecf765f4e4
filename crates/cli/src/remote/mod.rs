//! What the verbs that ask a server share: where it is, who asks, about which repository.

mod address;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sluice_model::RepositoryName;
use sluice_server::local::History;
use sluice_wire::{Client, RegistryAccess, Secret, ServerAccess};

use crate::tree::{root_of, state_folder};

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
        let client = connect(&self.server, address.as_ref())?;
        let repository = self.repository_or(address.as_ref()).context(
            "which repository? Give --repository OWNER/NAME, or call this in a checkout that has a remote on the server",
        )?;
        Ok((client, repository))
    }

    /// The same where nobody need say which: the token of a job does.
    pub fn client_of_any(&self) -> anyhow::Result<(Client, Option<RepositoryName>)> {
        let address = Address::of_checkout();
        Ok((connect(&self.server, address.as_ref())?, self.repository_or(address.as_ref())))
    }

    fn repository_or(&self, address: Option<&Address>) -> Option<RepositoryName> {
        self.repository.clone().or_else(|| Some(address?.repository.clone()))
    }
}

/// Whose runs are meant.
///
/// A server's where --server, --repository or their variables are given, or where the checkout has a git remote named
/// `sluice`; else those of the repository on this machine.
#[derive(clap::Args)]
pub struct WhoseArgs {
    #[command(flatten)]
    repository: RepositoryArgs,
    /// The runs on this machine [default: where no server is given, and no git remote is named `sluice`]
    #[arg(long)]
    local: bool,
}

/// The runs that are meant, and where they are.
pub enum Whose {
    Servers(Client, RepositoryName),
    Local(Local),
}

/// Runs of a repository on this machine.
pub struct Local {
    pub history: History,
    pub state: PathBuf,
    pub root: PathBuf,
}

impl WhoseArgs {
    /// Settles whose runs are meant, and says so beside the output.
    pub fn settle(&self) -> anyhow::Result<Whose> {
        let is_addressed = self.repository.server.server.is_some() || self.repository.repository.is_some();
        if !self.local && (is_addressed || Address::is_of_remote()) {
            let (client, repository) = self.repository.client()?;
            anstream::eprintln!("{DIM}runs of {repository} on {}{DIM:#}", client.server());
            return Ok(Whose::Servers(client, repository));
        }
        let local = Local::at(".")?;
        anstream::eprintln!("{DIM}runs of {} on this machine{DIM:#}", local.root.display());
        Ok(Whose::Local(local))
    }
}

impl Local {
    /// Of the repository that a folder is in.
    pub fn at(folder: impl AsRef<std::path::Path>) -> anyhow::Result<Self> {
        let root = root_of(folder.as_ref())?;
        if !root.join(".git").exists() {
            bail!(
                "{} is in no git repository, so that it has no runs; give --server URL to ask a server",
                root.display()
            );
        }
        let state = state_folder(&root)?;
        let history = History::open(&state)?.with_context(|| {
            format!("nothing has run in {} yet: `sluice run` runs its pipelines", root.display())
        })?;
        Ok(Self { history, state, root })
    }
}

const DIM: anstyle::Style = anstyle::Style::new().dimmed();

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

/// What jobs that run here need to push to the server of a git remote of `root` and to deploy there.
pub fn delivery_to(root: &Path, remote: &str) -> anyhow::Result<(ServerAccess, RegistryAccess)> {
    let address = Address::of_remote(root, remote).with_context(|| {
        format!("--deliver-to {remote}: no git remote of that name has an address such as http://NAME:TOKEN@HOST:PORT/OWNER/NAME.git")
    })?;
    let token = address.token.map(Secret::new).with_context(|| {
        format!("--deliver-to {remote}: the remote's address holds no token, as in http://NAME:TOKEN@…")
    })?;
    let host = address.server.split_once("://").map_or(address.server.as_str(), |(_, host)| host).to_owned();
    // The registry takes whose token it is from the token.
    let registry = RegistryAccess { host, username: "token".to_owned(), password: token.clone() };
    let repository = Some(address.repository);
    Ok((ServerAccess { url: address.server, token, repository }, registry))
}

/// Runs a verb's conversation with the server on a small runtime.
pub fn converse<T>(conversation: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(conversation)
}
