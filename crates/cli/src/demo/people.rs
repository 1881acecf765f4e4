use anyhow::Context;
use sluice_model::UserName;
use sluice_wire::{Client, NewToken, PutAccount, Secret};

/// Who takes part: the names, and the groups that the sample's `sluice.yaml` names.
const CAST: [(&str, &str); 3] = [("dana", "developers"), ("quinn", "qa"), ("riley", "release-managers")];

/// One account with its own client.
pub struct Person {
    pub name: &'static str,
    pub token: Secret,
    /// Signs that person in to the pages.
    pub link: Secret,
    pub client: Client,
}

pub struct People {
    /// Writes and pushes.
    pub dana: Person,
    /// Tests.
    pub quinn: Person,
    /// Decides about production.
    pub riley: Person,
}

impl People {
    pub async fn arrive(admin: &Client) -> anyhow::Result<Self> {
        let mut people = Vec::new();
        for (name, group) in CAST {
            let account = PutAccount {
                name: UserName::new(name),
                access: "write".to_owned(),
                groups: vec![group.to_owned()],
            };
            admin
                .put_account(&account)
                .await
                .with_context(|| format!("cannot make the account of {name}"))?;
            let fresh = admin.new_token(&account.name, &NewToken { label: "demo".to_owned() }).await?;
            let client = Client::new(admin.url(), Some(fresh.token.clone()))?;
            people.push(Person { name, token: fresh.token, link: fresh.link, client });
        }
        let [dana, quinn, riley] =
            <[Person; 3]>::try_from(people).map_err(|_| anyhow::anyhow!("the cast is three"))?;
        Ok(Self { dana, quinn, riley })
    }

    /// Who decides about an environment of the sample.
    pub fn in_charge_of(&self, environment: &str) -> &Person {
        match environment {
            "dev" => &self.dana,
            "production" => &self.riley,
            _ => &self.quinn,
        }
    }
}
