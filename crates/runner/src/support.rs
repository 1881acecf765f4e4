use sluice_plan::{
    Action, ActionLock, ActionReference, Container, Dialect, Executor, Job, Plan, RemoteSource, Step,
    StepCondition, StepsJob, UsesAction, Work,
};
use sluice_source::{Diagnostic, Location};
use sluice_wire::SshKey;

use crate::github::{is_built_in, refused_input};
use crate::place::parse_options;

/// Every step, executor and option of `plan` that this runner cannot do, by name, with its place.
///
/// Called when a plan is made: what is not supported is refused before anything runs, and never skipped. `keys` are the
/// SSH keys that the run has.
pub fn unsupported(plan: &Plan, keys: &[SshKey]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for job in &plan.jobs {
        let refusals = match &job.work {
            Work::Steps(work) => {
                let keys = work.steps.iter().filter_map(|step| of_keys(step, keys));
                of_steps(plan, job, work).into_iter().chain(keys).collect()
            }
            Work::Call(call) => vec![refusal(
                &job.at,
                format!(
                    "the reusable workflow `{}` is not in the plan, and only jobs of a plan can be run",
                    call.workflow
                ),
            )],
            // The engine refuses what its dialect has.
            Work::Approval | Work::Nothing | Work::Refused(_) => Vec::new(),
        };
        found.extend(refusals);
    }
    found
}

fn refusal(at: &Location, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("runner/not-supported", at.clone(), 0, message)
}

fn of_steps(plan: &Plan, job: &Job, work: &StepsJob) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    match &work.executor {
        Executor::Labels { labels, container, .. } => {
            for label in labels.iter().filter_map(|label| label.as_literal()) {
                if is_other_system(label) {
                    let help =
                        "jobs run on Linux here: leave this job to its service, or give it another label";
                    found.push(refusal(&job.at, no_system(label)).with_help(help));
                }
            }
            found.extend(container.iter().flat_map(|container| of_container(&job.at, container)));
        }
        Executor::Docker { .. } | Executor::Machine(_) => (),
    }
    found.extend(work.services.iter().flat_map(|service| of_container(&job.at, &service.value)));
    found.extend(work.steps.iter().flat_map(|step| of_step(plan, step)));
    found
}

/// Why a job with this label cannot run.
pub(crate) fn no_system(label: &str) -> String {
    format!("`runs-on: {label}` asks for another system than Linux, and this runner has none")
}

pub(crate) fn is_other_system(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    ["windows", "macos", "mac-"].iter().any(|system| lower.starts_with(system))
}

fn of_container(at: &Location, container: &Container) -> Option<Diagnostic> {
    let options = container.options.as_ref().and_then(|options| options.as_literal())?;
    parse_options(options).err().map(|reason| refusal(at, reason))
}

/// A key that is named and was not given.
fn of_keys(step: &Step, keys: &[SshKey]) -> Option<Diagnostic> {
    let Action::AddSshKeys { fingerprints } = &step.action else { return None };
    let is_given = |named: &&String| keys.iter().any(|key| key.has_fingerprint(named));
    let message = match fingerprints.iter().find(|named| !is_given(named)) {
        Some(named) => format!("`add_ssh_keys` names the key `{named}`, which was not given"),
        None if keys.is_empty() => "`add_ssh_keys` adds SSH keys, and none was given".to_owned(),
        None => return None,
    };
    let help = "`sluice run --ssh-key FILE` gives a private key, as `ssh_keys` of your configuration does; the server has none yet";
    Some(Diagnostic::error("runner/no-ssh-key", step.at.clone(), 0, message).with_help(help))
}

fn of_step(plan: &Plan, step: &Step) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut refuse = |message: String| found.push(refusal(&step.at, message));
    let is_github = plan.dialect == Dialect::Github;
    match &step.action {
        Action::Run(script) => {
            let shell = script.shell.as_ref().and_then(|shell| shell.as_literal()).unwrap_or_default();
            // One with a condition is for jobs on Windows, as a rule, and skipped elsewhere.
            let is_for_all = match &step.condition {
                StepCondition::OnSuccess => true,
                StepCondition::Expression(condition) => condition.source() == "success()",
                StepCondition::OnFail | StepCondition::Always => false,
            };
            if is_github && is_for_all && matches!(shell, "cmd" | "powershell") {
                refuse(format!("the shell `{shell}` is of Windows, and this runner is not"));
            }
        }
        Action::Uses(uses) => found.extend(of_action(plan.lock.as_ref(), step, uses)),
        Action::Parallel { steps } => {
            for member in steps {
                match &member.action {
                    Action::Run(_) | Action::Uses(_) => found.extend(of_step(plan, member)),
                    _ => {
                        let message = "a step of `parallel` is one with `run` or `uses`";
                        found.push(refusal(&member.at, message));
                    }
                }
            }
        }
        Action::Wait { .. }
        | Action::WaitAll
        | Action::Cancel { .. }
        | Action::Checkout { .. }
        | Action::AttachWorkspace { .. }
        | Action::PersistToWorkspace { .. }
        | Action::StoreArtifacts { .. }
        | Action::StoreTestResults { .. }
        | Action::SaveCache { .. }
        | Action::RestoreCache { .. }
        | Action::SetupRemoteDocker { .. }
        | Action::AddSshKeys { .. } => (),
    }
    found
}

/// What is refused before the run: inputs of built-in actions that are not built, and actions that the lock does not know.
/// What an action of the workspace is, is found out when its step begins.
fn of_action(lock: Option<&ActionLock>, step: &Step, uses: &UsesAction) -> Option<Diagnostic> {
    if !is_built_in(&uses.action) {
        return of_remote(lock, step, &uses.action);
    }
    let (message, supported) = refused_input(uses)?;
    Some(refusal(&step.at, message).with_help(supported))
}

fn of_remote(lock: Option<&ActionLock>, step: &Step, action: &ActionReference) -> Option<Diagnostic> {
    let source = match RemoteSource::of_action(action)? {
        Ok(source) => source,
        Err(error) => return Some(refusal(&step.at, error.to_string())),
    };
    let is_known = lock.is_none_or(|lock| source.commit().is_some() || lock.get(&source).is_some());
    let message = format!("`{source}` is not in {}, so that no commit of it may run", ActionLock::FILE);
    let help = "`sluice lock` adds the commit that it stands for now";
    (!is_known).then(|| Diagnostic::error("runner/not-locked", step.at.clone(), 0, message).with_help(help))
}
