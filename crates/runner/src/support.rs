use sluice_plan::{
    Action, ActionReference, Background, Container, Dialect, Executor, Job, Plan, Step, StepsJob, UsesAction,
    Work,
};
use sluice_source::{Diagnostic, Location};

use crate::github::{BUILT_IN, is_built_in, name_of};
use crate::place::parse_options;

/// Every step, executor and option of `plan` that this runner cannot do, by name, with its place.
///
/// Called when a plan is made: what is not supported is refused before anything runs, and never skipped.
pub fn unsupported(plan: &Plan) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for job in &plan.jobs {
        let refusals = match &job.work {
            Work::Steps(work) => of_steps(plan.dialect, job, work),
            Work::Call(call) => vec![refusal(
                &job.at,
                format!(
                    "the reusable workflow `{}` is not in the plan, and only jobs of a plan can be run",
                    call.workflow
                ),
            )],
            Work::Approval | Work::Nothing => Vec::new(),
        };
        found.extend(refusals);
    }
    found
}

fn refusal(at: &Location, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("runner/not-supported", at.clone(), 0, message)
}

fn of_steps(dialect: Dialect, job: &Job, work: &StepsJob) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    match &work.executor {
        Executor::Labels { labels, container, .. } => {
            for label in labels.iter().filter_map(|label| label.as_literal()) {
                if is_other_system(label) {
                    let help =
                        "jobs run on Linux here: leave this job to its service, or give it another label";
                    let message = format!(
                        "`runs-on: {label}` asks for another system than Linux, and this runner has none"
                    );
                    found.push(refusal(&job.at, message).with_help(help));
                }
            }
            found.extend(container.iter().flat_map(|container| of_container(&job.at, container)));
        }
        Executor::Docker { .. } | Executor::Machine(_) => (),
    }
    found.extend(work.services.iter().flat_map(|service| of_container(&job.at, &service.value)));
    found.extend(work.steps.iter().flat_map(|step| of_step(dialect, step)));
    found
}

fn is_other_system(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    ["windows", "macos", "mac-"].iter().any(|system| lower.starts_with(system))
}

fn of_container(at: &Location, container: &Container) -> Option<Diagnostic> {
    let options = container.options.as_ref().and_then(|options| options.as_literal())?;
    parse_options(options).err().map(|reason| refusal(at, reason))
}

fn of_step(dialect: Dialect, step: &Step) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut refuse = |message: String| found.push(refusal(&step.at, message));
    let is_github = dialect == Dialect::Github;
    if step.background == Background::Joined {
        refuse("a step with `background: true` is not supported yet".to_owned());
    }
    match &step.action {
        Action::Run(script) => {
            let shell = script.shell.as_ref().and_then(|shell| shell.as_literal()).unwrap_or_default();
            if is_github && matches!(shell, "cmd" | "powershell") {
                refuse(format!("the shell `{shell}` is of Windows, and this runner is not"));
            }
        }
        Action::Uses(uses) => found.extend(of_action(step, uses)),
        Action::AddSshKeys { .. } => {
            refuse("`add_ssh_keys` is not supported: this runner holds no keys".to_owned())
        }
        Action::Wait { .. } | Action::WaitAll => refuse("`wait` is not supported yet".to_owned()),
        Action::Cancel { .. } => refuse("`cancel` is not supported yet".to_owned()),
        Action::Parallel { .. } => refuse("`parallel` is not supported yet".to_owned()),
        Action::Checkout { .. }
        | Action::AttachWorkspace { .. }
        | Action::PersistToWorkspace { .. }
        | Action::StoreArtifacts { .. }
        | Action::StoreTestResults { .. }
        | Action::SaveCache { .. }
        | Action::RestoreCache { .. }
        | Action::SetupRemoteDocker { .. } => (),
    }
    found
}

fn of_action(step: &Step, uses: &UsesAction) -> Option<Diagnostic> {
    let known = || BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if !is_built_in(&uses.action) {
        let kind = match &uses.action {
            // What it is, is found out when its step begins.
            ActionReference::Local { .. } => return None,
            ActionReference::Repository { .. } => "the action",
            ActionReference::Docker { .. } => "the image as an action",
        };
        let message = format!("{kind} `{}` is not supported yet", uses.action);
        return Some(refusal(&step.at, message).with_help(format!("built in are: {}", known())));
    }
    let name = name_of(&uses.action)?;
    let (_, inputs) = BUILT_IN.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name))?;
    let unknown =
        uses.with.iter().find(|given| !inputs.iter().any(|input| input.eq_ignore_ascii_case(&given.name)))?;
    let message = format!("the input `{}` of `{}` is not supported yet", unknown.name, uses.action);
    Some(refusal(&step.at, message).with_help(format!("supported are: {}", inputs.join(", "))))
}
