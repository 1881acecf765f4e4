use maud::{DOCTYPE, Markup, html};
use sluice_model::{RepositoryName, Timestamp, UserName};

use crate::status::{Status, shapes};
use crate::{asset_path, paths};

/// What the pages keep to: the server sends it as `Content-Security-Policy` with every page.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every page is drawn with: who looks, and when.
#[derive(Debug, Clone)]
pub struct Frame {
    /// None: nobody has signed in.
    pub viewer: Option<Viewer>,
    /// Relative times count from it.
    pub now: Timestamp,
    /// Put into every form as the hidden field `form_token`, where the server asks for one.
    pub form_token: Option<String>,
    /// What the last form did, shown once after its redirect.
    pub notice: Option<Notice>,
}

/// The account that looks at the page.
#[derive(Debug, Clone)]
pub struct Viewer {
    pub name: UserName,
    /// Shows the way to the people page.
    pub is_admin: bool,
}

#[derive(Debug, Clone)]
pub struct Notice {
    pub tone: Tone,
    /// A whole sentence: `Approved version1.2.3 for production.`
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
}

/// Which of a repository's pages is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Runs,
    Board,
    Releases,
    Images,
}

/// Where a page stands: its title, and the repository that it belongs to.
pub(crate) struct Place<'a> {
    /// The document's title, without the repository.
    pub title: &'a str,
    pub repository: Option<(&'a RepositoryName, Tab)>,
    /// Uses the log's width.
    pub is_wide: bool,
}

impl<'a> Place<'a> {
    pub(crate) fn outside(title: &'a str) -> Self {
        Self { title, repository: None, is_wide: false }
    }

    pub(crate) fn inside(title: &'a str, repository: &'a RepositoryName, tab: Tab) -> Self {
        Self { title, repository: Some((repository, tab)), is_wide: false }
    }
}

impl Frame {
    /// The whole document around a page's content.
    pub(crate) fn document(&self, place: &Place<'_>, content: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" data-now=(self.now.0) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (place.title) @if let Some((name, _)) = place.repository { " · " (name) } " · Sluice" }
                    link rel="icon" type="image/svg+xml" href=(asset_path("icon.svg"));
                    link rel="stylesheet" href=(asset_path("sluice.css"));
                    script type="module" src=(asset_path("sluice.js")) {}
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    (shapes())
                    (self.header(place))
                    main #content .is-wide[place.is_wide] tabindex="-1" {
                        @if let Some(notice) = &self.notice { (notice.render()) }
                        (content)
                    }
                    (help(place))
                }
            }
        }
    }

    fn header(&self, place: &Place<'_>) -> Markup {
        html! {
            header.top {
                a.brand href=(paths::home()) { img src=(asset_path("icon.svg")) alt="" width="20" height="20"; span { "Sluice" } }
                @if let Some((name, tab)) = place.repository {
                    a.where href=(paths::repository(name)) { span.owner { (name.owner()) "/" } (name.name()) }
                    nav.tabs aria-label="Repository" {
                        @for (label, href, is_here) in [
                            ("Runs", paths::runs(name), tab == Tab::Runs),
                            ("Board", paths::board(name), tab == Tab::Board),
                            ("Releases", paths::releases(name), tab == Tab::Releases),
                            ("Images", paths::images(name), tab == Tab::Images),
                        ] {
                            a href=(href) aria-current=[is_here.then_some("page")] { (label) }
                        }
                    }
                }
                @if let Some(viewer) = &self.viewer {
                    details.who {
                        summary { span.unseen { "Account " } (viewer.name) }
                        div.menu {
                            @if viewer.is_admin { a href=(paths::people()) { "People and tokens" } }
                            form method="post" action=(paths::sign_out()) { (self.token()) button type="submit" { "Sign out" } }
                        }
                    }
                }
            }
        }
    }

    /// The hidden field that every form carries.
    pub(crate) fn token(&self) -> Markup {
        html! { @if let Some(token) = &self.form_token { input type="hidden" name="form_token" value=(token); } }
    }

    /// A form that is one button.
    pub(crate) fn button(&self, action: &str, fields: &[(&str, &str)], class: &str, label: &str) -> Markup {
        html! {
            form.act method="post" action=(action) {
                (self.token())
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button class=(class) type="submit" { (label) }
            }
        }
    }
}

impl Notice {
    fn render(&self) -> Markup {
        match self.tone {
            Tone::Good => html! { p.notice.is-good role="status" { (Status::Passed.icon()) (self.text) } },
            Tone::Bad => html! { p.notice.is-bad role="alert" { (Status::Failed.icon()) (self.text) } },
        }
    }
}

/// What `?` shows; the addresses of `g r` and `g b` stand in it, so that the script needs no other knowledge.
fn help(place: &Place<'_>) -> Markup {
    let goes = |key: &'static str, what: &'static str, href: String| {
        html! { tr data-go=(key) data-href=(href) { th { kbd { "g" } " " kbd { (key) } } td { (what) } } }
    };
    html! {
        dialog.help #help aria-labelledby="help-title" {
            h2 #help-title { "Keys" }
            table {
                tr { th { kbd { "/" } } td { "search" } }
                tr { th { kbd { "j" } " " kbd { "k" } } td { "next, previous row" } }
                tr { th { kbd { "enter" } } td { "open the row" } }
                (goes("h", "all repositories", paths::home().to_owned()))
                @if let Some((name, _)) = place.repository {
                    (goes("r", "runs", paths::runs(name)))
                    (goes("b", "board", paths::board(name)))
                    (goes("l", "releases", paths::releases(name)))
                    (goes("i", "images", paths::images(name)))
                }
                tr { th { kbd { "?" } } td { "this list" } }
            }
            form method="dialog" { button { "Close" } }
        }
    }
}
