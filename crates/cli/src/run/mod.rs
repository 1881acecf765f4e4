//! `sluice run`: the working tree's own pipelines, here, with no server.

mod account;
mod gates;
mod job_args;
mod live;
mod look;
mod options;
mod quoted;
mod record;
mod screen;
mod secrets;

use std::path::PathBuf;

use anyhow::bail;
use sluice_model::{Conclusion, InstanceId, JobId, Trigger};
use sluice_plan::{Plan, Value};
use sluice_server::local::{Asks, Begin, LocalEvent, LocalOptions, LocalOutcome, LocalRun, Prepared};
use sluice_wire::SshKey;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::tree::{Snapshot, Tree, print_diagnostics, state_folder};
use crate::{Exit, plan};

pub use account::shell as shell_command;
pub use job_args::{JobArgs, image_map};
pub use options::{Args, ShowArgs};
pub use secrets::gather_known;

use options::Signalled;
use screen::{Screen, Word};

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    on_runtime(begin(args))
}

/// A question that nobody answered still reads from the terminal; it is not waited for.
pub fn on_runtime(verb: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(verb);
    runtime.shutdown_background();
    exit
}

async fn begin(args: &Args) -> anyhow::Result<Exit> {
    let tree = Tree::at(&args.path, &args.trigger)?.with_calls(&args.jobs.actions).await?;
    let mut tree = tree.with_orbs(&args.orbs).await?;
    let pipeline = tree.next_pipeline().await?;
    let selection = tree.select(pipeline);
    // A workflow that has a plan has no errors: those of others do not concern whoever names it.
    let has_plan = |name| selection.plans.iter().any(|plan| is_workflow(plan, name));
    if selection.has_errors() && !args.workflow.as_deref().is_some_and(has_plan) {
        print_diagnostics(&selection.diagnostics, &tree.files);
        return Ok(Exit::Usage);
    }
    let plans = choose(selection.plans, args.workflow.as_deref(), args.job.as_deref())?;
    if plans.is_empty() {
        println!(
            "nothing runs for {} {}",
            tree.trigger.event.as_str(),
            tree.trigger.source_branch().unwrap_or(tree.trigger.ref_name())
        );
        for reason in &selection.not_run {
            println!("  {reason}");
        }
        return Ok(Exit::Done);
    }
    // What does nothing here is said where it is asked for, and not only by `sluice check`.
    let mut without = selection.diagnostics;
    without.retain(|found| {
        found.code.ends_with("/not-supported") && plans.iter().any(|plan| plan.file == found.location.path)
    });
    print_diagnostics(&without, &tree.files);
    tree.needs_calls_of(&plans)?;
    let state = state_folder(&tree.root)?;
    let keys = args.jobs.ssh_keys()?;
    let refused = plan::refusals(&plans, &keys);
    if !refused.is_empty() {
        print_diagnostics(&refused, &tree.files);
        anstream::eprintln!("{}", nothing_was_run(&plans, refused.len(), &keys));
        return Ok(Exit::Usage);
    }
    execute(args, tree, state, plans, pipeline).await
}

/// By its name, its file's path or the end of that.
fn is_workflow(plan: &Plan, name: &str) -> bool {
    plan.workflow == name || plan.file == name || plan.file.ends_with(&format!("/{name}"))
}

/// The workflows and jobs that were named; all of them where none was. A job brings what it needs along.
fn choose(plans: Vec<Plan>, workflow: Option<&str>, job: Option<&str>) -> anyhow::Result<Vec<Plan>> {
    let mut plans = plans;
    if let Some(name) = workflow {
        let known: Vec<_> = plans.iter().map(|plan| plan.workflow.clone()).collect();
        plans.retain(|plan| is_workflow(plan, name));
        if plans.is_empty() {
            bail!("no workflow `{name}` runs for this event; there {}", list("is", &known));
        }
    }
    if let Some(name) = job {
        let known: Vec<_> = plans.iter().flat_map(|plan| &plan.jobs).map(|job| job.id.to_string()).collect();
        for plan in &mut plans {
            let wanted =
                plan.jobs.iter().map(|job| &job.id).filter(|id| is_named(id, name)).cloned().collect();
            keep_with_needs(plan, wanted);
        }
        plans.retain(|plan| !plan.jobs.is_empty());
        if plans.is_empty() {
            bail!("no job `{name}` runs for this event; there {}", list("is", &known));
        }
    }
    Ok(plans)
}

/// A pipeline with a part that cannot be done is not run at all; the jobs that could be are named.
fn nothing_was_run(plans: &[Plan], refusals: usize, keys: &[SshKey]) -> String {
    let parts = if refusals == 1 { "1 thing".to_owned() } else { format!("{refusals} things") };
    let mut text = format!("nothing was run: {parts} that the pipeline asks for cannot be done here");
    let mut possible = Vec::new();
    for plan in plans {
        for job in &plan.jobs {
            let mut part = plan.clone();
            keep_with_needs(&mut part, vec![job.id.clone()]);
            if plan::refusals(&[part], keys).is_empty() {
                possible.push(job.id.to_string());
            }
        }
    }
    if !possible.is_empty() {
        text.push_str(&format!("; `--job` runs one of those that can be: {}", possible.join(", ")));
    }
    text
}

fn list(verb: &str, known: &[String]) -> String {
    if known.is_empty() { format!("{verb} none") } else { format!("{verb}: {}", known.join(", ")) }
}

/// A job that calls a workflow stands for all jobs of that, in every combination of its matrix: `call` for `call/deploy`
/// and for `call.1/deploy`.
fn is_named(id: &JobId, name: &str) -> bool {
    let Some(rest) = id.as_str().strip_prefix(name) else { return false };
    let below =
        rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    rest.is_empty() || below.starts_with('/')
}

fn keep_with_needs(plan: &mut Plan, wanted: Vec<JobId>) {
    let mut kept = wanted;
    let mut next = 0;
    while let Some(id) = kept.get(next).cloned() {
        next += 1;
        for need in plan.jobs.iter().filter(|job| job.id == id).flat_map(|job| &job.needs) {
            if !kept.contains(&need.job) {
                kept.push(need.job.clone());
            }
        }
    }
    plan.jobs.retain(|job| kept.contains(&job.id));
    for call in &mut plan.calls {
        call.jobs.retain(|job| kept.contains(job));
    }
    plan.calls.retain(|call| !call.jobs.is_empty());
}

async fn execute(
    args: &Args,
    tree: Tree,
    state: PathBuf,
    plans: Vec<Plan>,
    pipeline: Option<u64>,
) -> anyhow::Result<Exit> {
    let dispatches: Result<Vec<_>, _> = plans.iter().map(|plan| tree.dispatch(plan)).collect();
    let dispatches = match dispatches {
        Ok(dispatches) => dispatches,
        Err(wrong) => {
            print_diagnostics(&wrong, &tree.files);
            return Ok(Exit::Usage);
        }
    };
    let options = LocalOptions { pipeline, ..args.local_options(&tree.root, state.clone())? };
    // Both take a while, and neither needs the other.
    let preparing = tokio::spawn(Prepared::new(options));
    let snapshot = Snapshot::take(&tree, &state, &args.jobs.clone().absolute()?).await?;
    let prepared = preparing.await??;
    let begin = |(plan, (trigger, inputs)): (&Plan, (Trigger, Value))| Begin::New {
        plan: Box::new(plan.clone()),
        trigger: Box::new(trigger),
        inputs,
    };
    let runs = plans.iter().zip(dispatches).map(begin).collect();
    perform(Performance {
        plans,
        runs,
        snapshot,
        prepared,
        show: &args.show,
        again: &|plan, job| args.again(plan, job),
    })
    .await
}

/// Runs on their way: what they are, and how they are shown.
pub struct Performance<'a> {
    /// What each of the runs does.
    pub plans: Vec<Plan>,
    pub runs: Vec<Begin>,
    pub snapshot: Snapshot,
    pub prepared: Prepared,
    pub show: &'a ShowArgs,
    /// The command that runs one job of a plan again.
    pub again: &'a dyn Fn(&Plan, &InstanceId) -> String,
}

/// Runs to the end, showing what happens.
pub async fn perform(performance: Performance<'_>) -> anyhow::Result<Exit> {
    let Performance { plans, runs, snapshot, prepared, show: shown, again } = performance;
    let source = &snapshot.source;
    let keeps = prepared.options().keep;
    if prepared.options().delivers_to.is_some() && source.is_changed {
        bail!(
            "what is delivered has to be a commit's, and the working tree has uncommitted changes: commit them, or leave --deliver-to out"
        );
    }
    let runs = runs.into_iter().map(|begin| LocalRun { source: source.clone(), begin }).collect();
    let (sender, receiver) = mpsc::channel(1024);
    let (words, heard) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let signalled = Signalled::default();
    let watched = tokio::spawn(options::cancel_on_signals(cancel.clone(), words.clone(), signalled.clone()));
    let workflows = plans.iter().map(|plan| plan.workflow.clone()).collect();
    let person = gates::Person::new(tokio::sync::Mutex::new(words));
    let approvals = gates::approvals(shown.approve, workflows, person.clone());
    let asks = Asks { approvals, stops: gates::stops(person) };
    let screen = tokio::spawn(show(shown.clone(), plans, receiver, heard));
    let outcomes = prepared.run(runs, sender, asks, cancel).await;
    watched.abort();
    let screen = screen.await?;
    let outcomes = outcomes?;
    drop(snapshot);
    screen.conclude(&outcomes, &account::Next { keeps, again });
    Ok(match (exit_of(outcomes.iter().map(verdict)), signalled.get()) {
        (Exit::Failed, Some(signal)) => Exit::Signalled(*signal),
        (exit, _) => exit,
    })
}

/// How a run stands at its end: one that waits at a gate has failed already when a job has. None: it waits.
fn verdict(outcome: &LocalOutcome) -> Option<Conclusion> {
    let mut jobs = outcome.state.run().into_iter().flat_map(|run| run.jobs());
    outcome.conclusion.or_else(|| {
        jobs.find_map(|(_, job)| job.state.conclusion().filter(|ended| *ended == Conclusion::Failure))
    })
}

/// The worst of all ends.
fn exit_of(conclusions: impl Iterator<Item = Option<Conclusion>>) -> Exit {
    conclusions.fold(Exit::Done, |worst, conclusion| match (worst, conclusion) {
        (_, Some(Conclusion::Failure | Conclusion::Cancelled)) | (Exit::Failed, _) => Exit::Failed,
        (_, None) => Exit::Waiting,
        (worst, Some(Conclusion::Success | Conclusion::Skipped)) => worst,
    })
}

/// Shows what happens until nothing more does.
async fn show(
    shown: ShowArgs,
    plans: Vec<Plan>,
    mut events: mpsc::Receiver<LocalEvent>,
    mut words: mpsc::Receiver<Word>,
) -> Screen {
    let mut screen = Screen::new(&shown, plans);
    let mut clock = tokio::time::interval(std::time::Duration::from_millis(100));
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => screen.take(&event),
                None => return screen,
            },
            Some(word) = words.recv() => screen.hear(word),
            _ = clock.tick() => screen.tick(),
        }
    }
}
