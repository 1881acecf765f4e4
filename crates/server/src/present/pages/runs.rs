use sluice_model::RepositoryName;
use sluice_release as release;
use sluice_store::RunFilter;
use sluice_view::{HomePage, RepositoryRow, RunFilters, RunRow, RunsPage, Stage, Status};
use sluice_wire::{RunState, RunSummary};

use super::gate;
use crate::accounts::Actor;
use crate::app::App;
use crate::clock::now;
use crate::refusal::Refusal;

/// How many runs a page lists.
const PAGE: usize = 30;
/// So many of the newest runs are searched for what a filter names.
const SEARCHED: u32 = 1000;

pub(crate) async fn home(app: &App, actor: &Actor) -> Result<HomePage, Refusal> {
    let mut repositories = Vec::new();
    for name in app.store.repositories().await? {
        let filter = RunFilter { repository: Some(name.clone()), limit: 1, ..RunFilter::default() };
        let delivery = app.deliveries.state(&name).await?;
        let last_run = match app.store.runs(filter).await?.first() {
            Some(found) => Some(row(&delivery, found.id, app.record(found).await?.summary, actor)),
            None => None,
        };
        let stages = stages(&delivery);
        let waiting = waiting(app, &name, &delivery).await?;
        repositories.push(RepositoryRow { name, last_run, stages, waiting });
    }
    Ok(HomePage { repositories, server_url: app.url.clone() })
}

/// Gates that wait for somebody, each once though a run and a promotion may both stand before it.
async fn waiting(app: &App, name: &RepositoryName, delivery: &release::State) -> Result<u32, Refusal> {
    let open =
        RunFilter { repository: Some(name.clone()), ended: Some(false), limit: 200, ..RunFilter::default() };
    let mut count = 0;
    for found in app.store.runs(open).await? {
        count += app.record(&found).await?.summary.waiting.len();
    }
    let gated = delivery.promotions().filter(|promotion| {
        release::waits(delivery, promotion, now())
            .iter()
            .any(|wait| matches!(wait, release::Wait::Approval { .. }))
    });
    Ok(u32::try_from(count + gated.count()).unwrap_or(u32::MAX))
}

fn stages(delivery: &release::State) -> Vec<Stage> {
    let policy = delivery.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
    let stage = |environment: &release::Environment| {
        let place = delivery.environment(&environment.name).cloned().unwrap_or_default();
        let live = delivery.live(&environment.name);
        let status = match (place.rolling_out, place.waiting.is_empty(), &place.drift, live) {
            (Some(_), ..) => Status::Running,
            (None, _, Some(_), _) => Status::Failed,
            (None, false, ..) => Status::Waiting,
            (None, true, None, Some(_)) => Status::Passed,
            (None, true, None, None) => Status::Queued,
        };
        Stage {
            environment: environment.name.clone(),
            version: live.map(|(_, release)| release.version.clone()),
            status,
        }
    };
    policy.iter().map(stage).collect()
}

pub(crate) async fn runs(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    filters: RunFilters,
) -> Result<RunsPage, Refusal> {
    app.must_exist(repository).await?;
    let delivery = app.deliveries.state(repository).await?;
    let filter = RunFilter { repository: Some(repository.clone()), limit: SEARCHED, ..RunFilter::default() };
    let mut rows = Vec::new();
    for found in app.store.runs(filter).await? {
        rows.push(row(&delivery, found.id, app.record(&found).await?.summary, actor));
    }
    let (workflows, branches) = (names(&rows, |row| &row.workflow), names(&rows, |row| &row.ref_name));
    rows.retain(|row| is_wanted(row, &filters));
    let older = rows.get(PAGE - 1).filter(|_| rows.len() > PAGE).map(|row| row.number);
    rows.truncate(PAGE);
    let (repository, server_url) = (repository.clone(), app.url.clone());
    Ok(RunsPage { repository, filters, workflows, branches, runs: rows, older, server_url })
}

fn names(rows: &[RunRow], of: impl Fn(&RunRow) -> &String) -> Vec<String> {
    let mut names: Vec<String> = rows.iter().map(|row| of(row).clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn is_wanted(row: &RunRow, filters: &RunFilters) -> bool {
    let RunFilters { workflow, branch, status, q, before } = filters;
    let is = |wanted: &Option<String>, seen: &str| {
        wanted.as_deref().is_none_or(|text| text.is_empty() || text == seen)
    };
    let is_found = |text: &str| {
        let text = text.to_lowercase();
        row.subject.to_lowercase().contains(&text)
            || row.sha.as_str().starts_with(&text)
            || row.actor.as_str().to_lowercase().contains(&text)
    };
    is(workflow, &row.workflow)
        && is(branch, &row.ref_name)
        && status.as_deref().and_then(Status::from_word).is_none_or(|status| status == row.status)
        && q.as_deref().is_none_or(is_found)
        && before.is_none_or(|before| row.number < before)
}

pub(crate) fn row(
    delivery: &release::State,
    run: sluice_model::RunId,
    summary: RunSummary,
    actor: &Actor,
) -> RunRow {
    let gates = summary
        .waiting
        .iter()
        .map(|waiting| gate::of_run(delivery, run, &summary.actor, &waiting.gate, waiting.since, actor));
    RunRow {
        number: summary.number,
        status: status(summary.state),
        gates: gates.collect(),
        ref_name: short_ref(&summary.git_ref).to_owned(),
        workflow: summary.workflow,
        subject: summary.title,
        sha: summary.sha,
        event: summary.event,
        actor: summary.actor,
        created_at: summary.created,
        finished_at: summary.ended,
        attempt: summary.attempt,
        trouble: summary.problem,
    }
}

pub(crate) fn status(state: RunState) -> Status {
    match state {
        RunState::Running | RunState::Cancelling => Status::Running,
        RunState::Queued => Status::Queued,
        RunState::Waiting => Status::Waiting,
        RunState::Success => Status::Passed,
        RunState::Failure => Status::Failed,
        RunState::Cancelled | RunState::Interrupted => Status::Cancelled,
    }
}

pub(crate) fn short_ref(git_ref: &str) -> &str {
    ["refs/heads/", "refs/tags/"].iter().find_map(|prefix| git_ref.strip_prefix(prefix)).unwrap_or(git_ref)
}
