use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::stream::Inbound;

type Connection = http1::Connection<TokioIo<TcpStream>, Inbound>;

/// One HTTP/1.1 connection to an instance.
///
/// hyper expects its connection future to run in a task of its own. Here whoever waits for the response polls it:
/// a request costs no switch between tasks, and so no second round through the scheduler. What hyper's channels
/// would wake is polled right after the connection, which is why they are given a waker that does nothing.
pub struct Link {
    sender: SendRequest<Inbound>,
    /// None once the connection has ended.
    connection: Option<Connection>,
}

/// Why there is no response.
#[derive(Debug)]
pub enum Unanswered {
    /// Not a byte of the request left: it can go anywhere.
    Unsent { request: Box<Request<Inbound>>, reason: String },
    /// The instance may have acted on it.
    Lost { reason: String },
}

impl Link {
    /// # Errors
    /// When the instance does not take the connection within `limit`.
    pub async fn open(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = dial(address, limit).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| io::Error::other(text(&error)))?;
        Ok(Self { sender, connection: Some(connection) })
    }

    /// Lets the connection do what it can now. False when it has ended, or cannot take a request.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.connection.is_some() && self.sender.is_ready()
    }

    /// True when the connection goes on.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.connection = None;
        }
        self.connection.is_some()
    }

    /// The response's headers. Its body comes out of the returned `Incoming` while the link is driven.
    ///
    /// # Errors
    /// [`Unanswered`] says whether the request may be repeated.
    pub async fn send(&mut self, request: Request<Inbound>) -> Result<Response<Incoming>, Unanswered> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        let result = std::future::poll_fn(|cx| {
            if let Some(running) = connection
                && Pin::new(running).poll(cx).is_ready()
            {
                // Dropping it gives back the request that it had not begun to send.
                *connection = None;
            }
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending if connection.is_none() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
                Poll::Ready(result) => Poll::Ready(Some(result)),
            }
        })
        .await;
        match result {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut failed)) => match failed.take_message() {
                Some(request) => {
                    Err(Unanswered::Unsent { request: Box::new(request), reason: text(failed.error()) })
                }
                None => Err(Unanswered::Lost { reason: text(failed.error()) }),
            },
            None => Err(Unanswered::Lost { reason: "the connection was closed".to_owned() }),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("open", &self.connection.is_some()).finish_non_exhaustive()
    }
}

/// # Errors
/// What the system says, or `TimedOut`.
pub async fn dial(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the connection was not taken in time"))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An error with its causes: hyper's own text says too little.
pub fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
