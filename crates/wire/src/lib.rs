//! Messages between server and agents or command line, and the one client. Holds no rule.

mod account;
mod client;
mod delivery;
mod lines;
mod order;
mod registry;
mod report;
mod run;

pub use account::{
    Account, FreshRegistryToken, FreshToken, NewRegistryToken, NewToken, Problem, PutAccount, ServerVersion,
    TokenSummary,
};
pub use client::{Client, ClientError};
pub use delivery::{
    Decision, DeployRequest, EnvironmentStatus, ImageSummary, LiveRelease, Progress, PromoteRequest,
    PromotionStage, PromotionSummary, ReleaseSummary, RollbackRequest,
};
pub use order::{JobOrder, NeedResult, RegistryAccess, Secret, ServerAccess, SourceTree, SshKey};
pub use registry::{
    CollectGarbage, GarbageReport, GoneItem, GoneKind, RepositoryGarbage, RottenBlob, ScrubReport,
    SigningKeys,
};
pub use report::{JobEvent, JobReport, Level, Stream, TestCase, TestOutcome};
pub use run::{
    CancelRequest, GroupHolder, JobState, JobSummary, QueuedFor, RerunRequest, RunDetail, RunQuery, RunState,
    RunSummary, WaitingOn,
};
