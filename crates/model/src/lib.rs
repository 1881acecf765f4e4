//! Nouns that two or more crates share. Never a helper.

mod identity;
mod outcome;
mod trigger;

pub use identity::{
    AgentId, CommitSha, Digest, EnvironmentName, InstanceId, InvalidName, JobId, PromotionId, ReleaseId,
    RepositoryName, RunId, ServiceName, Timestamp, UserName,
};
pub use outcome::Conclusion;
pub use trigger::{Event, Trigger};
