use sluice_model::CommitSha;

use super::{Authorization, Checkout, CheckoutError, Git};

/// Another repository than the one that the job's trigger is of.
#[derive(Debug, Clone)]
pub struct Other {
    /// `owner/name`, as the log names it.
    pub name: String,
    /// What git fetches from; `origin` for the steps.
    pub address: String,
    /// Shown to this repository's server, in a header; never in an address, an argument or a file.
    pub token: Option<String>,
    /// The address is a person's own clone, which has branches of its origin beside its own.
    pub is_clone: bool,
}

impl Other {
    pub(super) fn authorization(&self) -> Option<Authorization> {
        Authorization::of(&self.address, self.token.as_deref()?)
    }
}

/// What a checkout leaves HEAD at.
enum Head {
    /// Checked out under its own name; `from` is the whole ref that is fetched.
    Branch { name: String, from: String },
    /// A tag, a commit or another ref, with HEAD detached.
    Detached(String),
}

impl Head {
    fn branch(name: &str) -> Self {
        Self::Branch { name: name.to_owned(), from: format!("refs/heads/{name}") }
    }
}

/// Fetches another repository, and leaves HEAD as the service does: at a branch under its name, else detached.
pub(super) async fn fetch(git: &Git<'_>, other: &Other, wanted: &Checkout) -> Result<String, CheckoutError> {
    let asked = wanted.git_ref.as_deref().filter(|git_ref| !git_ref.is_empty());
    let head = head(git, other, asked).await?;
    let depth = wanted.depth.map(|depth| format!("--depth={depth}"));
    let mut arguments = vec!["fetch", "-q", "--no-recurse-submodules", "--force"];
    arguments.extend(depth.as_deref());
    arguments.push(if wanted.tags { "--tags" } else { "--no-tags" });
    arguments.push(&other.address);
    let wants = match &head {
        Head::Branch { name, from } => format!("+{from}:refs/remotes/origin/{name}"),
        // A tag keeps its name, and what it says.
        Head::Detached(tag) if tag.starts_with("refs/tags/") => format!("+{tag}:{tag}"),
        Head::Detached(git_ref) => git_ref.clone(),
    };
    arguments.push(&wants);
    arguments.extend(wanted.depth.is_none().then_some("+refs/heads/*:refs/remotes/origin/*"));
    git.run(&arguments).await?;
    match &head {
        Head::Branch { name, .. } => {
            let at = format!("refs/remotes/origin/{name}");
            git.run(&["checkout", "-q", "--force", "-B", name, &at]).await?;
        }
        Head::Detached(git_ref) => {
            let at = if git_ref.starts_with("refs/tags/") { git_ref } else { "FETCH_HEAD" };
            git.run(&["checkout", "-q", "--force", "--detach", at]).await?;
        }
    }
    let commit = git.read(&["rev-parse", "HEAD"]).await?;
    Ok(format!("Checked out {} {} at {}", other.name, asked.unwrap_or("(default branch)"), commit.trim()))
}

/// What the ref names in the other repository: a branch first, as `actions/checkout` looks, then a tag. None: its default
/// branch.
async fn head(git: &Git<'_>, other: &Other, asked: Option<&str>) -> Result<Head, CheckoutError> {
    let Some(asked) = asked else {
        let listed = git.read(&["ls-remote", "--symref", &other.address, "HEAD"]).await?;
        let named = listed.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.split('\t').next());
        return Ok(named.map_or(Head::Detached("HEAD".to_owned()), Head::branch));
    };
    if asked.parse::<CommitSha>().is_ok() {
        return Ok(Head::Detached(asked.to_owned()));
    }
    if let Some(branch) = asked.strip_prefix("refs/heads/") {
        return Ok(Head::branch(branch));
    }
    if asked.starts_with("refs/") {
        return Ok(Head::Detached(asked.to_owned()));
    }
    let (branch, tag) = (format!("refs/heads/{asked}"), format!("refs/tags/{asked}"));
    let remote = format!("refs/remotes/origin/{asked}");
    let listed = git.read(&["ls-remote", &other.address, &branch, &tag, &remote]).await?;
    let has = |name: &str| listed.lines().any(|line| line.ends_with(&format!("\t{name}")));
    if has(&branch) {
        Ok(Head::branch(asked))
    } else if other.is_clone && has(&remote) {
        Ok(Head::Branch { name: asked.to_owned(), from: remote })
    } else if has(&tag) {
        Ok(Head::Detached(tag))
    } else {
        Err(CheckoutError::NoRef { wanted: asked.to_owned(), repository: other.name.clone() })
    }
}
