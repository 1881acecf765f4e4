use crate::{Frame, frame::shell};
use maud::{Markup, html};
use sluice_model::{EnvironmentName, RepositoryName};

use crate::{RunRow, Status};

/// `/`: the repositories that the viewer may read.
#[derive(Debug, Clone)]
pub struct HomePage {
    pub repositories: Vec<RepositoryRow>,
    /// The server's own address, for the commands of an empty page: `http://127.0.0.1:7000`.
    pub server_url: String,
}

#[derive(Debug, Clone)]
pub struct RepositoryRow {
    pub name: RepositoryName,
    pub last_run: Option<RunRow>,
    /// The environments, in order.
    pub stages: Vec<Stage>,
    /// How many gates wait for somebody, over runs and promotions.
    pub waiting: u32,
}

/// An environment in brief.
#[derive(Debug, Clone)]
pub struct Stage {
    pub environment: EnvironmentName,
    /// None: nothing was ever delivered.
    pub version: Option<String>,
    /// `Passed` where it is live and healthy, `Running` while it deploys, `Waiting` at a gate, `Failed` when unhealthy.
    pub status: Status,
}

impl HomePage {
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, "Repositories", html! {})
    }
}
