use std::path::Path;
use std::process::Command;

use sluice_dialect_github::{CommitFacts, Person};

/// What git says about a working tree. Asked in three processes at once, for each costs more than reading the pipelines.
pub struct Checkout {
    pub head: Option<Head>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    pub origin_url: Option<String>,
    /// Every branch, and those of the other refs that were asked for that there are, each with what it points to when it
    /// is symbolic.
    refs: Vec<(String, String)>,
}

/// The commit that is checked out.
pub struct Head {
    pub sha: String,
    pub before: Option<String>,
    pub subject: String,
    /// What events say of it.
    pub facts: CommitFacts,
}

/// Fields of a commit that end with NUL, in the order in which [`Head::of`] reads them.
const HEAD_FORMAT: &str = "--format=%H%x00%P%x00%s%x00%T%x00%an%x00%ae%x00%cn%x00%ce%x00%cI%x00%B";
const ORIGIN_HEAD: &str = "refs/remotes/origin/HEAD";
const ORIGIN: &str = "refs/remotes/origin/";

impl Checkout {
    /// `tag`: a name that may be a tag's.
    pub fn of(root: &Path, tag: Option<&str>) -> Self {
        let log = ["log", "-1", "--no-show-signature", HEAD_FORMAT, "HEAD"];
        let tag = tag.map(|tag| format!("refs/tags/{tag}"));
        // `*` marks the branch that is checked out.
        let mut refs =
            vec!["for-each-ref", "--format=%(HEAD)%(refname) %(symref)", ORIGIN_HEAD, "refs/heads"];
        refs.extend(tag.as_deref());
        std::thread::scope(|scope| {
            let head = scope.spawn(|| git(root, &log).and_then(|text| Head::of(&text)));
            let origin_url = scope.spawn(|| git(root, &["config", "--get", "remote.origin.url"]));
            let refs = git(root, &refs).unwrap_or_default();
            let branch = refs.lines().find_map(|line| line.strip_prefix("*refs/heads/"));
            Self {
                branch: branch.map(|line| line.trim_end().to_owned()),
                refs: refs.lines().filter_map(known_ref).collect(),
                head: head.join().unwrap_or_default(),
                origin_url: origin_url.join().unwrap_or_default(),
            }
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.refs.iter().any(|(known, _)| known == name)
    }

    /// `origin`'s, else `main` or `master`, whichever there is, else the branch that is checked out.
    pub fn default_branch(&self) -> String {
        let origin_head = self.refs.iter().find(|(name, _)| name == ORIGIN_HEAD);
        if let Some(branch) = origin_head.and_then(|(_, target)| target.strip_prefix(ORIGIN)) {
            return branch.to_owned();
        }
        match ["main", "master"].into_iter().find(|name| self.has(&format!("refs/heads/{name}"))) {
            Some(name) => name.to_owned(),
            None => self.branch.clone().unwrap_or_else(|| "main".to_owned()),
        }
    }
}

impl Head {
    fn of(log: &str) -> Option<Self> {
        let mut fields = log.splitn(10, '\0');
        let sha = fields.next()?.to_owned();
        let before =
            fields.next().and_then(|parents| parents.split(' ').next()).filter(|sha| !sha.is_empty());
        let before = before.map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default().to_owned();
        let (subject, tree) = (field(), field());
        let author = Person { name: field(), email: field() };
        let committer = Person { name: field(), email: field() };
        let (timestamp, message) = (field(), field().trim_end().to_owned());
        let facts = CommitFacts { tree, message, author, committer, timestamp };
        Some(Self { sha, before, subject, facts })
    }
}

/// Of a mark, a name, and what it points to.
fn known_ref(line: &str) -> Option<(String, String)> {
    let (name, target) = line.get(1..)?.split_once(' ')?;
    Some((name.to_owned(), target.to_owned()))
}

/// What git says, without its last newline; none where it fails.
pub fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end_matches('\n').to_owned()).filter(|text| !text.is_empty())
}
