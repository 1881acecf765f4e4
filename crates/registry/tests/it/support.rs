use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sluice_blobs::{Algorithm, digest_of};
use sluice_model::Digest;
use sluice_registry::{
    Access, AccessRequest, Action, Credentials, EventError, Events, OpenToAll, Options, Pushed, Pusher,
    Registry, Verdict, media_type, router,
};

/// A registry on a port of its own, in a folder that goes away with it.
pub struct TestRegistry {
    pub folder: tempfile::TempDir,
    pub registry: Arc<Registry>,
    pub events: Arc<Recorder>,
    pub host: String,
    pub client: Client,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Remembers what it was told; refuses while `failing`.
#[derive(Default)]
pub struct Recorder {
    pub pushed: Mutex<Vec<Pushed>>,
    pub failing: std::sync::atomic::AtomicBool,
}

impl Events for Recorder {
    fn pushed<'a>(&'a self, pushed: &'a Pushed) -> BoxFuture<'a, Result<(), EventError>> {
        let failing = self.failing.load(std::sync::atomic::Ordering::SeqCst);
        let result = if failing { Err(EventError("the log is full".to_owned())) } else { Ok(()) };
        if result.is_ok() {
            self.pushed.lock().unwrap().push(pushed.clone());
        }
        Box::pin(std::future::ready(result))
    }
}

/// `ann` may do everything, `ben` may push only under `ben/`, and who is not known may pull from `public/`.
pub struct Accounts;

impl Access for Accounts {
    fn authorize<'a>(
        &'a self,
        credentials: Option<&'a Credentials>,
        request: &'a AccessRequest,
    ) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(decide(credentials, request)))
    }
}

fn decide(credentials: Option<&Credentials>, request: &AccessRequest) -> Verdict {
    let allowed = |by: &str| Verdict::Allowed { by: Pusher::new(by) };
    let name = match credentials {
        None => {
            return match request {
                AccessRequest::Repository { repository, action: Action::Pull }
                    if repository.is_under("public") =>
                {
                    allowed("anonymous")
                }
                _ => Verdict::Unauthorized,
            };
        }
        Some(Credentials::Basic { username, password }) if password == "secret" => username.as_str(),
        Some(Credentials::Bearer { token }) if token == "server-token" => "ann",
        Some(_) => return Verdict::Unauthorized,
    };
    match (name, request) {
        ("ann", _) | (_, AccessRequest::Login) => allowed(name),
        ("ben", AccessRequest::Repository { repository, .. }) if repository.is_under("ben") => allowed(name),
        _ => Verdict::Denied { reason: format!("{name} may not do this") },
    }
}

impl TestRegistry {
    pub async fn open() -> Self {
        Self::with(Arc::new(OpenToAll), |options| options).await
    }

    pub async fn guarded() -> Self {
        Self::with(Arc::new(Accounts), |options| options).await
    }

    pub async fn with(access: Arc<dyn Access>, set: impl FnOnce(Options) -> Options) -> Self {
        Self::at(tempfile::tempdir().unwrap(), access, set).await
    }

    pub async fn at(
        folder: tempfile::TempDir,
        access: Arc<dyn Access>,
        set: impl FnOnce(Options) -> Options,
    ) -> Self {
        let events = Arc::new(Recorder::default());
        let options = set(Options::new(access, events.clone()));
        let registry = Registry::open(folder.path(), options).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let app = router(registry.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_gzip().build().unwrap();
        Self { folder, registry, events, host, client, serving }
    }

    /// Makes all that repositories hold now older by a day.
    pub fn age(&self) {
        crate::age::age(self.folder.path());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::HEAD, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Opens an upload and gives its path.
    pub async fn begin(&self, repository: &str) -> String {
        let answer =
            Answer::of(self.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/"))).await;
        answer.is(StatusCode::ACCEPTED);
        answer.header("location").to_owned()
    }

    /// A `PATCH` with a Content-Range that begins at `offset`.
    pub async fn chunk(&self, place: &str, offset: usize, bytes: &[u8]) -> Answer {
        let range = format!("{offset}-{}", offset + bytes.len() - 1);
        let request = self.request(Method::PATCH, place).header("content-range", range);
        Answer::of(request.body(bytes.to_vec())).await
    }

    pub async fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let place = self.begin(repository).await;
        let request = self.request(Method::PUT, &format!("{place}?digest={digest}")).body(bytes.to_vec());
        Answer::of(request).await.is(StatusCode::CREATED);
        digest
    }

    pub async fn put_manifest(&self, repository: &str, reference: &str, text: &str) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        Answer::of(self.request(Method::PUT, &path).body(text.to_owned())).await
    }

    /// Pushes an image of one layer, and gives the manifest's text.
    pub async fn push(&self, repository: &str, reference: &str, layer: &[u8]) -> String {
        let config = self.put_blob(repository, b"{}").await;
        let digest = self.put_blob(repository, layer).await;
        let text = image(&[(config, 2)], &[(digest, layer.len())], json!({}));
        let answer = self.put_manifest(repository, reference, &text).await;
        answer.is(StatusCode::CREATED);
        text
    }
}

/// The text of a manifest with this configuration and these layers, and `extra` over it.
pub fn image(config: &[(Digest, usize)], layers: &[(Digest, usize)], extra: Value) -> String {
    let describe = |kind: &str, (digest, size): &(Digest, usize)| json!({ "mediaType": kind, "digest": digest.as_str(), "size": size });
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": describe("application/vnd.example.config", &config[0]),
        "layers": layers.iter().map(|layer| describe(media_type::OCI_LAYER_GZIP, layer)).collect::<Vec<_>>(),
    });
    for (key, value) in extra.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    manifest.to_string()
}

pub fn index(manifests: &[&str]) -> String {
    let describe = |text: &&str| json!({ "mediaType": media_type::OCI_MANIFEST, "digest": sha256(text.as_bytes()).as_str(), "size": text.len() });
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": manifests.iter().map(describe).collect::<Vec<_>>(),
    })
    .to_string()
}

pub fn sha256(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha256, bytes)
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    #[track_caller]
    pub fn is(&self, status: StatusCode) -> &Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// A refusal with this status and code.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) -> &Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{body}");
        self
    }

    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers))
            .to_str()
            .unwrap()
    }
}

/// Numbers that look random and are the same for the same seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}
