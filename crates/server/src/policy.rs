//! `sluice.yaml`: read from the default branch, and handed to the machine of releases whenever it changes.

use sluice_model::{CommitSha, RepositoryName};
use sluice_release::{self as release, Config};

use crate::app::App;
use crate::refusal::Refusal;

pub(crate) const FILE: &str = "sluice.yaml";

/// The file at a commit: none where there is none, else the configuration or what is wrong with it.
pub(crate) async fn read(
    app: &App,
    repository: &RepositoryName,
    sha: &CommitSha,
) -> Result<Option<Result<Config, Vec<String>>>, Refusal> {
    let Some(bytes) = app.forge.file(repository, sha, FILE).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let problems = |diagnostics: &[sluice_source::Diagnostic]| -> Vec<String> {
        diagnostics.iter().map(ToString::to_string).collect()
    };
    let parsed = release::parse(FILE, &text);
    Ok(Some(parsed.config.ok_or_else(|| problems(&parsed.diagnostics))))
}

/// Reads the default branch's file. Gives what is wrong with it; the policy of before stays in force then.
pub(crate) async fn refresh(app: &App, repository: &RepositoryName) -> Result<Vec<String>, Refusal> {
    let Some(branch) = app.forge.default_branch(repository).await? else { return Ok(Vec::new()) };
    match read(app, repository, &branch.sha).await? {
        None => Ok(Vec::new()),
        Some(Err(problems)) => Ok(problems),
        Some(Ok(config)) => {
            let problems = app.claims.claim(repository, &config).await?;
            let command = release::Command::ChangePolicy { config: Box::new(config) };
            app.deliveries.command(repository, command).await?;
            Ok(problems)
        }
    }
}
