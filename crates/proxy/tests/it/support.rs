use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sluice_proxy::{
    Control, Drain, DrainReport, Install, Limits, OpenRoute, Options, RouteKey, RouteStatus, ServeError,
    serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A proxy in this process, with one route.
pub struct Proxy {
    pub folder: tempfile::TempDir,
    pub control: Control,
    pub task: JoinHandle<Result<(), ServeError>>,
    pub route: SocketAddr,
}

pub fn key() -> RouteKey {
    RouteKey::new("acme/shop/dev/api").unwrap()
}

pub fn quick() -> Limits {
    Limits { retry: Duration::from_millis(300), ..Limits::default() }
}

pub fn run(folder: &Path, limits: Limits) -> JoinHandle<Result<(), ServeError>> {
    tokio::spawn(serve(Options { workers: 2, limits, ..Options::new(folder) }))
}

impl Proxy {
    pub async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let task = run(folder.path(), limits);
        let control = Control::new(folder.path());
        until("the proxy answers", async || control.status().await.is_ok()).await;
        let order = OpenRoute { key: key(), port: None, also_on: Vec::new() };
        let opened = control.open(vec![order]).await.unwrap();
        let route = SocketAddr::from(([127, 0, 0, 1], opened[0].port));
        Self { folder, control, task, route }
    }

    pub async fn install(&self, generation: u64, upstreams: &[SocketAddr]) {
        let order = Install { key: key(), generation, upstreams: upstreams.to_vec() };
        self.control.install(vec![order]).await.unwrap();
    }

    pub async fn drain(&self, upstream: SocketAddr, deadline_ms: u64) -> DrainReport {
        let drain = Drain { key: key(), upstreams: vec![upstream], deadline_ms };
        self.control.drain(vec![drain]).await.unwrap().remove(0)
    }

    pub async fn status(&self) -> RouteStatus {
        self.control.list().await.unwrap().remove(0)
    }

    pub async fn stop(self) -> tempfile::TempDir {
        self.control.shutdown().await.unwrap();
        self.task.await.unwrap().unwrap();
        self.folder
    }
}

/// An instance that can be killed: all its connections end at once.
pub struct Instance {
    pub address: SocketAddr,
    task: JoinHandle<()>,
    pub requests: Arc<AtomicU64>,
    /// Open now.
    pub connections: Arc<AtomicU64>,
}

impl Instance {
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let (count, open) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, count) = (answer.clone(), count.clone());
                let service = service_fn(move |request| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let open = open.clone();
                open.fetch_add(1, Ordering::SeqCst);
                running.spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, task, requests, connections }
    }

    /// Answers every request with its own name, and reads what it is sent.
    pub async fn named(name: &'static str) -> Self {
        Self::start(move |request| {
            Box::pin(async move {
                let _ = request.into_body().collect().await;
                text(name)
            })
        })
        .await
    }

    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub fn text(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(text.into()).boxed())
}

/// A client with one connection that it keeps.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    pub async fn send(&mut self, method: &str, body: &[u8]) -> Result<(u16, Bytes), String> {
        let request = Request::builder().method(method).uri("/").header("host", "shop");
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let response = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }
}

pub async fn get(address: SocketAddr) -> (u16, String) {
    let (status, body) = Client::connect(address).await.send("GET", b"").await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Writes `request`, and gives what comes back until the other side closes.
pub async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "it never happened that {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
