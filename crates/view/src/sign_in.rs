use crate::{Frame, frame::shell};
use maud::{Markup, html};
/// Where somebody without a session arrives. Posts `token` and `next` to [`crate::paths::sign_in`].
#[derive(Debug, Clone)]
pub struct SignInPage {
    /// Where to go afterwards: an address on this server.
    pub next: String,
    /// Why the last attempt failed: `This token has been revoked.`
    pub problem: Option<String>,
    /// The command that prints a new link on the server's machine.
    pub command: String,
}

impl SignInPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, "Sign in", html! {})
    }
}
