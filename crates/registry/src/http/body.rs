use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// So much of a body that nobody wanted is read to its end. A connection that is closed in the middle of it may lose
/// the answer, or the client's next request.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;

/// What a handler left of a request's body.
#[derive(Default)]
pub struct Rest {
    left: Arc<Mutex<Option<BodyDataStream>>>,
}

impl Rest {
    /// The body for the handler; what it does not read comes back here.
    pub fn lend(&self, body: Body) -> Body {
        let lent = Lent { body: Some(body.into_data_stream()), back: self.left.clone() };
        Body::from_stream(lent)
    }

    /// Reads what is left, or has the connection closed where that would be too much.
    pub async fn drain(self, request: &Parts, response: &mut Response<Body>) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut left) = left else { return };
        let mut close = || {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        };
        // A client that waits to be asked for its body must not be asked for it now.
        if request.headers.contains_key(EXPECT) || declared_bytes(request) > DRAINED_BYTES as u64 {
            return close();
        }
        let mut read = 0;
        while let Some(Ok(piece)) = left.next().await {
            read += piece.len();
            if read > DRAINED_BYTES {
                return close();
            }
        }
    }
}

/// Nothing where the client does not say.
fn declared_bytes(request: &Parts) -> u64 {
    let length = request.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

struct Lent {
    body: Option<BodyDataStream>,
    back: Arc<Mutex<Option<BodyDataStream>>>,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let piece = body.poll_next_unpin(context);
        if matches!(piece, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        piece
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}
