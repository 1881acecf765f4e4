use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LINK, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sluice_model::Digest;

use super::challenge::Challenge;
use super::endpoint::is_loopback;
use super::store::Bytestream;
use super::{Endpoint, ImageError};
use crate::{Credentials, Descriptor, ImageIndex, ImageRepository, Manifest, Reference, Tag, media_type};

/// One repository of a registry, over OCI distribution-spec 1.1.
pub(crate) struct Remote {
    client: Client,
    endpoint: Endpoint,
    repository: ImageRepository,
    /// The Authorization header that the registry's challenge led to.
    authorization: Mutex<Option<String>>,
}

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A blob that a registry sends.
pub(crate) struct RemoteBlob {
    /// What its header says, where it says so.
    pub size_bytes: Option<u64>,
    pub bytes: Bytestream,
}

/// The most that is read of an answer that is neither a manifest nor a blob.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// A registry that says nothing for so long is taken for dead. A whole blob may take longer.
const SILENCE: Duration = Duration::from_secs(60);
/// A list that goes on for more pages has no end.
const PAGES: usize = 1000;

impl Remote {
    pub fn new(endpoint: Endpoint, repository: ImageRepository) -> Result<Self, ImageError> {
        let client = client(&endpoint, SILENCE)?;
        Ok(Self::with_client(client, endpoint, repository))
    }

    /// With the connections of another one.
    pub fn with_client(client: Client, endpoint: Endpoint, repository: ImageRepository) -> Self {
        Self { client, endpoint, repository, authorization: Mutex::default() }
    }

    pub fn place(&self) -> String {
        format!("{}/{}", self.endpoint.host(), self.repository)
    }

    fn url(&self, rest: &str) -> String {
        self.endpoint.url(&format!("/v2/{}/{rest}", self.repository))
    }

    pub async fn manifest(&self, reference: &Reference) -> Result<(Option<String>, Bytes), ImageError> {
        let url = self.url(&format!("manifests/{reference}"));
        let accept = media_type::MANIFESTS.join(", ");
        let response = self.send(&|| self.client.get(&url).header(ACCEPT, &accept)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(self.not_found(reference));
        }
        let response = self.succeed(response).await?;
        let media_type = header(&response, &CONTENT_TYPE);
        let what = format!("the manifest {reference}");
        let bytes = collect(response, Manifest::MAX_BYTES, what, self.endpoint.host()).await?;
        Ok((media_type, bytes))
    }

    /// What a tag points to; none where the registry does not say.
    pub async fn resolve_tag(&self, tag: &Tag) -> Result<Option<Digest>, ImageError> {
        let url = self.url(&format!("manifests/{tag}"));
        let accept = media_type::MANIFESTS.join(", ");
        let response = self.send(&|| self.client.head(&url).header(ACCEPT, &accept)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(self.not_found(&Reference::Tag(tag.clone())));
        }
        let response = self.succeed(response).await?;
        Ok(header(&response, &CONTENT_DIGEST).and_then(|digest| digest.parse().ok()))
    }

    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&|| self.client.head(&url)).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => self.succeed(response).await.map(|_| true),
        }
    }

    /// How many bytes a blob has; none where the registry does not say.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, ImageError> {
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&|| self.client.head(&url)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(self.not_found(&Reference::Digest(digest.clone())));
        }
        Ok(declared_bytes(&self.succeed(response).await?))
    }

    pub async fn blob(&self, digest: &Digest) -> Result<Bytestream, ImageError> {
        self.open_blob(digest).await.map(|blob| blob.bytes)
    }

    pub async fn open_blob(&self, digest: &Digest) -> Result<RemoteBlob, ImageError> {
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&|| self.client.get(&url)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(self.not_found(&Reference::Digest(digest.clone())));
        }
        let response = self.succeed(response).await?;
        let size_bytes = declared_bytes(&response);
        Ok(RemoteBlob { size_bytes, bytes: response.bytes_stream().map_err(std::io::Error::other).boxed() })
    }

    /// One `POST` and one `PUT` (OCI distribution-spec 1.1, "POST then PUT").
    pub async fn put_blob(&self, digest: &Digest, size: u64, bytes: Bytestream) -> Result<(), ImageError> {
        let url = self.url("blobs/uploads/");
        let opened = self.send(&|| self.client.post(&url).header(CONTENT_LENGTH, 0)).await?;
        let opened = self.succeed(opened).await?;
        let place = self.location(&opened)?;
        let joint = if place.query().is_some() { '&' } else { '?' };
        let target = format!("{place}{joint}digest={digest}");
        let request = self
            .client
            .put(target)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size)
            .body(reqwest::Body::wrap_stream(bytes));
        // The body can be sent only once, so that this request cannot be asked for credentials; the POST was.
        let response = self.authorized(request).send().await.map_err(|error| self.unreachable(error))?;
        self.succeed(response).await.map(drop)
    }

    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(), ImageError> {
        let url = self.url(&format!("manifests/{reference}"));
        let request = || self.client.put(&url).header(CONTENT_TYPE, media_type).body(bytes.clone());
        let response = self.send(&request).await?;
        self.succeed(response).await.map(drop)
    }

    pub async fn delete_manifest(&self, reference: &Reference) -> Result<(), ImageError> {
        let url = self.url(&format!("manifests/{reference}"));
        let response = self.send(&|| self.client.delete(&url)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(self.not_found(reference));
        }
        self.succeed(response).await.map(drop)
    }

    pub async fn tags(&self) -> Result<Vec<Tag>, ImageError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "crate::manifest::null_is_empty")]
            tags: Vec<Tag>,
        }
        let pages: Vec<Page> = self.pages(self.url("tags/list?n=1000")).await?;
        Ok(pages.into_iter().flat_map(|page| page.tags).collect())
    }

    /// What says that it is about a manifest (OCI distribution-spec 1.1, "Listing Referrers"); of a registry that lacks
    /// the API, what the fallback tag lists.
    pub async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, ImageError> {
        let pages: Result<Vec<ImageIndex>, _> = self.pages(self.url(&format!("referrers/{digest}"))).await;
        let indexes = match pages {
            Err(ImageError::NotFound { .. }) => {
                let tag = format!("{}-{}", digest.algorithm(), digest.hex());
                let Ok(tag) = tag.parse() else { return Ok(Vec::new()) };
                match self.manifest(&Reference::Tag(tag)).await {
                    Ok((_, bytes)) => match Manifest::parse(&bytes, None)?.0 {
                        Manifest::Index(index) => vec![index],
                        Manifest::Image(_) => Vec::new(),
                    },
                    Err(ImageError::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(error),
                }
            }
            other => other?,
        };
        Ok(indexes.into_iter().flat_map(|index| index.manifests).collect())
    }

    /// Follows `Link` headers to the end.
    async fn pages<T: DeserializeOwned>(&self, first: String) -> Result<Vec<T>, ImageError> {
        let (mut pages, mut next) = (Vec::new(), Some(first));
        while let Some(url) = next {
            let response = self.send(&|| self.client.get(&url)).await?;
            if response.status() == StatusCode::NOT_FOUND {
                let reference = "any tag".to_owned();
                return Err(ImageError::NotFound { place: self.place(), reference });
            }
            let response = self.succeed(response).await?;
            let link = header(&response, &LINK).and_then(|link| next_page(&link));
            next = match link {
                Some(link) => Some(self.resolve(&response, &link)?.to_string()),
                None => None,
            };
            if next.as_ref() == Some(&url) {
                return Err(self.strange("its next page is the same page"));
            }
            if pages.len() >= PAGES {
                return Err(self.strange("its list has no end"));
            }
            pages.push(self.json(response).await?);
        }
        Ok(pages)
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, ImageError> {
        let what = "the answer".to_owned();
        let bytes = collect(response, ANSWER_LIMIT_BYTES, what, self.endpoint.host()).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.strange(&error.to_string()))
    }

    fn location(&self, response: &Response) -> Result<reqwest::Url, ImageError> {
        let text = header(response, &LOCATION).ok_or_else(|| self.strange("it gave no Location"))?;
        self.resolve(response, &text)
    }

    fn resolve(&self, response: &Response, text: &str) -> Result<reqwest::Url, ImageError> {
        let joined = response.url().join(text);
        joined.map_err(|error| self.strange(&format!("it gave the address `{text}`: {error}")))
    }

    /// Sends a request that can be repeated, with credentials once the registry has asked for them.
    async fn send(&self, request: &(dyn Fn() -> RequestBuilder + Sync)) -> Result<Response, ImageError> {
        let send =
            || async { self.authorized(request()).send().await.map_err(|error| self.unreachable(error)) };
        let response = send().await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = header(&response, &WWW_AUTHENTICATE).and_then(|text| Challenge::parse(&text));
        let authorization = self.answer(challenge).await?;
        *self.lock() = Some(authorization);
        let response = send().await?;
        match response.status() {
            StatusCode::UNAUTHORIZED => Err(self.unauthorized()),
            _ => Ok(response),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.lock().clone() {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // Whole at every moment, whoever panicked while holding it.
        self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The Authorization header that a challenge wants.
    async fn answer(&self, challenge: Option<Challenge>) -> Result<String, ImageError> {
        match (challenge, &self.endpoint.credentials) {
            (Some(Challenge::Basic), Some(credentials @ Credentials::Basic { .. })) => Ok(basic(credentials)),
            (Some(_), Some(Credentials::Bearer { token })) => Ok(format!("Bearer {token}")),
            (Some(Challenge::Bearer { realm, service, scope }), credentials) => {
                let token = self.token(&realm, service, scope, credentials.as_ref()).await?;
                Ok(format!("Bearer {token}"))
            }
            (Some(Challenge::Basic), None) | (None, _) => Err(self.unauthorized()),
        }
    }

    /// Docker registry token authentication: `GET realm?service=…&scope=…` with basic credentials.
    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
        credentials: Option<&Credentials>,
    ) -> Result<String, ImageError> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let realm: reqwest::Url =
            realm.parse().map_err(|error| self.strange(&format!("its realm `{realm}`: {error}")))?;
        let is_local = realm.host_str().is_some_and(is_loopback);
        if realm.scheme() != "https" && !is_local && realm.authority() != self.endpoint.host() {
            return Err(self.strange("it wants credentials sent to another host in the clear"));
        }
        let query: Vec<_> =
            [("service", service), ("scope", scope)].into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
        let mut request = self.client.get(realm).query(&query);
        if let Some(credentials) = credentials {
            request = request.header(AUTHORIZATION, basic(credentials));
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.unauthorized());
        }
        let response = self.succeed(response).await?;
        let answer: Answer = self.json(response).await?;
        answer.token.or(answer.access_token).ok_or_else(|| self.strange("its token service gave no token"))
    }

    async fn succeed(&self, response: Response) -> Result<Response, ImageError> {
        let host = self.endpoint.host().to_owned();
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(ImageError::Unauthorized { host }),
            StatusCode::FORBIDDEN => Err(ImageError::Denied { host, message: message(response).await }),
            status => {
                Err(ImageError::Answer { host, status: status.as_u16(), message: message(response).await })
            }
        }
    }

    fn not_found(&self, reference: &Reference) -> ImageError {
        ImageError::NotFound { place: self.place(), reference: reference.to_string() }
    }

    fn unauthorized(&self) -> ImageError {
        ImageError::Unauthorized { host: self.endpoint.host().to_owned() }
    }

    fn unreachable(&self, source: reqwest::Error) -> ImageError {
        ImageError::Unreachable { host: self.endpoint.host().to_owned(), source }
    }

    fn strange(&self, what: &str) -> ImageError {
        ImageError::Denied { host: self.endpoint.host().to_owned(), message: what.to_owned() }
    }
}

/// Every repository of a registry (Docker's `_catalog`); many registries refuse this.
pub(crate) async fn catalog(endpoint: &Endpoint) -> Result<Vec<ImageRepository>, ImageError> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default, deserialize_with = "crate::manifest::null_is_empty")]
        repositories: Vec<ImageRepository>,
    }
    // Any repository's name does: the catalogue is asked at the registry itself.
    let any = "catalog".parse()?;
    let remote = Remote::new(endpoint.clone(), any)?;
    let pages: Vec<Page> = remote.pages(endpoint.url("/v2/_catalog?n=1000")).await?;
    Ok(pages.into_iter().flat_map(|page| page.repositories).collect())
}

/// A client that gives up on a registry that does not take a connection in time.
pub(crate) fn client(endpoint: &Endpoint, connect_within: Duration) -> Result<Client, ImageError> {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // The program may have chosen one before; then that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    // Blobs are what they are: nothing on the way may unpack them.
    let client = Client::builder().no_gzip().connect_timeout(connect_within).read_timeout(SILENCE).build();
    client.map_err(|source| ImageError::Unreachable { host: endpoint.host().to_owned(), source })
}

fn basic(credentials: &Credentials) -> String {
    use base64::Engine;
    match credentials {
        Credentials::Basic { username, password } => {
            let pair = format!("{username}:{password}");
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
        Credentials::Bearer { token } => format!("Bearer {token}"),
    }
}

fn header(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// What `Content-Length` says, of an answer to HEAD too.
fn declared_bytes(response: &Response) -> Option<u64> {
    header(response, &CONTENT_LENGTH)?.parse().ok()
}

/// The target of `<target>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| target.to_owned())
}

/// What the registry says went wrong: its own message, where it has the specified form.
async fn message(response: Response) -> String {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: String,
        #[serde(default)]
        message: String,
    }
    let url = response.url().path().to_owned();
    let bytes = collect(response, 64 * 1024, String::new(), "").await.unwrap_or_default();
    match serde_json::from_slice::<Body>(&bytes) {
        Ok(body) if !body.errors.is_empty() => {
            let said = body.errors.iter().map(|error| format!("{}: {}", error.code, error.message));
            said.collect::<Vec<_>>().join("; ")
        }
        _ => format!("at {url}"),
    }
}

async fn collect(
    response: Response,
    limit_bytes: usize,
    what: String,
    host: &str,
) -> Result<Bytes, ImageError> {
    let (mut stream, mut bytes) = (response.bytes_stream(), BytesMut::new());
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|source| ImageError::Unreachable { host: host.to_owned(), source })?;
        if bytes.len() + piece.len() > limit_bytes {
            return Err(ImageError::TooLarge { what, limit: format!("{limit_bytes} bytes") });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
