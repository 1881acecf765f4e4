use sluice_model::UserName;
use sluice_registry::Scope;
use sluice_wire::{NewRegistryToken, NewToken, PutAccount};

use crate::remote::{ServerArgs, converse};
use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the accounts
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an account, or change its rights
    Set {
        name: String,
        /// What it may do
        #[arg(long, value_parser = ["read", "write", "admin"], default_value = "write")]
        access: String,
        /// A group that `approve: { by: […] }` in sluice.yaml names; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Make a token of an account, and print it and its sign-in link, once
    Token {
        name: String,
        /// What it is for
        #[arg(long, default_value = "command line")]
        label: String,
        /// Only for the registry, and there for this, as in pull,push:storefront/*; may be repeated
        #[arg(long = "registry", value_name = "ACTIONS:REPOSITORIES")]
        scopes: Vec<Scope>,
        /// How many days such a token is good [default: until it is revoked]
        #[arg(long, value_name = "N", requires = "scopes")]
        days: Option<u32>,
    },
    /// Remove an account and its tokens
    Remove { name: String },
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    converse(async {
        let client = args.server.client()?;
        match &args.verb {
            Verb::List { json } => {
                let accounts = client.accounts().await?;
                if *json {
                    show::json(&accounts)?;
                } else {
                    let row = |account: &sluice_wire::Account| {
                        [account.name.to_string(), account.access.clone(), account.groups.join(", ")]
                    };
                    show::table(["NAME", "ACCESS", "GROUPS"], accounts.iter().map(row));
                }
            }
            Verb::Set { name, access, groups } => {
                let account =
                    PutAccount { name: UserName::new(name), access: access.clone(), groups: groups.clone() };
                let account = client.put_account(&account).await?;
                println!("{} may {}; groups: {}", account.name, account.access, account.groups.join(", "));
            }
            Verb::Token { name, label, scopes, days } if !scopes.is_empty() => {
                let scopes = scopes.iter().map(ToString::to_string).collect();
                let token = NewRegistryToken { label: label.clone(), scopes, days: *days };
                let token = client.new_registry_token(&UserName::new(name), &token).await?;
                println!("{}", token.token.expose());
            }
            Verb::Token { name, label, .. } => {
                let token =
                    client.new_token(&UserName::new(name), &NewToken { label: label.clone() }).await?;
                println!("{}\n{}", token.token.expose(), token.link.expose());
            }
            Verb::Remove { name } => client.remove_account(&UserName::new(name)).await?,
        }
        Ok(Exit::Done)
    })
}
