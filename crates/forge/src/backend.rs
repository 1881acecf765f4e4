use std::io;
use std::process::Stdio;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use sluice_model::{RepositoryName, UserName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::sideband::Tail;
use crate::{Forge, ForgeError, git};

/// Which half of the protocol a request is for: the caller decides who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    fn as_str(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// One request of git's smart HTTP protocol (gitprotocol-http), after its address was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRequest {
    pub repository: RepositoryName,
    pub service: Service,
    /// `GET info/refs`: what is there. Otherwise the exchange itself.
    pub is_advertisement: bool,
}

impl GitRequest {
    /// Reads `<path>` after `<owner>/<name>.git/`, and the query. The old "dumb" protocol is not served.
    pub fn read(
        repository: RepositoryName,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Self, ForgeError> {
        let (service, is_advertisement) = match (method, path, query) {
            (&Method::GET, "info/refs", Some("service=git-upload-pack")) => (Service::UploadPack, true),
            (&Method::GET, "info/refs", Some("service=git-receive-pack")) => (Service::ReceivePack, true),
            (&Method::POST, "git-upload-pack", None) => (Service::UploadPack, false),
            (&Method::POST, "git-receive-pack", None) => (Service::ReceivePack, false),
            _ => {
                let asked = path.chars().take(200).collect();
                return Err(ForgeError::NotServed { asked });
            }
        };
        Ok(Self { repository, service, is_advertisement })
    }
}

/// What is done when a push has ended, whether or not whoever pushed still listens. The text is shown to them.
pub type AfterPush = Box<dyn FnOnce() -> BoxFuture<'static, String> + Send>;

impl Forge {
    /// Serves one request by `git http-backend`, streaming both ways. The caller has authorised it, and has made
    /// the repository where a push may make one.
    pub async fn serve(
        &self,
        request: &GitRequest,
        user: &UserName,
        headers: &HeaderMap,
        body: Body,
        after_push: AfterPush,
    ) -> Result<Response, ForgeError> {
        self.there(&request.repository)?;
        let permit = self.processes.clone().acquire_owned().await.map_err(|_| stopped())?;
        let mut child = self.spawn(request, user, headers)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(stopped());
        };
        let idle = Duration::from_secs(self.limits.idle_s);
        let feeding = tokio::spawn(feed(body, stdin, idle));
        let mut stdout = BufReader::new(stdout);
        let (status, answer_headers) = match timeout(idle, read_head(&mut stdout)).await {
            Ok(head) => head?,
            Err(_) => return Err(stopped()),
        };
        let ends_push = request.service == Service::ReceivePack && !request.is_advertisement;
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            let exchange = Exchange { child, stdout, sender, idle };
            exchange.carry(ends_push.then_some(after_push)).await;
            feeding.abort();
            drop(permit);
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut response = Response::new(Body::from_stream(stream));
        *response.status_mut() = status;
        *response.headers_mut() = answer_headers;
        Ok(response)
    }

    fn spawn(&self, request: &GitRequest, user: &UserName, headers: &HeaderMap) -> Result<Child, ForgeError> {
        let limit = self.limits.push_bytes.to_string();
        // Only branches and tags may be written: the forge's own refs, were there any, are out of reach.
        let config = [
            ("receive.maxInputSize", limit.as_str()),
            ("receive.hideRefs", "refs/"),
            ("receive.hideRefs", "!refs/heads/"),
            ("receive.hideRefs", "!refs/tags/"),
        ];
        let service = request.service.as_str();
        let mut path = format!("/{}.git/", request.repository);
        path.push_str(if request.is_advertisement { "info/refs" } else { service });
        let mut command = git::command(&config);
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", path)
            .env("REQUEST_METHOD", if request.is_advertisement { "GET" } else { "POST" })
            .env("REMOTE_USER", user.as_str())
            .env(
                "QUERY_STRING",
                match request.is_advertisement {
                    true => format!("service={service}"),
                    false => String::new(),
                },
            );
        let pass = [
            (header::CONTENT_TYPE, "CONTENT_TYPE"),
            (header::CONTENT_LENGTH, "CONTENT_LENGTH"),
            (header::CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
            (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
        ];
        for (name, variable) in pass {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                command.env(variable, value);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().map_err(ForgeError::Spawn)
    }
}

/// What is left of a request once its head was answered.
struct Exchange {
    child: Child,
    stdout: BufReader<ChildStdout>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    idle: Duration,
}

impl Exchange {
    /// Carries git's answer to the client. A push that has ended is followed up even when the client has gone.
    async fn carry(mut self, after_push: Option<AfterPush>) {
        let mut tail = after_push.is_some().then(Tail::default);
        let mut buffer = vec![0; 64 << 10];
        let mut listens = true;
        loop {
            let count = match timeout(self.idle, self.stdout.read(&mut buffer)).await {
                Ok(Ok(count)) => count,
                Ok(Err(_)) | Err(_) => 0,
            };
            if count == 0 {
                break;
            }
            let bytes = match &mut tail {
                Some(tail) => tail.pass(&buffer[..count]),
                None => buffer[..count].to_vec(),
            };
            listens = listens && self.send(bytes).await;
            // A clone that nobody takes is stopped; a push that nobody waits for is finished.
            if !listens && after_push.is_none() {
                break;
            }
        }
        let Some(after_push) = after_push else {
            // Dropping the child kills it where it still runs.
            return;
        };
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "git http-backend was lost");
        }
        let words = after_push().await;
        if let Some(tail) = tail {
            self.send(tail.finish(&words)).await;
        }
    }

    /// Whether the client still listens.
    async fn send(&self, bytes: Vec<u8>) -> bool {
        matches!(timeout(self.idle, self.sender.send(Ok(bytes.into()))).await, Ok(Ok(())))
    }
}

async fn feed(body: Body, mut stdin: ChildStdin, idle: Duration) {
    let mut chunks = body.into_data_stream().map_err(io::Error::other);
    while let Ok(Some(Ok(chunk))) = timeout(idle, chunks.next()).await {
        if stdin.write_all(&chunk).await.is_err() {
            return;
        }
    }
    // The pipe closes here, and git sees the end.
}

/// The head of a CGI answer (RFC 3875 §6.3), at most 16 KiB.
async fn read_head(stdout: &mut BufReader<ChildStdout>) -> Result<(StatusCode, HeaderMap), ForgeError> {
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    let mut limited = stdout.take(16 << 10);
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line).await? == 0 {
            return Err(stopped());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse::<u16>().ok());
            status = code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(stopped)?;
        } else if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    Ok((status, headers))
}

fn stopped() -> ForgeError {
    ForgeError::Git { command: "http-backend".to_owned(), message: "it ended without an answer".to_owned() }
}
