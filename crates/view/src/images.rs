use maud::{Markup, html};
use sluice_model::{Digest, EnvironmentName, InstanceId, RepositoryName, Timestamp};

use crate::frame::{Place, Tab};
use crate::parts::empty;
use crate::time::{count, size, when};
use crate::{Frame, Status, paths};

/// `/OWNER/NAME/images`: what the repository keeps in the registry.
#[derive(Debug, Clone)]
pub struct ImagesPage {
    pub repository: RepositoryName,
    /// Where clients reach the registry: `127.0.0.1:7000`.
    pub host: String,
    pub images: Vec<ImageSection>,
    /// The registries that the server mirrors, for all repositories.
    pub mirrors: Vec<MirrorSection>,
}

/// Another registry, whose images are served and kept under a name here.
#[derive(Debug, Clone)]
pub struct MirrorSection {
    /// `hub`
    pub name: String,
    /// Host, port and path.
    pub upstream: String,
    pub repositories: u64,
    pub size_bytes: u64,
    /// Manifests and blobs since the server's start, out of what is kept and from upstream.
    pub cached: u64,
    pub fetched: u64,
    pub fetched_bytes: u64,
    /// Why the other registry cannot be reached at present.
    pub problem: Option<String>,
}

/// One image repository.
#[derive(Debug, Clone)]
pub struct ImageSection {
    /// `storefront/api`
    pub name: String,
    /// All that it holds, each blob once.
    pub size_bytes: u64,
    /// What no other image repository holds as well: what its removal would free.
    pub own_bytes: u64,
    /// Newest first.
    pub tags: Vec<TaggedImage>,
    /// How many more tags there are than are listed.
    pub more: u64,
}

#[derive(Debug, Clone)]
pub struct TaggedImage {
    pub tag: String,
    pub digest: Digest,
    pub set_at: Timestamp,
    pub by: ImagePusher,
    /// `linux/amd64`; several for an index.
    pub platforms: Vec<String>,
    /// Of the configuration and all layers; of an index, those of all its images.
    pub size_bytes: u64,
    /// From the bottom; none for an index.
    pub layers: Vec<(Digest, u64)>,
    /// The server has signed how it was made.
    pub has_provenance: bool,
    pub has_bill_of_materials: bool,
    /// The releases that it is in, with the environments where each is live.
    pub releases: Vec<(String, Vec<EnvironmentName>)>,
}

/// Whose credential pushed a tag.
#[derive(Debug, Clone)]
pub enum ImagePusher {
    /// A run's job; the number is the run's.
    Job {
        run: u64,
        instance: InstanceId,
    },
    Person(String),
}

impl ImagesPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        frame.document(
            &Place::inside("Images", &self.repository, Tab::Images),
            html! {
                div.title { h1 { "Images" } }
                @if self.images.is_empty() {
                    (empty(
                        "No image yet.",
                        "A pipeline pushes to the images that sluice.yaml names, with the credential that its job has.",
                        &["sluice image copy oci-archive:image.tar \"$SLUICE_REGISTRY/NAME:$TAG\""],
                    ))
                }
                @for image in &self.images { (image.render(self, frame)) }
                @if !self.mirrors.is_empty() {
                    h2 { "Mirrored registries" }
                    ul.tags { @for mirror in &self.mirrors { li data-row { (mirror.render(&self.host)) } } }
                }
            },
        )
    }
}

impl MirrorSection {
    fn render(&self, host: &str) -> Markup {
        html! {
            div.what {
                b { (self.name) } " " code { (host) "/" (self.name) "/…" } " comes from " (self.upstream)
            }
            p.dim {
                (count(self.repositories, "image")) ", " (size(self.size_bytes)) " here; since the server's start "
                (self.cached) " served from here, " (self.fetched) " fetched (" (size(self.fetched_bytes)) ")"
            }
            @if let Some(problem) = &self.problem {
                p { (Status::Failed.icon()) " " (problem) "; what is here is served meanwhile" }
            }
        }
    }
}

impl ImageSection {
    fn render(&self, page: &ImagesPage, frame: &Frame) -> Markup {
        html! {
            section.image aria-label=(self.name) {
                h2 { (self.name) }
                p.dim {
                    (size(self.size_bytes)) " here"
                    @if self.own_bytes < self.size_bytes { ", " (size(self.own_bytes)) " of it shared with no other image" }
                    ", " (count(self.tags.len() as u64 + self.more, "tag"))
                }
                ul.tags { @for tag in &self.tags { li data-row { (tag.render(&self.name, page, frame)) } } }
                @if self.more > 0 {
                    p.dim { (self.more) " older: " code { "sluice image ls " (page.host) "/" (self.name) } " lists them all" }
                }
            }
        }
    }
}

impl TaggedImage {
    fn render(&self, image: &str, page: &ImagesPage, frame: &Frame) -> Markup {
        let repository = &page.repository;
        html! {
            div.what {
                b { bdi { (self.tag) } }
                @if self.has_provenance { " " span.badge.is-passed { (Status::Passed.icon()) "signed" } }
                @if self.has_bill_of_materials { " " span.dim { "bill of materials" } }
                @for (version, live_in) in &self.releases {
                    " " span { "release " a.version href=(paths::release(repository, version)) { bdi { (version) } } }
                    @for environment in live_in { " " span.badge.is-passed { (Status::Passed.icon()) "live in " (environment) } }
                }
            }
            p.dim {
                (size(self.size_bytes))
                @if !self.platforms.is_empty() { ", " (self.platforms.join(", ")) }
                ", pushed " (when(frame.now, self.set_at)) " by "
                @match &self.by {
                    ImagePusher::Job { run, instance } => {
                        a href=(paths::job(repository, *run, instance)) { (instance) } " of run "
                        a href=(paths::run(repository, *run)) { "#" (run) }
                    },
                    ImagePusher::Person(name) => (name),
                }
            }
            details {
                summary { "Digest" @if !self.layers.is_empty() { " and " (count(self.layers.len() as u64, "layer")) } }
                code.digest { (page.host) "/" (image) wbr; "@" wbr; (self.digest) }
                @if !self.layers.is_empty() {
                    ol.layers { @for (digest, bytes) in &self.layers { li { code.digest { (digest) } " " span.dim { (size(*bytes)) } } } }
                }
                @if self.has_provenance { p { "Who built it, from which commit: " code { "sluice image verify " (page.host) "/" (image) ":" (self.tag) } } }
            }
        }
    }
}
