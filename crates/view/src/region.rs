use maud::{Markup, PreEscaped, html};

/// A named part of a page that the server sends anew when something happened.
///
/// # The contract
///
/// A page's markup holds `<section data-region="NAME" data-events="ADDRESS">` for each of its regions; all regions of a page
/// share one address, which [`crate::paths`] gives (`run_events`, `board_events`, …). The script opens one `EventSource` on it.
///
/// The server answers with `text/event-stream`:
///
/// - one message a region, **event = the region's name, data = its HTML** ([`Region::to_message`] writes exactly that). The
///   script morphs the section's content into it: open folds, focus and half-typed comments stay;
/// - first of all, after connecting and after every reconnecting, the present state of all regions, for something may have
///   happened between the page and the stream. So no message needs an id, and none is replayed;
/// - afterwards, upon every event that concerns the page, all of `regions()` or those that differ; at most about five times a
///   second. Relative times and running durations need no message: the script counts them on;
/// - `event: end` (data: empty) when nothing more can come; the script closes the stream. On shutdown the server just ends it;
/// - a comment line (`:`) every 15 s keeps proxies from closing it.
///
/// Regions are drawn for one viewer (buttons differ), so a stream is drawn for the account that opened it.
/// Without scripts nothing is lost: the page itself holds the regions' content, and forms post and redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Of `a-z` and `-`.
    pub name: &'static str,
    /// The section's inner HTML.
    pub html: String,
}

impl Region {
    pub(crate) fn new(name: &'static str, content: Markup) -> Self {
        Self { name, html: content.into_string() }
    }

    /// The server-sent message, with its closing empty line.
    pub fn to_message(&self) -> String {
        message(self.name, &self.html)
    }

    /// The section that the script fills from `events`. `label` names the landmark for a screen reader.
    pub(crate) fn section(self, label: &str, events: &str) -> Markup {
        html! {
            section class={ "region region-" (self.name) } aria-label=(label) data-region=(self.name) data-events=(events) {
                (PreEscaped(self.html))
            }
        }
    }
}

/// One server-sent message. A carriage return ends a line there as a newline does, so both split the data.
pub(crate) fn message(event: &str, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + data.len() / 64 + 32);
    text.push_str("event: ");
    text.push_str(event);
    text.push('\n');
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}
