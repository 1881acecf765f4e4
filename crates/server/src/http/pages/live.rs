use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use sluice_view::Region;

use crate::app::App;
use crate::change::{Change, Listener};
use crate::refusal::Refusal;

/// At most so often a page is drawn anew.
const PAUSE: Duration = Duration::from_millis(200);
/// A comment so often keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a live page needs to be drawn again.
pub(crate) struct Drawn {
    pub(crate) regions: Vec<Region>,
    /// Nothing more will come.
    pub(crate) is_over: bool,
}

/// Sends the regions of a page, at first all, then those that differ whenever something that concerns it changed.
pub(crate) fn stream<D, F>(
    app: Arc<App>,
    concerns: impl Fn(&Change) -> bool + Send + Sync + 'static,
    draw: D,
) -> Response
where
    D: Fn() -> F + Send + 'static,
    F: Future<Output = Result<Drawn, Refusal>> + Send,
{
    let listener = app.changes.listen();
    let page = LivePage {
        open: Open::new(app),
        listener,
        concerns,
        draw,
        sent: HashMap::new(),
        state: State::First,
    };
    events(futures_util::stream::unfold(page, |mut page| async move {
        let text = page.next().await?;
        Some((Ok(Bytes::from(text)), page))
    }))
}

/// An answer of server-sent events.
pub(crate) fn events(
    chunks: impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Counts a stream while it is open.
pub(crate) struct Open {
    pub(crate) app: Arc<App>,
}

impl Open {
    pub(crate) fn new(app: Arc<App>) -> Self {
        app.counters.streams.fetch_add(1, Ordering::Relaxed);
        Self { app }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.counters.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) const END: &str = "event: end\ndata:\n\n";

struct LivePage<C, D> {
    open: Open,
    listener: Listener,
    concerns: C,
    draw: D,
    /// What the browser has of each region.
    sent: HashMap<&'static str, String>,
    state: State,
}

enum State {
    First,
    Live,
    Over,
}

impl<C, D, F> LivePage<C, D>
where
    C: Fn(&Change) -> bool,
    D: Fn() -> F,
    F: Future<Output = Result<Drawn, Refusal>>,
{
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Option<String> {
        match self.state {
            State::First => self.state = State::Live,
            State::Live => {
                tokio::select! {
                    goes_on = self.listener.wait_for(&self.concerns) => if !goes_on { return None },
                    () = tokio::time::sleep(KEEP_ALIVE) => return Some(":\n\n".to_owned()),
                    () = self.open.app.stopping.cancelled() => return None,
                }
                // What comes within the pause is drawn with the rest.
                tokio::time::sleep(PAUSE).await;
            }
            State::Over => return None,
        }
        let drawn = match (self.draw)().await {
            Ok(drawn) => drawn,
            // The page itself says what is wrong, when it is loaded again.
            Err(_) => return None,
        };
        let mut text = String::new();
        for region in drawn.regions {
            if self.sent.get(region.name) != Some(&region.html) {
                text.push_str(&region.to_message());
                self.sent.insert(region.name, region.html);
            }
        }
        if drawn.is_over {
            self.state = State::Over;
            text.push_str(END);
        }
        // Nothing differed: a comment, so that the stream goes on.
        Some(if text.is_empty() { ":\n\n".to_owned() } else { text })
    }
}
