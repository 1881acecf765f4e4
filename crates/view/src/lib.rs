//! Page structs to HTML: the server fills plain data, this crate draws it. Never does I/O, and never reads a clock.
//!
//! Every page is a struct with `render(&self, &Frame) -> Markup`. Pages that live have also
//! `regions(&self, &Frame) -> Vec<Region>`; see [`Region`] for what the server sends, and [`LogFeed`] for the log's own stream.
//! [`paths`] makes every address, so that a link and a route cannot drift apart. [`asset`] serves the stylesheet and the scripts,
//! and [`CONTENT_SECURITY_POLICY`] is what the pages keep to.

mod artifact;
mod assets;
mod board;
mod failure;
mod frame;
mod gate;
mod home;
mod images;
mod job;
mod markdown;
mod may;
mod parts;
pub mod paths;
mod people;
mod problem;
mod region;
mod release;
mod run;
mod runs;
mod sign_in;
mod status;
mod time;

pub use artifact::{ArtifactFile, ArtifactPage};
pub use assets::{Asset, asset, asset_path, assets};
pub use board::{
    BoardPage, Change, ChangedCommit, ChangedImage, Column, Failed, Live, Next, Promotion, PromotionStage,
    Replicas, Rollback,
};
pub use failure::{ErrorLine, FailedTest, TestCounts};
pub use frame::{CONTENT_SECURITY_POLICY, Frame, Notice, Tone, Viewer};
pub use gate::{Decision, GateWait, Verdict};
pub use home::{HomePage, RepositoryRow, Stage};
pub use images::{ImagePusher, ImageSection, ImagesPage, MirrorSection, TaggedImage};
pub use job::{JobPage, LogFeed, LogLine, LogStream, PAGE_LINES, Sibling};
pub use may::May;
pub use people::{Access, FreshToken, PeoplePage, Person, TokenRow};
pub use problem::{NextStep, ProblemPage};
pub use region::Region;
pub use release::{
    ImageRow, Origin, PromotionRow, ReleasePage, ReleaseRow, ReleasesPage, Station, StationState,
};
pub use run::{Artifact, Instance, Job, ReleaseLink, RunPage, Step, Summary};
pub use runs::{RunFilters, RunRow, RunsPage};
pub use sign_in::SignInPage;
pub use status::Status;
