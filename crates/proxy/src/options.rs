use std::path::PathBuf;
use std::time::Duration;

/// How one proxy process is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state folder: routes, control socket, lock and log. Made when it is missing, for its owner only.
    pub state: PathBuf,
    /// Threads that forward requests; 0 means one a processor, at most 16.
    pub workers: usize,
    pub limits: Limits,
}

impl Options {
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into(), workers: 0, limits: Limits::default() }
    }
}

/// What a stranger, or a service that hangs, can take of the proxy.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections from clients at once; one more is answered 503 and closed.
    pub connections: usize,
    /// A request's line and headers together; one more byte is answered 431.
    pub header_bytes: usize,
    /// From the first byte of a connection, or the end of the last response, to the end of a request's headers.
    pub header_read: Duration,
    /// A client that neither sends nor takes a byte of a body for this long is cut off.
    pub client_stall: Duration,
    /// To open a connection to an instance.
    pub connect: Duration,
    /// From the request's last byte to the response's headers; then 504. Bodies may take as long as they move.
    pub response: Duration,
    /// How long a request that could not be delivered is offered to other or new instances before 502.
    pub retry: Duration,
    /// An unused connection to an instance is closed after this.
    pub idle: Duration,
    /// At the end of the process: how long requests in flight may take.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 64 * 1024,
            header_read: Duration::from_secs(60),
            client_stall: Duration::from_secs(60),
            connect: Duration::from_secs(2),
            response: Duration::from_secs(60),
            retry: Duration::from_secs(2),
            idle: Duration::from_secs(30),
            shutdown: Duration::from_secs(10),
        }
    }
}
