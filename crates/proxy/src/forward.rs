use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Method, Request, Response, Version};

use crate::answer::Problem;
use crate::headers;
use crate::link::{Link, Unanswered};
use crate::options::Limits;
use crate::route::Route;
use crate::stream::{Driver, Inbound, Outbound, Relay, Upload};
use crate::tunnel;
use crate::upstream::Upstream;

/// A request that was lost on its way, and may be repeated, is sent this often in all: one that kills whoever takes
/// it must not go through all instances.
const SENDS: u32 = 3;

/// One thread that forwards, and its limits.
#[derive(Debug, Clone)]
pub struct Forwarder {
    pub worker: usize,
    pub limits: Arc<Limits>,
}

/// Who is at the other end of a client's connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub ip: IpAddr,
    pub text: HeaderValue,
}

impl Forwarder {
    /// Takes a request to an instance of the route and brings its response, or says why there is none.
    pub async fn forward(
        &self,
        route: &Route,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Response<Outbound> {
        let wants_close = request.version() == Version::HTTP_10;
        let mut response = match self.deliver(route, peer, request).await {
            Ok(response) => response,
            Err(problem) => problem.answer(&route.key),
        };
        if route.is_removed() && !wants_close {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        route.count_answer(response.status().as_u16());
        response
    }

    async fn deliver(
        &self,
        route: &Route,
        peer: &Peer,
        mut request: Request<Incoming>,
    ) -> Result<Response<Outbound>, Problem> {
        if route.is_removed() {
            return Err(Problem::Removed);
        }
        if request.method() == Method::CONNECT {
            return Err(Problem::Unsupported { what: "CONNECT" });
        }
        let upgrade = headers::wanted_upgrade(request.headers());
        let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        headers::prepare(&mut parts, peer.ip, &peer.text);
        let (body, upload) = Inbound::new(body, self.limits.client_stall);
        let mut request = Request::from_parts(parts, body);
        if let (Some(protocol), Some(client_side)) = (upgrade, client_side) {
            headers::set_upgrade(request.headers_mut(), protocol);
            return tunnel::open(self, route, request, client_side).await;
        }
        self.offer(route, request, upload.as_deref()).await
    }

    /// Sends the request, and again where that cannot do harm, until an instance answers it.
    async fn offer(
        &self,
        route: &Route,
        mut request: Request<Inbound>,
        upload: Option<&Upload>,
    ) -> Result<Response<Outbound>, Problem> {
        let repeatable = upload.is_none() && request.method().is_idempotent();
        let mut patience = Patience::new(&self.limits);
        let mut avoid = None;
        let mut sends = 0;
        loop {
            let Some(in_flight) = route.enter(avoid) else { return Err(Problem::NoInstance) };
            let upstream = &in_flight.upstream;
            let mut link = match self.connect(upstream).await {
                Ok(link) => link,
                Err(error) => {
                    upstream.set_down(true);
                    avoid = Some(upstream.address);
                    drop(in_flight);
                    patience.wait(Problem::Refused { reason: error.to_string() }).await?;
                    route.count_retry();
                    continue;
                }
            };
            upstream.set_down(false);
            let copy = repeatable.then(|| copy_of(&request));
            match self.exchange(&mut link, request, upload).await? {
                Ok(response) => {
                    return Ok(self.relay(response, |body| {
                        Relay::new(body, Driver::Inline(link), in_flight, self.worker)
                    }));
                }
                Err(Unanswered::Unsent { request: unsent, reason }) => {
                    patience.check(Problem::Broken { reason })?;
                    request = *unsent;
                }
                Err(Unanswered::Lost { reason }) => {
                    if upload.is_some_and(Upload::has_stalled) {
                        return Err(Problem::ClientStalled);
                    }
                    sends += 1;
                    let Some(copy) = copy.filter(|_| sends < SENDS) else {
                        return Err(Problem::Broken { reason });
                    };
                    request = copy;
                }
            }
            route.count_retry();
        }
    }

    /// An unused connection that is still open, or a new one.
    async fn connect(&self, upstream: &Upstream) -> std::io::Result<Box<Link>> {
        while let Some(mut link) = upstream.take_idle(self.worker) {
            if std::future::poll_fn(|cx| Poll::Ready(link.poll_ready(cx))).await {
                return Ok(link);
            }
        }
        Link::open(upstream.address, self.limits.connect).await.map(Box::new)
    }

    /// One request and its response's headers. The time limit counts from the end of the request's body.
    async fn exchange(
        &self,
        link: &mut Link,
        request: Request<Inbound>,
        upload: Option<&Upload>,
    ) -> Result<Result<Response<Incoming>, Unanswered>, Problem> {
        let mut answer = std::pin::pin!(link.send(request));
        loop {
            let uploading = upload.is_some_and(|upload| !upload.is_finished());
            match tokio::time::timeout(self.limits.response, answer.as_mut()).await {
                Ok(result) => return Ok(result),
                Err(_) if uploading => {}
                Err(_) => return Err(Problem::TimedOut { seconds: self.limits.response.as_secs() }),
            }
        }
    }

    pub fn relay(
        &self,
        response: Response<Incoming>,
        into_relay: impl FnOnce(Incoming) -> Relay,
    ) -> Response<Outbound> {
        let (mut parts, body) = response.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        Response::from_parts(parts, Outbound::Relay(into_relay(body)))
    }
}

fn copy_of(request: &Request<Inbound>) -> Request<Inbound> {
    let mut copy = Request::new(Inbound::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// How long a request that nobody took is offered again: a switch, or a restart of the only instance, may be on its
/// way.
pub struct Patience {
    give_up: Option<Instant>,
    limit: std::time::Duration,
    pause_ms: u64,
}

impl Patience {
    pub fn new(limits: &Limits) -> Self {
        Self { give_up: None, limit: limits.retry, pause_ms: 1 }
    }

    /// # Errors
    /// The problem, once the time is over.
    pub fn check(&mut self, problem: Problem) -> Result<(), Problem> {
        let now = Instant::now();
        if now >= *self.give_up.get_or_insert(now + self.limit) {
            return Err(problem);
        }
        Ok(())
    }

    /// # Errors
    /// The problem, once the time is over.
    pub async fn wait(&mut self, problem: Problem) -> Result<(), Problem> {
        self.check(problem)?;
        tokio::time::sleep(std::time::Duration::from_millis(self.pause_ms)).await;
        self.pause_ms = (self.pause_ms * 2).min(50);
        Ok(())
    }
}
