use sluice_model::{EnvironmentName, PromotionId, ReleaseId, ServiceName, UserName};

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the default branch has no `sluice.yaml`; add one to keep releases")]
    NoPolicy,
    #[error("`{git_ref}` makes no releases; `release.on` in `sluice.yaml` says which refs do")]
    NotAReleaseRef { git_ref: String },
    #[error("the run pushed no image `{image}` for the service `{service}`")]
    MissingImage { service: ServiceName, image: String },
    #[error("the release has an image for `{service}`, which `sluice.yaml` does not name")]
    UnknownService { service: ServiceName },
    #[error("the release has no services; name them under `services` in `sluice.yaml`")]
    NoServices,
    #[error(
        "version {version} is already release {release}, with other images; a release never changes: give this \
         one another version (a new tag, or another org.opencontainers.image.version label)"
    )]
    VersionTaken { version: String, release: ReleaseId },
    #[error("there is no release {0}")]
    UnknownRelease(ReleaseId),
    #[error("there is no promotion {0}")]
    UnknownPromotion(PromotionId),
    #[error("there is no environment `{environment}`; there are: {}", list(.known))]
    UnknownEnvironment { environment: EnvironmentName, known: Vec<EnvironmentName> },
    #[error("{version} has not been live in `{before}`, which comes before `{environment}`")]
    NotYetThrough { version: String, environment: EnvironmentName, before: EnvironmentName },
    #[error(
        "{newer} is newer than {version} and came to `{environment}` first; promote {version} by hand if it is meant"
    )]
    Overtaken { version: String, newer: String, environment: EnvironmentName },
    #[error("{by} cannot decide for `{environment}`: {who} may")]
    NotAllowed { by: UserName, environment: EnvironmentName, who: String },
    #[error("{by} caused this release and cannot approve it for `{environment}` (not_author)")]
    Author { by: UserName, environment: EnvironmentName },
    #[error("promotion {promotion} waits for no decision: it is {state}")]
    NotWaiting { promotion: PromotionId, state: &'static str },
    #[error("promotion {promotion} is {state}: this outcome comes too late or too early")]
    NotInStage { promotion: PromotionId, state: &'static str },
    #[error("`{environment}` has no earlier release to go back to")]
    NoEarlierRelease { environment: EnvironmentName },
    #[error("{version} was never live in `{environment}`: only what was can be gone back to")]
    NeverLive { version: String, environment: EnvironmentName },
    #[error("{version} is live in `{environment}` already")]
    AlreadyLive { version: String, environment: EnvironmentName },
    #[error("the gate of `{environment}` in this run was already decided the other way")]
    GateDecided { environment: EnvironmentName },
}

fn list(names: &[EnvironmentName]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ")
}
