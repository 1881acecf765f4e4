use sluice_model::{InstanceId, RepositoryName};
use sluice_view::{JobPage, LogLine, LogStream, PAGE_LINES, Sibling};
use sluice_wire::Stream;

use super::gate;
use super::run::{error_line, executor, instance_status, job_status, reason, steps};
use super::runs::short_ref;
use crate::accounts::Actor;
use crate::app::App;
use crate::log::{Line, LogKey};
use crate::present::times;
use crate::refusal::Refusal;

/// `from`: the first line to show.
pub(crate) async fn job(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    number: u64,
    id: &InstanceId,
    from: u64,
) -> Result<JobPage, Refusal> {
    let row = app.row(repository, number).await?;
    let state = app.runs.state(row.id).await?;
    let missing = || Refusal::not_found(format!("run {number} of {repository} has no job `{id}`"));
    let run = state.run().ok_or_else(missing)?;
    let (_, record) = run.job(&id.job).ok_or_else(missing)?;
    let instance = record.instances.get(id.index as usize);
    if instance.is_none() && id.index > 0 {
        return Err(missing());
    }
    let attempt = instance.map_or(0, |instance| instance.attempt);
    let key = LogKey { run: row.id, instance: id.clone(), attempt };
    let marks = app.logs.marks(&key);
    let trigger = run.trigger();
    let delivery = app.deliveries.state(repository).await?;
    let waiting = run.waiting_gates().find(|gate| gate.instance == *id);
    let name = instance.map_or_else(|| id.to_string(), |instance| instance.plan.name.clone());
    let (started_at, finished_at) = instance.map_or((None, None), |instance| times(&instance.state));
    let first_line = from.max(1);
    let lines = app.logs.lines(&key, first_line, PAGE_LINES)?;
    let status = instance.map_or_else(|| job_status(record), |instance| instance_status(&instance.state));
    let problem = instance.and_then(|instance| match &instance.state {
        sluice_engine::InstanceState::Ended { problem, .. } => problem.clone(),
        _ => None,
    });
    let errors = match status {
        sluice_view::Status::Failed => error_line(app, &key, &name, problem.as_deref(), &marks),
        _ => None,
    };
    let queued = app.groups.queued(run).await?;
    let queued = queued.iter().find(|queued| queued.job.as_ref() == Some(id)).map(ToString::to_string);
    Ok(JobPage {
        repository: repository.clone(),
        run_number: number,
        workflow: run.plan().workflow.clone(),
        subject: run.title().to_owned(),
        sha: trigger.sha.clone(),
        ref_name: short_ref(&trigger.git_ref).to_owned(),
        instance: id.clone(),
        status,
        queued_at: None,
        started_at,
        finished_at,
        executor: executor(&marks),
        reason: problem.or_else(|| reason(record)).or(queued),
        gate: waiting
            .map(|gate| gate::of_run(&delivery, row.id, &trigger.actor, gate.name, gate.since, actor)),
        steps: steps(&marks),
        errors: errors.into_iter().collect(),
        siblings: siblings(run),
        lines: log_lines(lines),
        first_line,
        total_lines: app.logs.count(&key),
        name,
    })
}

fn siblings(run: &sluice_engine::Run) -> Vec<Sibling> {
    run.jobs()
        .filter(|(job, _)| matches!(job.work, sluice_plan::Work::Steps(_)))
        .flat_map(|(job, record)| {
            if record.instances.is_empty() {
                let instance = InstanceId::new(job.id.clone(), 0);
                return vec![Sibling { instance, name: job.id.to_string(), status: job_status(record) }];
            }
            let sibling = |(index, instance): (u32, &sluice_engine::Instance)| Sibling {
                instance: InstanceId::new(job.id.clone(), index),
                name: instance.plan.name.clone(),
                status: instance_status(&instance.state),
            };
            (0..).zip(&record.instances).map(sibling).collect()
        })
        .collect()
}

pub(crate) fn log_lines(lines: Vec<Line>) -> Vec<LogLine> {
    let stream = |stream| match stream {
        Stream::Stdout => LogStream::Stdout,
        Stream::Stderr => LogStream::Stderr,
        Stream::Runner => LogStream::Runner,
    };
    let line =
        |line: Line| LogLine { step: line.step, stream: stream(line.stream), at: line.at, text: line.text };
    lines.into_iter().map(line).collect()
}
