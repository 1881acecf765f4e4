use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use sluice_model::{JobId, Trigger};
use sluice_pipelines::{NotRun, Selection};
use sluice_plan::{Called, Concurrency, GateKind, Job, JobCondition, Late, Plan, Work};
use sluice_source::Diagnostic;
use sluice_wire::SshKey;

use crate::actions::ActionArgs;
use crate::tree::{OrbArgs, Tree, TriggerArgs, print_diagnostics};
use crate::user_config::UserConfig;
use crate::{Exit, show, ssh_keys};

#[derive(clap::Args)]
pub struct Args {
    /// The repository
    #[arg(short = 'C', long = "directory", value_name = "DIR", default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    trigger: TriggerArgs,
    #[command(flatten)]
    actions: ActionArgs,
    #[command(flatten)]
    orbs: OrbArgs,
    /// Print it as JSON (docs/plan.md)
    #[arg(long)]
    json: bool,
}

/// What would run for a trigger, in which order, behind which gates, and why the rest would not.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let tree = Tree::at(&args.path, &args.trigger)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut tree =
        runtime.block_on(async { tree.with_calls(&args.actions).await?.with_orbs(&args.orbs).await })?;
    if tree.has_no_pipeline() {
        anyhow::bail!(
            "no pipeline in {}: looked for .github/workflows/*.yml and .circleci/config.yml",
            tree.root.display()
        );
    }
    let selection = tree.select(None);
    tree.needs_calls_of(&selection.plans)?;
    let keys = UserConfig::read()?.ssh_keys;
    let refused = refusals(&selection.plans, &ssh_keys::read(&keys)?);
    if args.json {
        show::json(&Document::of(&tree.trigger, &selection, &refused))?;
    } else {
        print_diagnostics(&errors(&selection.diagnostics), &tree.files);
        draw(&tree.trigger, &selection);
        print_diagnostics(&refused, &tree.files);
    }
    let is_sound = !selection.has_errors() && refused.is_empty();
    Ok(if is_sound { Exit::Done } else { Exit::Failed })
}

/// What these plans ask for and Sluice cannot do, with these SSH keys.
pub fn refusals(plans: &[Plan], keys: &[SshKey]) -> Vec<Diagnostic> {
    let of =
        |plan| sluice_engine::unsupported(plan).into_iter().chain(sluice_runner::unsupported(plan, keys));
    let mut refusals: Vec<Diagnostic> = Vec::new();
    for refusal in plans.iter().flat_map(of) {
        // One thing may be in the way of several jobs.
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }
    refusals
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).cloned().collect()
}

fn draw(trigger: &Trigger, selection: &Selection) {
    println!(
        "{} {} at {}",
        trigger.event.as_str(),
        trigger.source_branch().unwrap_or(trigger.ref_name()),
        trigger.sha.short()
    );
    for plan in &selection.plans {
        println!("\n{}  {}{}", plan.workflow, plan.file, in_group(plan.concurrency.as_ref()));
        for line in graph(plan) {
            println!("{line}");
        }
    }
    if selection.plans.is_empty() && !selection.has_errors() {
        println!("\nnothing runs");
    }
    if !selection.not_run.is_empty() {
        println!("\nnot run:");
        for reason in &selection.not_run {
            println!("  {reason}");
        }
    }
}

/// The jobs as a tree: each below the need that ends last in the order of the graph, with its other needs named.
fn graph(plan: &Plan) -> Vec<String> {
    let layers = layers(plan);
    let mut children: BTreeMap<Option<&JobId>, Vec<&Job>> = BTreeMap::new();
    for job in &plan.jobs {
        let parent = job.needs.iter().map(|need| &need.job).max_by_key(|need| layers.get(need).copied());
        children.entry(parent).or_default().push(job);
    }
    let mut lines = Vec::new();
    branch(&Drawing { plan, children }, None, "", &mut lines);
    lines
}

struct Drawing<'a> {
    plan: &'a Plan,
    /// By the job that each hangs below.
    children: BTreeMap<Option<&'a JobId>, Vec<&'a Job>>,
}

fn branch(drawing: &Drawing<'_>, parent: Option<&JobId>, indent: &str, lines: &mut Vec<String>) {
    let below = drawing.children.get(&parent).map_or(&[][..], Vec::as_slice);
    // A long chain is drawn straight down rather than ever further to the right.
    let is_chain = parent.is_some() && below.len() == 1;
    for (index, job) in below.iter().enumerate() {
        let is_last = index + 1 == below.len();
        let (mark, next) = match (is_chain, is_last) {
            (true, _) => ("↓ ", indent.to_owned()),
            (false, true) => ("└ ", format!("{indent}  ")),
            (false, false) => ("├ ", format!("{indent}│ ")),
        };
        lines.push(format!("  {indent}{mark}{}", describe(drawing.plan, job, parent)));
        branch(drawing, Some(&job.id), &next, lines);
    }
}

fn describe(plan: &Plan, job: &Job, parent: Option<&JobId>) -> String {
    let mut text = match (&job.gate, &job.work) {
        (Some(gate), _) if gate.kind == GateKind::Approval => format!("⏸ {} waits for an approval", job.id),
        (Some(gate), _) => format!("{} enters environment `{}`", job.id, gate.name),
        (None, Work::Call(call)) => format!("{} calls {}", job.id, call.workflow),
        (None, _) => job.id.to_string(),
    };
    if job.strategy.as_ref().is_some_and(|strategy| strategy.matrix.is_some()) {
        text.push_str(", a matrix");
    }
    for call in plan.calls.iter().filter(|call| call.jobs.contains(&job.id)) {
        if let Some(combination) = &call.combination {
            text.push_str(&format!(", for ({})", combination.values));
        }
        // Once for the whole call, where it begins.
        if call.jobs.first() == Some(&job.id) && call.concurrency.is_some() {
            text.push_str(&format!(
                ", with all of {}{}",
                call.id,
                in_group(call.concurrency.as_ref()).replacen(',', "", 1)
            ));
        }
    }
    text.push_str(&in_group(job.concurrency.as_ref()));
    if let JobCondition::Expression(condition) = &job.condition
        && condition.source() != "success()"
    {
        text.push_str(&format!(", if {}", condition.source()));
    }
    let others: Vec<_> =
        job.needs.iter().filter(|need| Some(&need.job) != parent).map(|need| need.job.to_string()).collect();
    if !others.is_empty() {
        text.push_str(&format!("  (after {} too)", others.join(", ")));
    }
    text
}

/// The concurrency group, and what becomes of those that are in it.
fn in_group(concurrency: Option<&Concurrency>) -> String {
    let Some(Concurrency { group, cancel_in_progress, keep_all_pending }) = concurrency else {
        return String::new();
    };
    let how = match (keep_all_pending, cancel_in_progress) {
        (true, _) => "in order",
        (false, Late::Known(false)) => "the newest waits",
        (false, Late::Known(true)) => "cancels what is in progress",
        (false, Late::Expression(_)) => "may cancel what is in progress",
    };
    format!(", one at a time in group `{}` ({how})", group.source())
}

/// The longest way to each job, in needs.
fn layers(plan: &Plan) -> BTreeMap<&JobId, usize> {
    let mut layers: BTreeMap<&JobId, usize> = plan.jobs.iter().map(|job| (&job.id, 0)).collect();
    // A graph without circles settles within as many rounds as it has jobs; the dialects refuse circles.
    for _ in 0..plan.jobs.len() {
        let mut is_settled = true;
        for job in &plan.jobs {
            let layer =
                job.needs.iter().filter_map(|need| layers.get(&need.job)).max().map_or(0, |layer| layer + 1);
            if layers.insert(&job.id, layer) != Some(layer) {
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    layers
}

/// `sluice plan --json`.
#[derive(Serialize)]
struct Document<'a> {
    trigger: &'a Trigger,
    workflows: Vec<WorkflowDocument<'a>>,
    not_run: &'a [NotRun],
    diagnostics: Vec<&'a Diagnostic>,
}

#[derive(Serialize)]
struct WorkflowDocument<'a> {
    workflow: &'a str,
    file: &'a str,
    dialect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    jobs: Vec<JobDocument<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<CallDocument<'a>>,
}

/// A call of a reusable workflow that is one of a matrix, or in a concurrency group.
#[derive(Serialize)]
struct CallDocument<'a> {
    id: &'a JobId,
    jobs: &'a [JobId],
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    combination: Option<&'a str>,
}

#[derive(Serialize)]
struct JobDocument<'a> {
    id: &'a JobId,
    /// The longest way to it, in needs: jobs of one layer can run at once.
    layer: usize,
    needs: Vec<&'a JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    is_matrix: bool,
    steps: usize,
}

impl<'a> Document<'a> {
    fn of(trigger: &'a Trigger, selection: &'a Selection, refused: &'a [Diagnostic]) -> Self {
        Self {
            trigger,
            workflows: selection.plans.iter().map(WorkflowDocument::of).collect(),
            not_run: &selection.not_run,
            diagnostics: selection.diagnostics.iter().chain(refused).collect(),
        }
    }
}

impl<'a> WorkflowDocument<'a> {
    fn of(plan: &'a Plan) -> Self {
        let layers = layers(plan);
        let jobs = plan.jobs.iter().map(|job| JobDocument {
            id: &job.id,
            layer: layers.get(&job.id).copied().unwrap_or(0),
            needs: job.needs.iter().map(|need| &need.job).collect(),
            condition: match &job.condition {
                JobCondition::Expression(condition) => Some(condition.source()),
                JobCondition::NeedsAccepted => None,
            },
            gate: job.gate.as_ref().map(|gate| gate.name.source()),
            group: job.concurrency.as_ref().map(|concurrency| concurrency.group.source()),
            is_matrix: job.strategy.as_ref().is_some_and(|strategy| strategy.matrix.is_some()),
            steps: match &job.work {
                Work::Steps(steps) => steps.steps.len(),
                Work::Approval | Work::Nothing | Work::Call(_) | Work::Refused(_) => 0,
            },
        });
        Self {
            workflow: &plan.workflow,
            file: &plan.file,
            dialect: plan.dialect.as_str(),
            group: plan.concurrency.as_ref().map(|concurrency| concurrency.group.source()),
            jobs: jobs.collect(),
            calls: plan.calls.iter().map(CallDocument::of).collect(),
        }
    }
}

impl<'a> CallDocument<'a> {
    fn of(call: &'a Called) -> Self {
        Self {
            id: &call.id,
            jobs: &call.jobs,
            group: call.concurrency.as_ref().map(|concurrency| concurrency.group.source()),
            combination: call.combination.as_ref().map(|combination| combination.values.as_str()),
        }
    }
}
