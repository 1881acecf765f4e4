use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use sluice_model::{EnvironmentName, PromotionId, RepositoryName};
use sluice_release::{self as release, Command, Proposer};
use sluice_wire::{
    Decision, DeployRequest, EnvironmentStatus, Progress, PromoteRequest, PromotionSummary, ReleaseSummary,
    RollbackRequest,
};

use super::answer::Answer;
use super::caller::{Caller, RepositoryPath, repository};
use crate::app::App;
use crate::change::{Change, Listener};
use crate::clock::now;
use crate::log::LogKey;
use crate::refusal::Refusal;
use crate::{gates, present, releasing};

pub(crate) async fn releases(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name)): RepositoryPath,
) -> Answer<Json<Vec<ReleaseSummary>>> {
    let repository = repository(&owner, &name)?;
    app.must_exist(&repository).await?;
    let state = app.deliveries.state(&repository).await?;
    let mut releases = Vec::new();
    for found in state.releases().rev() {
        let row = match found.run() {
            Some(run) => app.store.run(run).await?,
            None => None,
        };
        let run = row.map(|row| row.number);
        releases.push(present::release(&state, found, run));
    }
    Ok(Json(releases))
}

pub(crate) async fn environments(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name)): RepositoryPath,
) -> Answer<Json<Vec<EnvironmentStatus>>> {
    let repository = repository(&owner, &name)?;
    app.must_exist(&repository).await?;
    let state = app.deliveries.state(&repository).await?;
    let policy = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
    let mut environments = Vec::new();
    for environment in policy {
        environments.push(status(&app, &repository, &state, &environment.name).await);
    }
    Ok(Json(environments))
}

pub(crate) async fn promote(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, environment)): Path<(String, String, String)>,
    Json(request): Json<PromoteRequest>,
) -> Answer<Json<PromotionSummary>> {
    let repository = repository(&owner, &name)?;
    let environment = EnvironmentName::new(environment);
    let id = promote_release(&app, &caller, &repository, &environment, &request.version).await?;
    Ok(Json(summary(&app, &repository, id).await?))
}

pub(crate) async fn promote_release(
    app: &App,
    caller: &Caller,
    repository: &RepositoryName,
    environment: &EnvironmentName,
    version: &str,
) -> Answer<PromotionId> {
    caller.must_write()?;
    let state = app.deliveries.state(repository).await?;
    gates::known(&state, environment)?;
    let found = by_version(&state, version)?;
    let by = match &caller.0.job {
        Some(job) => Proposer::Run(job.run),
        None => Proposer::Person(caller.0.name.clone()),
    };
    let command = Command::Propose { release: found.id, environment: environment.clone(), by };
    let state = app.deliveries.command(repository, command).await?;
    newest(&state, found.id, environment)
}

pub(crate) async fn rollback(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, environment)): Path<(String, String, String)>,
    Json(request): Json<RollbackRequest>,
) -> Answer<Json<PromotionSummary>> {
    let repository = repository(&owner, &name)?;
    let environment = EnvironmentName::new(environment);
    let id = roll_back(&app, &caller, &repository, &environment, request.version.as_deref()).await?;
    Ok(Json(summary(&app, &repository, id).await?))
}

pub(crate) async fn roll_back(
    app: &App,
    caller: &Caller,
    repository: &RepositoryName,
    environment: &EnvironmentName,
    version: Option<&str>,
) -> Answer<PromotionId> {
    caller.must_write()?;
    let state = app.deliveries.state(repository).await?;
    gates::known(&state, environment)?;
    let to = version.map(|version| by_version(&state, version)).transpose()?.map(|found| found.id);
    let command = Command::Rollback { environment: environment.clone(), to, by: caller.0.as_approver() };
    let state = app.deliveries.command(repository, command).await?;
    let last = state.environment(environment).and_then(|place| place.promotions.last()).copied();
    last.ok_or_else(|| Refusal::conflict(format!("`{environment}` has nothing to go back to")))
}

pub(crate) async fn decide_environment(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, environment)): Path<(String, String, String)>,
    Json(decision): Json<Decision>,
) -> Answer<Json<EnvironmentStatus>> {
    let repository = repository(&owner, &name)?;
    let environment = EnvironmentName::new(environment);
    gates::decide_environment(&app, &caller.0, &repository, &environment, &decision).await?;
    let state = app.deliveries.state(&repository).await?;
    Ok(Json(status(&app, &repository, &state, &environment).await))
}

pub(crate) async fn decide_promotion(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, promotion)): Path<(String, String, u64)>,
    Json(decision): Json<Decision>,
) -> Answer<Json<PromotionSummary>> {
    let repository = repository(&owner, &name)?;
    let id = PromotionId(promotion);
    gates::decide_promotion(&app, &caller.0, &repository, id, &decision).await?;
    Ok(Json(summary(&app, &repository, id).await?))
}

pub(crate) async fn promotion(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name, promotion)): Path<(String, String, u64)>,
) -> Answer<Json<PromotionSummary>> {
    Ok(Json(summary(&app, &repository(&owner, &name)?, PromotionId(promotion)).await?))
}

pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name, promotion)): Path<(String, String, u64)>,
) -> Answer<Response> {
    let repository = repository(&owner, &name)?;
    let id = PromotionId(promotion);
    summary(&app, &repository, id).await?;
    Ok(Follower::begin(app, repository, id).answer())
}

/// `sluice deploy`: what a run pushed enters an environment, or what a person's own pipeline did.
pub(crate) async fn deploy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(request): Json<DeployRequest>,
) -> Answer<Response> {
    let (repository, id) = match &caller.0.job {
        Some(job) => deploy_of_run(&app, job, &request).await?,
        None => deploy_of_person(&app, &caller, &request).await?,
    };
    Ok(Follower::begin(app, repository, id).answer())
}

/// The job's needs were all green, or it would not run, and it is the job's own token that says which run it is.
async fn deploy_of_run(
    app: &App,
    job: &LogKey,
    request: &DeployRequest,
) -> Answer<(RepositoryName, PromotionId)> {
    let state = app.runs.state(job.run).await?;
    let run = state.run().ok_or_else(|| Refusal::not_found("the job's run is not there"))?;
    let repository = run.trigger().repository.clone();
    let delivery = app.deliveries.state(&repository).await?;
    gates::known(&delivery, &request.environment)?;
    let made = releasing::record(app, run, request.tag.as_deref()).await?;
    let environment = request.environment.clone();
    let delivery = app.deliveries.state(&repository).await?;
    let id = match asked_before(run, &job.instance, &delivery, made, &environment) {
        Some(id) => id,
        None => {
            let command = Command::Propose { release: made, environment, by: Proposer::Run(job.run) };
            let delivery = app.deliveries.command(&repository, command).await?;
            newest(&delivery, made, &request.environment)?
        }
    };
    Ok((repository, id))
}

/// A person takes responsibility for what their own pipeline tested; gates ask whom they always ask.
async fn deploy_of_person(
    app: &App,
    caller: &Caller,
    request: &DeployRequest,
) -> Answer<(RepositoryName, PromotionId)> {
    caller.must_write()?;
    let (Some(repository), Some(tag)) = (&request.repository, &request.tag) else {
        return Err(Refusal::bad(
            "outside of the server's jobs, `sluice deploy` needs --repository OWNER/NAME and the --tag that the images \
             were pushed with",
        ));
    };
    let delivery = app.deliveries.state(repository).await?;
    gates::known(&delivery, &request.environment)?;
    let made = releasing::record_elsewhere(app, &caller.0, repository, tag).await?;
    let by = Proposer::Person(caller.0.name.clone());
    let command = Command::Propose { release: made, environment: request.environment.clone(), by };
    let delivery = app.deliveries.command(repository, command).await?;
    Ok((repository.clone(), newest(&delivery, made, &request.environment)?))
}

/// The promotion that this job asked for already: a step whose connection broke asks again, and a promotion that has
/// failed meanwhile must not begin anew. A rerun of the job is another matter.
fn asked_before(
    run: &sluice_engine::Run,
    instance: &sluice_model::InstanceId,
    delivery: &release::State,
    made: sluice_model::ReleaseId,
    environment: &EnvironmentName,
) -> Option<PromotionId> {
    let since = crate::present::times(&run.instance(instance)?.state).0?;
    let promotion = delivery.promotion_of(made, environment)?;
    (promotion.proposed >= since).then_some(promotion.id)
}

fn newest(
    state: &release::State,
    of: sluice_model::ReleaseId,
    environment: &EnvironmentName,
) -> Answer<PromotionId> {
    let promotion = state.promotion_of(of, environment).map(|promotion| promotion.id);
    promotion.ok_or_else(|| Refusal::conflict(format!("nothing was proposed for `{environment}`")))
}

fn by_version<'a>(state: &'a release::State, version: &str) -> Answer<&'a release::Release> {
    state.release_by_version(version).ok_or_else(|| {
        let known: Vec<&str> = state.releases().rev().take(5).map(|known| known.version.as_str()).collect();
        let shown: String = version.chars().take(100).collect();
        Refusal::not_found(match known.is_empty() {
            true => format!("there is no release `{shown}`, nor any other yet"),
            false => format!("there is no release `{shown}`; the newest are {}", known.join(", ")),
        })
    })
}

async fn status(
    app: &App,
    repository: &RepositoryName,
    state: &release::State,
    environment: &EnvironmentName,
) -> EnvironmentStatus {
    let addresses = app.rollouts.addresses(repository, environment).await;
    present::environment(state, environment, addresses, now())
}

async fn summary(app: &App, repository: &RepositoryName, id: PromotionId) -> Answer<PromotionSummary> {
    let state = app.deliveries.state(repository).await?;
    let found = present::promotion(&state, id, now());
    found.ok_or_else(|| Refusal::not_found(format!("there is no promotion {id} in {repository}")))
}

/// Tells how a promotion goes on, until it has ended.
struct Follower {
    app: Arc<App>,
    repository: RepositoryName,
    id: PromotionId,
    listener: Listener,
    /// How many of the rollout's lines were told.
    told: usize,
    last: Option<PromotionSummary>,
    has_ended: bool,
}

impl Follower {
    fn begin(app: Arc<App>, repository: RepositoryName, id: PromotionId) -> Self {
        let listener = app.changes.listen();
        Self { app, repository, id, listener, told: 0, last: None, has_ended: false }
    }

    fn answer(self) -> Response {
        let body = Body::from_stream(self.chunks());
        ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
    }

    fn chunks(self) -> impl Stream<Item = io::Result<Bytes>> {
        futures_util::stream::unfold(self, |mut follower| async move {
            let news = follower.news().await?;
            let mut text = String::new();
            for progress in news {
                text.push_str(&serde_json::to_string(&progress).unwrap_or_default());
                text.push('\n');
            }
            Some((Ok(Bytes::from(text)), follower))
        })
    }

    /// What is new, waiting for it; none when all was told.
    async fn news(&mut self) -> Option<Vec<Progress>> {
        loop {
            if self.has_ended {
                return None;
            }
            let news = match self.look().await {
                Ok(news) => news,
                Err(Refusal { message, .. }) => {
                    self.has_ended = true;
                    return Some(vec![Progress::Problem { message }]);
                }
            };
            if !news.is_empty() {
                return Some(news);
            }
            let repository = self.repository.clone();
            let concerns = |change: &Change| matches!(change, Change::Delivery { repository: changed } if *changed == repository);
            tokio::select! {
                goes_on = self.listener.wait_for(concerns) => if !goes_on { return None },
                () = self.app.stopping.cancelled() => return None,
            }
        }
    }

    async fn look(&mut self) -> Answer<Vec<Progress>> {
        let promotion = summary(&self.app, &self.repository, self.id).await?;
        let lines = self.app.deliveries.said(&self.repository, self.id, self.told);
        self.told += lines.len();
        let mut news: Vec<Progress> =
            lines.into_iter().map(|(at, text)| Progress::Line { at, text }).collect();
        if promotion.stage.is_ended() {
            self.has_ended = true;
            news.push(Progress::Ended { promotion });
        } else if self.last.as_ref() != Some(&promotion) {
            self.last = Some(promotion.clone());
            news.push(Progress::Stage { promotion });
        }
        Ok(news)
    }
}
