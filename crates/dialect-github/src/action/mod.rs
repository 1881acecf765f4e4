//! Action manifests: what `action.yml` says, typed.

mod convert;
mod manifest;
mod read;

pub use manifest::{ActionInput, ActionManifest, ActionRuns, DockerImage, DockerRuns, NodeRuns, Staged};
pub use read::{ReadAction, read_action};
