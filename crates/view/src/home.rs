use maud::{Markup, html};
use sluice_model::{EnvironmentName, RepositoryName};

use crate::frame::Place;
use crate::parts::empty;
use crate::time::count;
use crate::{Frame, RunRow, Status, paths};

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
        frame.document(
            &Place::outside("Repositories"),
            html! {
                div.title { h1 { "Repositories" } }
                @if self.repositories.is_empty() { (self.nothing()) }
                ul.repositories { @for row in &self.repositories { li data-row { (row.render(frame)) } } }
            },
        )
    }

    fn nothing(&self) -> Markup {
        let remote = format!("git remote add sluice {}/OWNER/NAME", self.server_url);
        empty(
            "No repository yet.",
            "The first push makes it; its pipeline files are run as they are.",
            &[&remote, "git push sluice HEAD"],
        )
    }
}

impl RepositoryRow {
    fn render(&self, frame: &Frame) -> Markup {
        html! {
            div.name {
                h2 { a href=(paths::repository(&self.name)) { span.owner { (self.name.owner()) "/" } (self.name.name()) } }
                @if self.waiting > 0 {
                    a.waits href=(paths::board(&self.name)) { (Status::Waiting.icon()) span { (count(self.waiting.into(), "gate")) @if self.waiting == 1 { " waits" } @else { " wait" } } }
                }
            }
            div.last-run {
                @match &self.last_run {
                    Some(run) => (run.render(&self.name, frame.now)),
                    None => p.dim { "No run yet" },
                }
            }
            @if !self.stages.is_empty() {
                ol.stages aria-label="Environments" {
                    @for stage in &self.stages {
                        li { a href={ (paths::board(&self.name)) "#env-" (paths::segment(stage.environment.as_str())) } {
                            (stage.status.sign()) span.environment { (stage.environment) }
                            span.version { @match &stage.version { Some(version) => (version), None => "–" } }
                        } }
                    }
                }
            }
        }
    }
}
