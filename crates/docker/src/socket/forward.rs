use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::EngineSocketSpec;
use super::body::{Labelled, label, unlabel};
use super::call::{Call, Made, beside, with_query};
use super::prune::narrowed;
use crate::{EngineAddress, Labels};

/// The longest description of a container, network or volume. The engine reads any; this one is held in memory.
const MADE_LIMIT_BYTES: usize = 8 << 20;

pub type Body = BoxBody<Bytes, hyper::Error>;

/// Takes the calls of one socket to the engine.
pub struct Forwarder {
    engine: EngineAddress,
    labels: Labels,
    path: PathBuf,
    before_first: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
    has_made: Mutex<bool>,
    over: CancellationToken,
    /// Calls that make something: they go on when who called goes away, so that the end can wait for them.
    making: TaskTracker,
}

/// Why the engine was not asked, or did not answer.
struct Refusal(StatusCode, String);

impl Forwarder {
    pub fn new(spec: EngineSocketSpec, over: CancellationToken, making: TaskTracker) -> Self {
        let EngineSocketSpec { path, engine, labels, before_first } = spec;
        Self { engine, labels, path, before_first, has_made: Mutex::new(false), over, making }
    }

    pub fn has_made(&self) -> bool {
        *self.has_made.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub async fn forward(self: std::sync::Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let call = Call::of(request.method(), request.uri().path());
        let answered = match call {
            Call::Make(made) => {
                // With `self`, so that the socket's end does not cut it off.
                let forwarder = self.clone();
                match self.making.spawn(async move { forwarder.make(made, request).await }).await {
                    Ok(answered) => answered,
                    Err(error) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
                }
            }
            Call::Refused(reason) => Err(Refusal(StatusCode::FORBIDDEN, reason.to_owned())),
            // Anonymous volumes carry no label: they go with their container, as with `docker run --rm`.
            Call::RemoveContainer => self.pass(changed(request, "v", "1")).await,
            // So do containers of a build's steps, which stay after a step that failed otherwise.
            Call::Build => self.pass(changed(request, "forcerm", "1")).await,
            Call::PruneMade => match narrowed(request.uri(), &self.labels) {
                Ok(query) => self.pass(with_path(request, &query)).await,
                Err(reason) => Err(Refusal(StatusCode::BAD_REQUEST, reason)),
            },
            // Images and the build cache are the machine's, and stay.
            Call::PruneKept(what) => {
                Ok(Response::new(json_body(&serde_json::json!({ what: [], "SpaceReclaimed": 0 }))))
            }
            Call::Inspect => self.inspect(request).await,
            Call::Other => self.pass(request).await,
        };
        answered.unwrap_or_else(Refusal::answer)
    }

    async fn make(&self, made: Made, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let body = Limited::new(body, MADE_LIMIT_BYTES).collect().await.map_err(Refusal::of_body)?.to_bytes();
        let labelled = label(made, &body, &self.labels, &self.engine, &self.path);
        let Labelled { body, volumes } =
            labelled.map_err(|reason| Refusal(StatusCode::BAD_REQUEST, reason))?;
        self.tell_of_first()?;
        let beside = beside(parts.uri.path(), "volumes/create");
        for volume in volumes {
            let mut request = Request::new(json_body(&volume));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = beside.parse().unwrap_or_default();
            request.headers_mut().insert(hyper::header::HOST, HeaderValue::from_static("docker"));
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // One that is there already stays as it is; what the engine does not take, it refuses with the container.
            let answer = self.send(request).await?;
            let _ = answer.into_body().collect().await;
        }
        strip(&mut parts.headers);
        parts.headers.remove(CONTENT_LENGTH);
        let answer = self.send(Request::from_parts(parts, json_body(&body))).await?;
        Ok(relayed(answer))
    }

    /// A description that is too long to be held is not passed on cut off, but refused.
    async fn inspect(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (mut parts, body) = self.pass(request).await?.into_parts();
        let body = Limited::new(body, MADE_LIMIT_BYTES).collect().await.map_err(Refusal::of_body)?.to_bytes();
        let body = match unlabel(&body, &self.labels) {
            Some(told) => {
                parts.headers.remove(CONTENT_LENGTH);
                json_body(&told)
            }
            None => Full::new(body).map_err(|never| match never {}).boxed(),
        };
        Ok(Response::from_parts(parts, body))
    }

    /// The lock is held meanwhile: nothing is made before it is known that something will be.
    fn tell_of_first(&self) -> Result<(), Refusal> {
        let mut has_made = self.has_made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*has_made {
            let told = (self.before_first)();
            told.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
            *has_made = true;
        }
        Ok(())
    }

    /// Passes a call on as it is, and joins the two connections where the engine agrees to change protocols: `attach`,
    /// `exec`, BuildKit's `session` and `grpc`.
    async fn pass(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let upgrade = wanted_upgrade(request.headers());
        let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        strip(request.headers_mut());
        if let Some(protocol) = upgrade {
            set_upgrade(request.headers_mut(), protocol);
        }
        let mut answer = self.send(request.map(BodyExt::boxed)).await?;
        let (StatusCode::SWITCHING_PROTOCOLS, Some(client_side)) = (answer.status(), client_side) else {
            return Ok(relayed(answer));
        };
        let engine_side = hyper::upgrade::on(&mut answer);
        tokio::spawn(self.over.clone().run_until_cancelled_owned(join(client_side, engine_side)));
        let protocol = answer.headers().get(UPGRADE).cloned();
        let mut answer = relayed(answer.map(|_| Full::<Bytes>::default().map_err(|never| match never {})));
        if let Some(protocol) = protocol {
            set_upgrade(answer.headers_mut(), protocol);
        }
        Ok(answer)
    }

    /// One connection a call: the engine is on this machine, and no answer is lost to a connection that it closes.
    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Refusal> {
        match &self.engine {
            EngineAddress::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => self.send_over(stream, request).await,
                Err(error) => Err(self.silent(&error)),
            },
            EngineAddress::Tcp(host) => match TcpStream::connect(host).await {
                Ok(stream) => self.send_over(stream, request).await,
                Err(error) => Err(self.silent(&error)),
            },
        }
    }

    async fn send_over<S>(&self, stream: S, request: Request<Body>) -> Result<Response<Incoming>, Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| self.silent(&error))?;
        // Ends with the answer's body. What goes wrong is told by the answer.
        tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        sender.send_request(request).await.map_err(|error| self.silent(&error))
    }

    fn silent(&self, error: &dyn std::error::Error) -> Refusal {
        let reason = format!("the container engine at {} does not answer: {error}", self.engine);
        Refusal(StatusCode::BAD_GATEWAY, reason)
    }
}

/// Copies both ways. An end of input is passed on alone, for output may still come.
async fn join(client_side: OnUpgrade, engine_side: OnUpgrade) {
    let (Ok(client), Ok(engine)) = (client_side.await, engine_side.await) else { return };
    let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(engine)).await;
}

impl Refusal {
    fn of_body(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match error.is::<LengthLimitError>() {
            true => {
                let reason = format!("the description is longer than {MADE_LIMIT_BYTES} bytes");
                Self(StatusCode::PAYLOAD_TOO_LARGE, reason)
            }
            false => Self(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }

    /// As the engine words its errors ("Errors" of Docker's Engine API).
    fn answer(self) -> Response<Body> {
        let Self(status, reason) = self;
        let mut answer = Response::new(json_body(&serde_json::json!({ "message": reason })));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }
}

fn json_body(value: &serde_json::Value) -> Body {
    Full::new(Bytes::from(value.to_string())).map_err(|never| match never {}).boxed()
}

fn changed(request: Request<Incoming>, name: &str, value: &str) -> Request<Incoming> {
    let address = with_query(request.uri(), name, value);
    with_path(request, &address)
}

fn with_path(mut request: Request<Incoming>, address: &str) -> Request<Incoming> {
    if let Ok(uri) = address.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

fn relayed<B>(answer: Response<B>) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes, Error = hyper::Error> + Send + Sync + 'static,
{
    let mut answer = answer.map(BodyExt::boxed);
    strip(answer.headers_mut());
    answer
}

/// What speaks of one connection alone (RFC 9110, section 7.6.1): each side frames its own.
fn strip(headers: &mut HeaderMap) {
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, EXPECT] {
        headers.remove(name);
    }
}

fn wanted_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let is_wanted =
        connection.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| is_wanted).cloned()
}

fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, protocol);
}
