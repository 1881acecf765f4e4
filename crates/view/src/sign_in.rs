use maud::{Markup, html};

use crate::frame::Place;
use crate::{Frame, Status, paths};

/// Where somebody without a session arrives. Posts `token` and `next` to [`crate::paths::sign_in`].
#[derive(Debug, Clone)]
pub struct SignInPage {
    /// Where to go afterwards: an address on this server.
    pub next: String,
    /// Why the last attempt failed: `This token has been revoked.`
    pub problem: Option<String>,
    /// The command that prints a token on the server's machine.
    pub command: String,
}

impl SignInPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        frame.document(
            &Place::outside("Sign in"),
            html! {
                div.narrow-page {
                    h1 { "Sign in" }
                    p { "Sluice prints a link when it starts for the first time. Open it, or paste its token here." }
                    @if let Some(problem) = &self.problem { p.notice.is-bad role="alert" { (Status::Failed.icon()) (problem) } }
                    form.stacked method="post" action=(paths::sign_in()) {
                        (frame.token())
                        input type="hidden" name="next" value=(self.next);
                        label for="token" { "Token" }
                        input #token type="password" name="token" required autocomplete="current-password" autofocus spellcheck="false";
                        button.primary type="submit" { "Sign in" }
                    }
                    p.dim { "No link, or lost it? On the server's machine this prints the administrator's token:" }
                    pre.command { span.prompt { "$ " } (self.command) }
                    p.dim { "Somebody else's server? Ask one of its administrators for a token." }
                }
            },
        )
    }
}
