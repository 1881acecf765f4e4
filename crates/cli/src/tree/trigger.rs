use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;
use sluice_dialect_github::{Facts, overlaid};
use sluice_model::{CommitSha, Event, RepositoryName, Trigger, UserName};

use super::git::{Checkout, git};

/// What shall have happened to the repository.
#[derive(clap::Args)]
pub struct TriggerArgs {
    /// What happened: push, pull_request, workflow_dispatch, schedule, …
    #[arg(long, default_value = "push", value_parser = event_of_name)]
    event: Event,
    /// A branch, a tag or a whole ref [default: the branch that is checked out]
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    /// The branch that a pull request would enter [default: the default branch]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// A path that changed; may be repeated [default: what differs from the base, else unknown]
    #[arg(long = "changed-path", value_name = "PATH")]
    changed_paths: Vec<String>,
    /// An input of a manual dispatch, or a pipeline parameter; may be repeated
    #[arg(long = "input", value_name = "KEY=VALUE")]
    inputs: Vec<String>,
    /// `github.event`, as JSON; what it does not say is filled in
    #[arg(long, value_name = "FILE")]
    event_file: Option<PathBuf>,
}

/// What GitHub chooses workflows by, of an event's payload (GitHub, "Webhook events and payloads").
#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    action: Option<String>,
    number: Option<u64>,
    pull_request: PullRequest,
    /// Of a manual dispatch: texts, numbers and booleans.
    inputs: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PullRequest {
    number: Option<u64>,
    head: Branch,
    base: Branch,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Branch {
    #[serde(rename = "ref")]
    git_ref: Option<String>,
}

fn event_of_name(name: &str) -> Result<Event, String> {
    let known = Event::ALL.map(Event::as_str);
    Event::ALL.into_iter().find(|event| event.as_str() == name).ok_or_else(|| {
        let hint = sluice_source::did_you_mean(name, known).map(|near| format!("; did you mean `{near}`?"));
        format!("`{name}` is none of {}{}", known.join(", "), hint.unwrap_or_default())
    })
}

impl TriggerArgs {
    /// The trigger, and the repository's default branch.
    pub fn trigger(&self, root: &Path) -> anyhow::Result<(Trigger, String)> {
        let checkout = Checkout::of(root, self.git_ref.as_deref());
        let default_branch = checkout.default_branch();
        let commit = match &checkout.head {
            Some(commit) => commit,
            None if root.join(".git").exists() => {
                bail!(
                    "{} has no commit yet: make one, for a pipeline always runs on a commit",
                    root.display()
                )
            }
            None => {
                bail!("{} is in no git repository: `git init` and a first commit make it one", root.display())
            }
        };
        let sha: CommitSha = commit.sha.parse()?;
        let git_ref = self.whole_ref(root, &checkout)?;
        let is_pull_request = matches!(self.event, Event::PullRequest | Event::PullRequestTarget);
        let (given, told) = self.payload()?;
        let number = told.number.or(told.pull_request.number).unwrap_or(FIRST_PULL_REQUEST);
        let (head, base) = (told.pull_request.head.git_ref, told.pull_request.base.git_ref);
        let base = self.base.clone().or(base).or_else(|| is_pull_request.then(|| default_branch.clone()));
        let head_ref = is_pull_request.then(|| head.unwrap_or_else(|| short(&git_ref).to_owned()));
        let git_ref = match self.event {
            Event::PullRequest if git_ref.starts_with("refs/heads/") => format!("refs/pull/{number}/merge"),
            Event::PullRequestTarget => {
                format!("refs/heads/{}", base.as_deref().map_or(&*default_branch, short))
            }
            _ => git_ref,
        };
        let facts = Facts {
            commit: commit.facts.clone(),
            base_sha: base.as_deref().and_then(|base| commit_of_branch(root, base)),
            default_branch,
            number,
            server_url: SERVER_URL.to_owned(),
        };
        let mut trigger = Trigger {
            event: self.event,
            action: told.action.or_else(|| is_pull_request.then(|| "synchronize".to_owned())),
            repository: repository_name(root, checkout.origin_url.as_deref()),
            head_ref,
            changed_paths: self.changed_paths(root, base.as_deref()),
            image_chain: Vec::new(),
            base_ref: base,
            git_ref,
            sha,
            before: commit.before.as_deref().and_then(|sha| sha.parse().ok()),
            actor: UserName::new("local"),
            inputs: self.input_pairs(told.inputs)?,
            payload: String::new(),
            subject: commit.subject.clone(),
        };
        let payload = sluice_dialect_github::payload(&trigger, &facts);
        trigger.payload = given.into_iter().fold(payload, overlaid).to_string();
        Ok((trigger, facts.default_branch))
    }

    /// The event's file as it is, and what chooses workflows of it.
    fn payload(&self) -> anyhow::Result<(Option<serde_json::Value>, Payload)> {
        let Some(path) = &self.event_file else { return Ok(Default::default()) };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let no_event = || format!("{} is not JSON, or no event", path.display());
        let given = serde_json::from_str(&text).with_context(no_event)?;
        let told = serde_json::from_str(&text).with_context(no_event)?;
        Ok((Some(given), told))
    }

    /// What of this was given, as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        if self.event != Event::Push {
            flag("--event", self.event.as_str());
        }
        self.git_ref.iter().for_each(|name| flag("--ref", name));
        self.base.iter().for_each(|base| flag("--base", base));
        self.changed_paths.iter().for_each(|path| flag("--changed-path", path));
        self.inputs.iter().for_each(|input| flag("--input", input));
        self.event_file.iter().for_each(|file| flag("--event-file", &file.to_string_lossy()));
        words
    }

    fn whole_ref(&self, root: &Path, checkout: &Checkout) -> anyhow::Result<String> {
        let Some(name) = &self.git_ref else {
            return checkout
                .branch
                .as_ref()
                .map(|branch| format!("refs/heads/{branch}"))
                .with_context(|| no_branch(root));
        };
        if git(root, &["check-ref-format", "--normalize", &format!("refs/heads/{name}")]).is_none() {
            bail!("--ref `{name}`: no branch and no tag can have this name");
        }
        if name.starts_with("refs/") {
            return Ok(name.clone());
        }
        // A name that is not there yet is a branch that somebody is about to make.
        let is_tag = checkout.has(&format!("refs/tags/{name}"));
        Ok(format!("refs/{}/{name}", if is_tag { "tags" } else { "heads" }))
    }

    fn changed_paths(&self, root: &Path, base: Option<&str>) -> Option<Vec<String>> {
        if !self.changed_paths.is_empty() {
            return Some(self.changed_paths.clone());
        }
        let listed = git(root, &["diff", "--name-only", "-z", &format!("{}...HEAD", base?)])?;
        Some(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
    }

    /// Those of the event's file, and on top of them those of the command line.
    fn input_pairs(
        &self,
        told: Option<BTreeMap<String, serde_json::Value>>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let mut inputs: BTreeMap<_, _> =
            told.into_iter().flatten().map(|(name, value)| (name, text(value))).collect();
        for pair in &self.inputs {
            let Some((key, value)) = pair.split_once('=') else {
                bail!("--input `{pair}`: expected KEY=VALUE")
            };
            inputs.insert(key.to_owned(), value.to_owned());
        }
        Ok(inputs)
    }
}

/// The commit of a branch, or of the one that `origin` has by this name.
fn commit_of_branch(root: &Path, branch: &str) -> Option<String> {
    let commit = |name: &str| git(root, &["rev-parse", "-q", "--verify", &format!("{name}^{{commit}}")]);
    commit(branch).or_else(|| commit(&format!("origin/{branch}")))
}

/// Names what points at the commit that is checked out.
fn no_branch(root: &Path) -> String {
    let names = ["for-each-ref", "--points-at=HEAD", "--format=%(refname:short)", "refs/heads", "refs/tags"];
    let here = git(root, &names).unwrap_or_default();
    match here.lines().collect::<Vec<_>>().as_slice() {
        [] => "no branch is checked out: give --ref BRANCH or --ref TAG".to_owned(),
        here => format!("no branch is checked out: give --ref {}", here.join(" or --ref ")),
    }
}

fn short(git_ref: &str) -> &str {
    git_ref.strip_prefix("refs/heads/").or(git_ref.strip_prefix("refs/tags/")).unwrap_or(git_ref)
}

/// Of `origin`'s address, `github.com:acme/shop.git`; else `local/FOLDER`.
fn repository_name(root: &Path, origin_url: Option<&str>) -> RepositoryName {
    let path = origin_url.unwrap_or_default().trim_end_matches('/').trim_end_matches(".git");
    let mut parts = path.rsplit(['/', ':']);
    let name = parts.next().unwrap_or_default();
    let owner = parts.next().unwrap_or_default();
    if let Ok(repository) = format!("{owner}/{name}").parse() {
        return repository;
    }
    let folder: String = root
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let folder = folder.trim_matches('-');
    format!("local/{folder}")
        .parse()
        .unwrap_or_else(|_| LOCAL.parse().unwrap_or_else(|_| unreachable!("{LOCAL} is valid")))
}

/// Where the repository would be, for nothing here knows another forge.
const SERVER_URL: &str = "https://github.com";
/// The number of a pull request that nobody numbers.
const FIRST_PULL_REQUEST: u64 = 1;
const LOCAL: &str = "local/repository";
