use std::io;
use std::path::PathBuf;

/// The folders of one job, as the runner and as the steps see them.
#[derive(Debug, Clone)]
pub struct Layout {
    /// All of the job's folders are below it, on this machine.
    pub folder: PathBuf,
    /// What the checkout goes to, and where steps begin.
    pub workspace: Shared,
    /// Scripts, command files, the event.
    pub temp: Shared,
    pub home: Shared,
    /// GitHub's RUNNER_TOOL_CACHE.
    pub tools: Shared,
    /// Actions of other repositories, in a job of GitHub's.
    pub actions: Shared,
}

/// One folder under two names; the same name twice on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    pub outside: PathBuf,
    pub inside: String,
}

impl Shared {
    pub fn host(outside: PathBuf) -> Self {
        let inside = outside.display().to_string();
        Self { outside, inside }
    }

    pub fn at(outside: PathBuf, inside: impl Into<String>) -> Self {
        Self { outside, inside: inside.into() }
    }

    /// A path below, by steps' own name for it.
    pub fn inside(&self, below: &str) -> String {
        match below {
            "" | "." => self.inside.clone(),
            below => format!("{}/{below}", self.inside.trim_end_matches('/')),
        }
    }

    /// The folder that it is in, by steps' own name.
    pub fn parent(&self) -> &str {
        self.inside.trim_end_matches('/').rsplit_once('/').map_or("/", |(parent, _)| parent)
    }

    pub fn create(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.outside)
    }
}

impl Shared {
    /// A path as steps write it, relative to this folder unless it begins with `/`.
    pub fn resolve(&self, path: &str) -> String {
        if path.starts_with('/') {
            let trimmed = path.trim_end_matches('/');
            return if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() };
        }
        let path = path.trim_end_matches('/');
        self.inside(path.strip_prefix("./").unwrap_or(path))
    }
}
