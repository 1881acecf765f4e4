use sluice_model::RepositoryName;

/// Why git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    #[error("there is no repository `{0}`: push to it to make it")]
    NoRepository(RepositoryName),
    /// Not one of the three addresses of git's smart HTTP protocol.
    #[error(
        "git asked for `{asked}`, which is not served: use git 1.6.6 or newer, whose protocol is `smart HTTP`"
    )]
    NotServed { asked: String },
    #[error("`{path}` at {sha} has more than {limit} bytes")]
    FileTooLarge { path: String, sha: String, limit: u64 },
    #[error("{path} is not in a git repository: run `git init` there first")]
    NotARepository { path: String },
    #[error("the repository at {path} has no commit yet: commit once, then run again")]
    NoCommit { path: String },
    /// Git said no; its own words.
    #[error("git {command}: {message}")]
    Git { command: String, message: String },
    #[error("git {command} gave what cannot be read: {reason}")]
    Unreadable { command: &'static str, reason: String },
    #[error("git did not start: {0} (is git installed?)")]
    Spawn(std::io::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
