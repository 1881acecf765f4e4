use maud::{Markup, html};
use sluice_model::RepositoryName;

use crate::frame::{Place, Tab};
use crate::time::size;
use crate::{Frame, paths};

/// The files of one artifact of a run.
#[derive(Debug, Clone)]
pub struct ArtifactPage {
    pub repository: RepositoryName,
    pub run_number: u64,
    pub name: String,
    /// In their order.
    pub files: Vec<ArtifactFile>,
    /// There are more files than are listed.
    pub has_more: bool,
}

#[derive(Debug, Clone)]
pub struct ArtifactFile {
    /// Relative to the artifact, with `/`.
    pub path: String,
    pub size_bytes: u64,
}

impl ArtifactPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        let run = paths::run(&self.repository, self.run_number);
        frame.document(
            &Place::inside(&self.name, &self.repository, Tab::Runs),
            html! {
                div.title { h1 { (self.name) } }
                p.dim { "Artifact of run " a href=(run) { "#" (self.run_number) } }
                ul.results {
                    @for file in &self.files {
                        li data-row {
                            a href=(paths::artifact_file(&self.repository, self.run_number, &self.name, &file.path)) download { (file.path) }
                            " " span.dim { (size(file.size_bytes)) }
                        }
                    }
                }
                @if self.has_more { p.dim { "There are more files than these: every file has its address." } }
            },
        )
    }
}
