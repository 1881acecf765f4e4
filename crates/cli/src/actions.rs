use std::path::PathBuf;

use anyhow::bail;
use serde::{Deserialize, Serialize};
use sluice_runner::ActionSource;

/// Where actions and reusable workflows of other repositories come from.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionArgs {
    /// Take actions of other repositories from URL/owner/name.git [default: https://github.com]
    #[arg(long, env = "SLUICE_ACTIONS_URL", value_name = "URL", conflicts_with = "actions_mirror")]
    actions_url: Option<String>,
    /// Take actions of other repositories from git repositories in a folder, DIR/owner/name
    #[arg(long, env = "SLUICE_ACTIONS_MIRROR", value_name = "DIR")]
    actions_mirror: Option<PathBuf>,
}

impl ActionArgs {
    pub fn source(&self) -> anyhow::Result<ActionSource> {
        Ok(match (&self.actions_mirror, &self.actions_url) {
            (Some(folder), _) if !folder.is_dir() => {
                bail!("--actions-mirror {}: there is no such folder", folder.display())
            }
            (Some(folder), _) => ActionSource::Mirror(folder.clone()),
            (None, Some(url)) if !url.contains("://") => {
                bail!(
                    "--actions-url `{url}`: expected an address that git reads, like https://git.example.com"
                )
            }
            (None, Some(url)) => ActionSource::Url(url.clone()),
            (None, None) => ActionSource::default(),
        })
    }

    /// What is given now wins over what was given before.
    pub fn over(self, earlier: Self) -> Self {
        if self == Self::default() { earlier } else { self }
    }

    /// Paths that hold whatever folder a later attempt is called in.
    pub fn absolute(mut self) -> anyhow::Result<Self> {
        self.actions_mirror = self.actions_mirror.map(std::path::absolute).transpose()?;
        Ok(self)
    }

    /// What was given, as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        self.actions_url.iter().for_each(|url| flag("--actions-url", url));
        self.actions_mirror.iter().for_each(|folder| flag("--actions-mirror", &folder.to_string_lossy()));
        words
    }
}
