//! GitHub Actions workflow and action text to plans and diagnostics. Pure: no I/O, and no other dialect.

mod action;
mod call;
mod combinations;
mod convert;
mod dispatch;
mod filter;
mod ids;
mod inline;
mod limits;
mod lint;
mod lower;
mod objects;
mod payload;
mod permissions;
mod place;
mod read;
mod reader;
mod rewrite;
mod schema;
mod select;
mod spread;
mod token;
mod trigger;
mod workflow;

pub use action::{
    ActionInput, ActionManifest, ActionRuns, DockerImage, DockerRuns, NodeRuns, ReadAction, Staged,
    read_action,
};
pub use filter::{Pattern, PatternError, is_selected};
pub use limits::Limits;
pub use payload::{CommitFacts, Facts, Person, overlaid, payload};
pub use permissions::{DefaultGrants, Grants, Level};
pub use read::{Options, Read, read, read_with};
pub use select::Selection;
pub use token::{Content, Token, combined};
pub use trigger::{CallOutput, EventFilter, Input, InputKind, Patterns, Schedule, SecretInput};
pub use workflow::{
    CallBody, JobBody, MissingFile, Needed, StepsBody, Workflow, WorkflowJob, whole_condition,
};
