use sluice_engine::{self as engine, InstanceState, JobRecord};
use sluice_model::{InstanceId, RepositoryName};
use sluice_plan::Work;
use sluice_release as release;
use sluice_view::{
    Artifact, ErrorLine, FailedTest, Instance, Job, ReleaseLink, RunPage, Status, Step, Summary, TestCounts,
};
use sluice_wire::{JobEvent, QueuedFor, TestOutcome};

use super::gate;
use super::runs::{short_ref, status};
use crate::accounts::Actor;
use crate::app::App;
use crate::log::{LogKey, Mark};
use crate::present::times;
use crate::refusal::Refusal;

pub(crate) async fn run(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    number: u64,
) -> Result<RunPage, Refusal> {
    let row = app.row(repository, number).await?;
    let record = app.record(&row).await?;
    let state = app.runs.state(row.id).await?;
    let delivery = app.deliveries.state(repository).await?;
    let summary = record.summary;
    let mut page = RunPage {
        repository: repository.clone(),
        number,
        workflow: summary.workflow,
        workflow_file: summary.file,
        status: status(summary.state),
        attempt: summary.attempt,
        event: summary.event,
        ref_name: short_ref(&summary.git_ref).to_owned(),
        sha: summary.sha,
        subject: summary.title,
        actor: summary.actor,
        created_at: summary.created,
        finished_at: summary.ended,
        jobs: Vec::new(),
        waits_for: None,
        problems: record.diagnostics.iter().map(ToString::to_string).collect(),
        errors: Vec::new(),
        tests: None,
        failed_tests: Vec::new(),
        artifacts: Vec::new(),
        summaries: Vec::new(),
        release: delivery.release_of_run(row.id).map(|made| ReleaseLink { version: made.version.clone() }),
        may_cancel: gate::may_write(actor),
        may_rerun: gate::may_write(actor),
    };
    if let Some(run) = state.run() {
        page.waits_for = summary.queued.iter().find(|queued| queued.job.is_none()).map(ToString::to_string);
        page.problems.extend(run.superseded().map(str::to_owned));
        let queued = &summary.queued;
        let drawer = Drawer { app, run, delivery: &delivery, actor, queued };
        drawer.draw(&mut page);
    } else {
        page.may_rerun = sluice_view::May::No("push a mended pipeline file instead".to_owned());
    }
    Ok(page)
}

struct Drawer<'a> {
    app: &'a App,
    run: &'a engine::Run,
    delivery: &'a release::State,
    actor: &'a Actor,
    /// The groups that jobs wait for.
    queued: &'a [QueuedFor],
}

impl Drawer<'_> {
    fn draw(&self, page: &mut RunPage) {
        for (job, record) in self.run.jobs() {
            let mut instances = Vec::new();
            for (index, instance) in (0..).zip(&record.instances) {
                let id = InstanceId::new(job.id.clone(), index);
                let key = LogKey { run: self.run.id(), instance: id.clone(), attempt: instance.attempt };
                let marks = self.app.logs.marks(&key);
                collect(page, &id, &marks);
                page.summaries.extend(summary(&instance.plan.name, &marks));
                self.failures(page, &key, instance, &marks);
                instances.push(draw_instance(id, instance, &marks));
            }
            page.jobs.push(Job {
                id: job.id.clone(),
                name: title(job, record),
                status: job_status(record),
                needs: job.needs.iter().map(|need| need.job.clone()).collect(),
                is_gate: matches!(job.work, Work::Approval),
                gate: self.gate(&job.id),
                reason: reason(record).or_else(|| self.queued(&job.id, record)),
                instances: if matches!(job.work, Work::Steps(_)) { instances } else { Vec::new() },
            });
        }
    }

    /// The concurrency group that a job, or a combination of it, waits for; or the call that it is in, before it starts.
    fn queued(&self, job: &sluice_model::JobId, record: &JobRecord) -> Option<String> {
        let has_started = !matches!(record.state, engine::JobState::Waiting);
        let calls = self.run.plan().calls.iter().filter(|call| !has_started && call.jobs.contains(job));
        let ids: Vec<_> = calls.map(|call| &call.id).chain([job]).collect();
        let is_of =
            |queued: &&QueuedFor| queued.job.as_ref().is_some_and(|waiting| ids.contains(&&waiting.job));
        self.queued.iter().find(is_of).map(ToString::to_string)
    }

    /// The gate that holds a job up now.
    fn gate(&self, job: &sluice_model::JobId) -> Option<sluice_view::GateWait> {
        let waiting = self.run.waiting_gates().find(|gate| gate.instance.job == *job)?;
        let author = &self.run.trigger().actor;
        Some(gate::of_run(self.delivery, self.run.id(), author, waiting.name, waiting.since, self.actor))
    }

    /// What a failed instance has to show.
    fn failures(&self, page: &mut RunPage, key: &LogKey, instance: &engine::Instance, marks: &[Mark]) {
        let InstanceState::Ended { conclusion: sluice_model::Conclusion::Failure, problem, .. } =
            &instance.state
        else {
            return;
        };
        page.errors.extend(error_line(self.app, key, &instance.plan.name, problem.as_deref(), marks));
        for test in self.app.logs.failed_tests(key) {
            let TestOutcome::Failed { message } = test.outcome else { continue };
            page.failed_tests.push(FailedTest {
                job: key.instance.clone(),
                suite: test.suite,
                name: test.name,
                file: test.file,
                message,
                duration_ms: test.duration_ms,
                history: Vec::new(),
                is_flaky: false,
            });
        }
    }
}

/// The last lines of the step that failed, or what the runner said where no step did.
pub(crate) fn error_line(
    app: &App,
    key: &LogKey,
    job_name: &str,
    problem: Option<&str>,
    marks: &[Mark],
) -> Option<ErrorLine> {
    const SHOWN: u64 = 6;
    let steps = steps(marks);
    let error = |step: &str, line, text| ErrorLine {
        job: key.instance.clone(),
        job_name: job_name.to_owned(),
        step: step.to_owned(),
        line,
        text,
    };
    if let Some(problem) = problem {
        return Some(error("", None, problem.to_owned()));
    }
    let failed = steps.iter().find(|step| step.status == Status::Failed)?;
    let annotated = marks.iter().find_map(|mark| match &mark.event {
        // That a process failed is no reason: its last lines are.
        JobEvent::Annotation { level: sluice_wire::Level::Error, message, .. }
            if !message.starts_with(COMPLETED) =>
        {
            Some((Some(mark.lines), message.clone()))
        }
        _ => None,
    });
    let (line, text) = annotated.unwrap_or_else(|| {
        let last = marks.iter().find_map(|mark| match mark.event {
            JobEvent::StepFinished { step, .. } if step == failed.number => Some(mark.lines),
            _ => None,
        });
        let last = last.unwrap_or_else(|| app.logs.count(key));
        let first = failed.first_line.unwrap_or(1).max((last + 1).saturating_sub(SHOWN));
        let limit = usize::try_from((last + 1).saturating_sub(first)).unwrap_or(0);
        let lines = app.logs.lines(key, first, limit).unwrap_or_default();
        (Some(last).filter(|last| *last > 0), reason_in(lines.into_iter().map(|line| line.text)))
    });
    Some(error(&failed.name, line, text))
}

/// What the runner writes under a step whose process failed.
const COMPLETED: &str = "Process completed with exit code";

/// The last lines of a failed step without the runner's own about it; these where there is nothing else.
fn reason_in(lines: impl Iterator<Item = String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut completed = None;
    for line in lines {
        match line.strip_prefix("##[error]") {
            Some(error) if error.starts_with(COMPLETED) => completed = Some(error.to_owned()),
            Some(error) => kept.push(error.to_owned()),
            // What stood before is the step's own script, shown as a group.
            None if line.starts_with("##[endgroup]") => kept.clear(),
            None => kept.push(line),
        }
    }
    match kept.is_empty() {
        true => completed.unwrap_or_default(),
        false => kept.join("\n"),
    }
}

fn draw_instance(id: InstanceId, instance: &engine::Instance, marks: &[Mark]) -> Instance {
    let (started_at, finished_at) = times(&instance.state);
    Instance {
        label: label(&instance.plan.name),
        status: instance_status(&instance.state),
        queued_at: match instance.state {
            InstanceState::Offered { since, .. } => Some(since),
            _ => None,
        },
        started_at,
        finished_at,
        executor: executor(marks),
        steps: steps(marks),
        kept_from_attempt: None,
        id,
    }
}

/// The matrix's values, which stand in brackets behind the job's name.
fn label(name: &str) -> String {
    let inner = name.strip_suffix(')').and_then(|name| name.rsplit_once(" ("));
    inner.map(|(_, values)| values.to_owned()).unwrap_or_default()
}

fn title(job: &sluice_plan::Job, record: &JobRecord) -> String {
    match record.instances.as_slice() {
        [one] => one.plan.name.clone(),
        _ => job.id.to_string(),
    }
}

pub(crate) fn executor(marks: &[Mark]) -> Option<String> {
    marks.iter().find_map(|mark| match &mark.event {
        JobEvent::Prepared { executor, .. } => Some(executor.clone()),
        _ => None,
    })
}

pub(crate) fn steps(marks: &[Mark]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for mark in marks {
        match &mark.event {
            JobEvent::StepStarted { step, name, at } => steps.push(Step {
                number: *step,
                name: name.clone(),
                status: Status::Running,
                started_at: Some(*at),
                finished_at: None,
                exit_code: None,
                first_line: Some(mark.lines + 1),
            }),
            JobEvent::StepFinished { step, conclusion, exit_code, at, .. } => {
                if let Some(found) = steps.iter_mut().rev().find(|found| found.number == *step) {
                    found.status = (*conclusion).into();
                    found.finished_at = Some(*at);
                    found.exit_code = *exit_code;
                }
            }
            _ => {}
        }
    }
    steps
}

/// What all steps of a job wrote, one below the other.
fn summary(job_name: &str, marks: &[Mark]) -> Option<Summary> {
    let texts = marks.iter().filter_map(|mark| match &mark.event {
        JobEvent::Summary { text, .. } => Some(text.as_str()),
        _ => None,
    });
    // A blank line between, for a list or a table must not go on in the next one.
    let text = texts.collect::<Vec<_>>().join("\n\n");
    (!text.is_empty()).then(|| Summary { job_name: job_name.to_owned(), text })
}

fn collect(page: &mut RunPage, job: &InstanceId, marks: &[Mark]) {
    for mark in marks {
        match &mark.event {
            JobEvent::ArtifactStored { name, files, size_bytes } => page.artifacts.push(Artifact {
                name: name.clone(),
                job: job.clone(),
                files: *files,
                size_bytes: *size_bytes,
                href: Some(sluice_view::paths::artifact(&page.repository, page.number, name)),
            }),
            JobEvent::TestsStored { passed, failed, skipped } => {
                let tests = page.tests.get_or_insert_with(TestCounts::default);
                tests.passed += passed;
                tests.failed += failed;
                tests.skipped += skipped;
            }
            _ => {}
        }
    }
}

pub(crate) fn instance_status(state: &InstanceState) -> Status {
    match state {
        InstanceState::Held | InstanceState::Queued { .. } | InstanceState::Offered { .. } => Status::Queued,
        InstanceState::Gated { .. } => Status::Waiting,
        InstanceState::Leased { .. } => Status::Running,
        InstanceState::Ended { conclusion, .. } => (*conclusion).into(),
    }
}

/// Of its instances, the state that matters most now.
pub(crate) fn job_status(record: &JobRecord) -> Status {
    if let Some(conclusion) = record.state.conclusion() {
        return conclusion.into();
    }
    let has = |wanted: Status| record.instances.iter().any(|one| instance_status(&one.state) == wanted);
    match (has(Status::Running), has(Status::Waiting)) {
        (true, _) => Status::Running,
        (false, true) => Status::Waiting,
        (false, false) => Status::Queued,
    }
}

pub(crate) fn reason(record: &JobRecord) -> Option<String> {
    match &record.state {
        engine::JobState::Ended { problem, .. } => problem.clone(),
        engine::JobState::Waiting | engine::JobState::Active { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_the_step_said_itself() {
        for (lines, expect) in [
            (vec!["one", "two", "##[error]Process completed with exit code 1."], "one\ntwo"),
            (
                vec![
                    "a script",
                    "##[endgroup]",
                    "no such file",
                    "##[error]Process completed with exit code 2.",
                ],
                "no such file",
            ),
            (
                vec!["test x", "##[endgroup]", "##[error]Process completed with exit code 1."],
                "Process completed with exit code 1.",
            ),
            (vec!["##[error]no such artifact"], "no such artifact"),
            (vec![], ""),
        ] {
            assert_eq!(reason_in(lines.iter().map(|line| (*line).to_owned())), expect, "{lines:?}");
        }
    }
}
