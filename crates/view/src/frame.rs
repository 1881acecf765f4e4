use maud::{DOCTYPE, Markup, html};
use sluice_model::{Timestamp, UserName};

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

pub(crate) fn shell(frame: &Frame, title: &str, body: Markup) -> Markup {
    let _ = (frame, asset_path("sluice.css"), paths::home());
    html! { (DOCTYPE) title { (title) } h1 { (title) } (body) }
}
