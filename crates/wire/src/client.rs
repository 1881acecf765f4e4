use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_model::{EnvironmentName, InstanceId, JobId, PromotionId, RepositoryName, UserName};

use crate::account::{
    Account, FreshRegistryToken, FreshToken, NewRegistryToken, NewToken, Problem, PutAccount, ServerVersion,
};
use crate::delivery::{
    Decision, DeployRequest, EnvironmentStatus, Progress, PromoteRequest, PromotionSummary, ReleaseSummary,
    RollbackRequest,
};
use crate::registry::{CollectGarbage, GarbageReport, ScrubReport, SigningKeys};
use crate::run::{CancelRequest, RerunRequest, RunDetail, RunQuery, RunSummary};
use crate::{Secret, lines};

/// The one client of the server's API, for the command line and for steps of a job.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    token: Option<Secret>,
    http: reqwest::Client,
}

/// Why a request gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{url}` is no server's address: expected http://HOST:PORT")]
    Address { url: String },
    #[error("the server at {url} does not answer: {reason}. Is `sluice serve` running there?")]
    Unreachable { url: String, reason: String },
    /// The server's own words.
    #[error("{message}")]
    Refused { status: u16, message: String },
    #[error("the server at {url} broke off: {reason}")]
    BrokenOff { url: String, reason: String },
    #[error("the server at {url} answered what this version cannot read: {reason}")]
    Unreadable { url: String, reason: String },
}

impl ClientError {
    /// What was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
    /// Asking the same once more may help: the server was away.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::BrokenOff { .. } | Self::Refused { status: 502..=504, .. }
        )
    }
}

/// Where a repository's part of the API begins.
fn under(repository: &RepositoryName, rest: &str) -> String {
    format!("/api/v1/repositories/{repository}/{rest}")
}

impl Client {
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ClientError::Address { url });
        }
        // An error means that the program has chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            // A token goes to the server that it was given for, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Unreachable { url: url.clone(), reason: words(&error) })?;
        Ok(Self { url, token, http })
    }

    /// Host and port of the server, for a person to read.
    pub fn server(&self) -> &str {
        let authority = self.url.split("://").nth(1).unwrap_or(&self.url);
        authority.rsplit('@').next().unwrap_or(authority)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn version(&self) -> Result<ServerVersion, ClientError> {
        self.get("/version").await
    }

    pub async fn whoami(&self) -> Result<Account, ClientError> {
        self.get("/api/v1/whoami").await
    }

    pub async fn repositories(&self) -> Result<Vec<RepositoryName>, ClientError> {
        self.get("/api/v1/repositories").await
    }

    pub async fn runs(
        &self,
        repository: &RepositoryName,
        query: &RunQuery,
    ) -> Result<Vec<RunSummary>, ClientError> {
        let request = self.request(Method::GET, &under(repository, "runs")).query(query);
        self.read(self.send(request).await?).await
    }

    pub async fn run(&self, repository: &RepositoryName, number: u64) -> Result<RunDetail, ClientError> {
        self.get(&under(repository, &format!("runs/{number}"))).await
    }

    /// The log of one instance as text, from a line (counted from 1) on. `follow`: until the job has ended.
    pub async fn log(
        &self,
        repository: &RepositoryName,
        number: u64,
        instance: &InstanceId,
        from_line: u64,
        follow: bool,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + use<>, ClientError> {
        let path = under(repository, &format!("runs/{number}/jobs/{}/log", segment(&instance.to_string())));
        let query = [("from", from_line.to_string()), ("follow", follow.to_string())];
        let response = self.send(self.request(Method::GET, &path).query(&query)).await?;
        let url = self.url.clone();
        Ok(response
            .bytes_stream()
            .map_err(move |error| ClientError::BrokenOff { url: url.clone(), reason: words(&error) }))
    }

    pub async fn cancel(
        &self,
        repository: &RepositoryName,
        number: u64,
        request: &CancelRequest,
    ) -> Result<RunDetail, ClientError> {
        self.post(&under(repository, &format!("runs/{number}/cancel")), request).await
    }

    pub async fn rerun(
        &self,
        repository: &RepositoryName,
        number: u64,
        request: &RerunRequest,
    ) -> Result<RunDetail, ClientError> {
        self.post(&under(repository, &format!("runs/{number}/rerun")), request).await
    }

    /// A word at the gate of a run's job. The environment's own promotion hears it too.
    pub async fn decide_gate(
        &self,
        repository: &RepositoryName,
        number: u64,
        job: &JobId,
        decision: &Decision,
    ) -> Result<RunDetail, ClientError> {
        self.post(&under(repository, &format!("runs/{number}/gates/{}", segment(job.as_str()))), decision)
            .await
    }

    pub async fn releases(&self, repository: &RepositoryName) -> Result<Vec<ReleaseSummary>, ClientError> {
        self.get(&under(repository, "releases")).await
    }

    /// The environments of `sluice.yaml` on the default branch, in their order.
    pub async fn environments(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<EnvironmentStatus>, ClientError> {
        self.get(&under(repository, "environments")).await
    }

    pub async fn promote(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
        request: &PromoteRequest,
    ) -> Result<PromotionSummary, ClientError> {
        self.post(
            &under(repository, &format!("environments/{}/promote", segment(environment.as_str()))),
            request,
        )
        .await
    }

    pub async fn rollback(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
        request: &RollbackRequest,
    ) -> Result<PromotionSummary, ClientError> {
        self.post(
            &under(repository, &format!("environments/{}/rollback", segment(environment.as_str()))),
            request,
        )
        .await
    }

    /// A word at whatever waits before an environment: its promotion, or the run's gate that stands for it.
    pub async fn decide_environment(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
        decision: &Decision,
    ) -> Result<EnvironmentStatus, ClientError> {
        let path = under(repository, &format!("environments/{}/decide", segment(environment.as_str())));
        self.post(&path, decision).await
    }

    pub async fn decide_promotion(
        &self,
        repository: &RepositoryName,
        promotion: PromotionId,
        decision: &Decision,
    ) -> Result<PromotionSummary, ClientError> {
        self.post(&under(repository, &format!("promotions/{promotion}/decide")), decision).await
    }

    pub async fn promotion(
        &self,
        repository: &RepositoryName,
        promotion: PromotionId,
    ) -> Result<PromotionSummary, ClientError> {
        self.get(&under(repository, &format!("promotions/{promotion}"))).await
    }

    /// What a promotion does until it has ended.
    pub async fn follow_promotion(
        &self,
        repository: &RepositoryName,
        promotion: PromotionId,
    ) -> Result<impl Stream<Item = Result<Progress, ClientError>> + use<>, ClientError> {
        let path = under(repository, &format!("promotions/{promotion}/follow"));
        let response = self.send(self.request(Method::GET, &path)).await?;
        Ok(self.progress(response))
    }

    /// From a step: makes the release of what this run pushed, takes it into an environment, and tells how it goes.
    pub async fn deploy(
        &self,
        request: &DeployRequest,
    ) -> Result<impl Stream<Item = Result<Progress, ClientError>> + use<>, ClientError> {
        let response = self.send(self.request(Method::POST, "/api/v1/deploy").json(request)).await?;
        Ok(self.progress(response))
    }

    pub async fn accounts(&self) -> Result<Vec<Account>, ClientError> {
        self.get("/api/v1/accounts").await
    }

    pub async fn put_account(&self, account: &PutAccount) -> Result<Account, ClientError> {
        self.post("/api/v1/accounts", account).await
    }

    pub async fn remove_account(&self, name: &UserName) -> Result<(), ClientError> {
        self.delete(&format!("/api/v1/accounts/{}", segment(name.as_str()))).await
    }

    pub async fn new_token(&self, name: &UserName, token: &NewToken) -> Result<FreshToken, ClientError> {
        self.post(&format!("/api/v1/accounts/{}/tokens", segment(name.as_str())), token).await
    }

    /// A token that reaches the registry only.
    pub async fn new_registry_token(
        &self,
        name: &UserName,
        token: &NewRegistryToken,
    ) -> Result<FreshRegistryToken, ClientError> {
        self.post(&format!("/api/v1/accounts/{}/registry-tokens", segment(name.as_str())), token).await
    }

    pub async fn revoke_token(&self, name: &UserName, id: &str) -> Result<(), ClientError> {
        self.delete(&format!("/api/v1/accounts/{}/tokens/{}", segment(name.as_str()), segment(id))).await
    }

    /// What went from the registry because nothing refers to it, or would go.
    pub async fn collect_garbage(&self, request: &CollectGarbage) -> Result<GarbageReport, ClientError> {
        self.post("/api/v1/registry/gc", request).await
    }

    /// Reads every blob of the registry, and takes the rotten ones out.
    pub async fn scrub(&self) -> Result<ScrubReport, ClientError> {
        self.post("/api/v1/registry/scrub", &()).await
    }

    /// The keys that the server's statements about images are verified with.
    pub async fn signing_keys(&self) -> Result<SigningKeys, ClientError> {
        self.get("/api/v1/registry/keys").await
    }

    /// Has the server sign with a new key from now on. What it has signed stays good.
    pub async fn replace_signing_key(&self) -> Result<SigningKeys, ClientError> {
        self.post("/api/v1/registry/keys", &()).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(self.send(self.request(Method::GET, path)).await?).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.read(self.send(self.request(Method::POST, path).json(body)).await?).await
    }

    async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, path)).await.map(|_| ())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// Sends, and turns whatever is no success into the server's own words.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|error| ClientError::Unreachable { url: self.url.clone(), reason: words(&error) })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let message = match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => problem.message,
            Err(_) if status == StatusCode::UNAUTHORIZED => {
                "the server does not know this token: set SLUICE_TOKEN, or give --token".to_owned()
            }
            Err(_) => format!("the server at {} answered {status}", self.url),
        };
        Err(ClientError::Refused { status: status.as_u16(), message })
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        let bytes = response
            .bytes()
            .await
            .map_err(|error| ClientError::BrokenOff { url: self.url.clone(), reason: words(&error) })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Unreadable { url: self.url.clone(), reason: error.to_string() })
    }

    fn progress(&self, response: Response) -> impl Stream<Item = Result<Progress, ClientError>> + use<> {
        let url = self.url.clone();
        let broken = self.url.clone();
        let chunks = response
            .bytes_stream()
            .map_err(move |error| ClientError::BrokenOff { url: broken.clone(), reason: words(&error) });
        lines::lines(chunks).map(move |line| {
            serde_json::from_slice(&line?)
                .map_err(|error| ClientError::Unreadable { url: url.clone(), reason: error.to_string() })
        })
    }
}

/// The innermost cause says most: `Connection refused`.
fn words(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// One segment of a path (RFC 3986, 2.3).
fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
