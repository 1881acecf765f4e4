use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::link::Link;
use crate::upstream::InFlight;

/// One of the client connections that the limit allows.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Place {
    /// None when `most` are taken.
    pub fn take(places: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(places.clone());
        (places.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the client stopped sending")]
    ClientStalled,
    #[error("the instance closed the connection before the end of the body")]
    Cut,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// A request's body on its way to an instance.
#[derive(Debug)]
pub enum Inbound {
    Empty,
    Client(ClientBody),
}

#[derive(Debug)]
pub struct ClientBody {
    incoming: Incoming,
    stall: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    progress: Arc<Upload>,
}

/// How far a request's body is, for whoever waits for the response.
#[derive(Debug, Default)]
pub struct Upload {
    finished: AtomicBool,
    stalled: AtomicBool,
}

impl Upload {
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }
    pub fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}

impl Inbound {
    /// The body, and how far it is; none where there is no body.
    pub fn new(incoming: Incoming, stall: Duration) -> (Self, Option<Arc<Upload>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let progress = Arc::new(Upload::default());
        let body = ClientBody { incoming, stall, waiting: None, progress: progress.clone() };
        (Self::Client(body), Some(progress))
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Client(body) = self.get_mut() else { return Poll::Ready(None) };
        match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                body.waiting = None;
                if !matches!(frame, Some(Ok(_))) || body.incoming.is_end_stream() {
                    body.progress.finished.store(true, Ordering::Relaxed);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
            }
            Poll::Pending => {
                let stall = body.stall;
                let waiting = body.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                ready!(waiting.as_mut().poll(cx));
                body.progress.stalled.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(BodyError::ClientStalled)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.incoming.size_hint(),
        }
    }
}

/// A response's body on its way to the client.
#[derive(Debug)]
pub enum Outbound {
    /// The proxy's own words.
    Own(Full<Bytes>),
    Relay(Relay),
}

/// The body that an instance sends. It counts as in flight until its end, and then gives the connection back.
#[derive(Debug)]
pub struct Relay {
    incoming: Incoming,
    driver: Driver,
    in_flight: Option<InFlight>,
    worker: usize,
    ended: bool,
}

/// Who polls the connection that the body comes from.
#[derive(Debug)]
pub enum Driver {
    /// The body itself.
    Inline(Box<Link>),
    /// A task of its own.
    Elsewhere,
    Gone,
}

impl Relay {
    pub fn new(incoming: Incoming, driver: Driver, in_flight: InFlight, worker: usize) -> Self {
        let mut relay = Self { incoming, driver, in_flight: Some(in_flight), worker, ended: false };
        if relay.incoming.is_end_stream() {
            relay.end();
        }
        relay
    }

    fn end(&mut self) {
        self.ended = true;
        let driver = std::mem::replace(&mut self.driver, Driver::Gone);
        let Some(in_flight) = self.in_flight.take() else { return };
        if let Driver::Inline(mut link) = driver
            && link.poll_ready(&mut Context::from_waker(Waker::noop()))
        {
            in_flight.upstream.put_idle(self.worker, link);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = match &mut self.driver {
            Driver::Elsewhere => ready!(Pin::new(&mut self.incoming).poll_frame(cx)),
            Driver::Gone => return Poll::Ready(Some(Err(BodyError::Cut))),
            Driver::Inline(link) => {
                let mut idle = Context::from_waker(Waker::noop());
                match Pin::new(&mut self.incoming).poll_frame(&mut idle) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        let goes_on = link.drive(cx);
                        match Pin::new(&mut self.incoming).poll_frame(&mut idle) {
                            Poll::Ready(frame) => frame,
                            Poll::Pending if goes_on => return Poll::Pending,
                            Poll::Pending => return Poll::Ready(Some(Err(BodyError::Cut))),
                        }
                    }
                }
            }
        };
        Poll::Ready(match polled {
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.end();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None => {
                self.end();
                None
            }
        })
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Self::Relay(relay) => relay.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Relay(relay) => relay.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Relay(relay) => relay.incoming.size_hint(),
        }
    }
}

/// A client's connection that is cut off when it takes no byte for `stall`. Reading has its own limits: hyper's for
/// headers, [`Inbound`]'s for bodies.
#[derive(Debug)]
pub struct ClientStream {
    stream: TcpStream,
    stall: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Goes wherever the stream goes, into a tunnel too.
    _place: Place,
}

impl ClientStream {
    pub fn new(stream: TcpStream, stall: Duration, place: Place) -> Self {
        Self { stream, stall, waiting: None, _place: place }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let stall = self.stall;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, from);
        self.watch(cx, polled)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, from);
        self.watch(cx, polled)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
