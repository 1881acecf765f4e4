use std::collections::HashMap;

use sluice_expression::{BinaryOperator, Expression, LogicalOperator, Node, Scope, Value};
use sluice_plan::StepCondition;

use super::Findings;
use crate::workflow::{Workflow, WorkflowJob};

/// Jobs and steps whose condition can never hold, and what waits for such a job in vain.
pub(super) fn check(workflow: &Workflow, findings: &mut Findings<'_>) {
    let mut never: HashMap<String, String> = HashMap::new();
    for job in in_order_of_need(&workflow.jobs) {
        let waits_for = job.needs.iter().find(|need| never.contains_key(&need.job.to_lowercase()));
        if let Some(reason) = never_holds(job.condition.tree(), workflow) {
            let message = format!("job `{}` never runs: {reason}", job.id);
            findings.warn_at("github/never-runs", job.span, message, "remove the job, or correct its `if`");
            never.insert(job.id.to_lowercase(), reason);
        } else if let Some(need) = waits_for.filter(|_| asks_for_success(&job.condition)) {
            let message = format!("job `{}` never runs: it needs `{}`, which never runs", job.id, need.job);
            let help = "remove the need, or say `if: always()` where the job should run without it";
            findings.warn_at("github/never-runs", need.span, message, help);
            never.insert(job.id.to_lowercase(), String::new());
        }
        for step in job.steps() {
            let StepCondition::Expression(condition) = &step.condition else { continue };
            if let Some(reason) = never_holds(condition.tree(), workflow) {
                let message = format!("this step never runs: {reason}");
                let help = "remove the step, or correct its `if`";
                findings.warn("github/never-runs", step.at.clone(), 0, message, help);
            }
        }
    }
}

/// Whether the job is skipped when a need is.
fn asks_for_success(condition: &Expression) -> bool {
    !condition.uses_status_function() || condition.source() == "success()"
}

/// A job after those that it needs; circles were refused before.
fn in_order_of_need(jobs: &[WorkflowJob]) -> Vec<&WorkflowJob> {
    let mut waiting: Vec<&WorkflowJob> = jobs.iter().collect();
    let mut ordered: Vec<&WorkflowJob> = Vec::with_capacity(jobs.len());
    let mut done = std::collections::HashSet::new();
    loop {
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|job| job.needs.iter().all(|need| done.contains(&need.job.to_lowercase())));
        if ready.is_empty() {
            return ordered;
        }
        done.extend(ready.iter().map(|job| job.id.to_lowercase()));
        ordered.extend(ready);
        waiting = later;
    }
}

/// Why a condition can never be true, where that can be told from the file.
fn never_holds(node: &Node, workflow: &Workflow) -> Option<String> {
    match node {
        Node::Logical { operator: LogicalOperator::And, operands } => {
            operands.iter().find_map(|operand| never_holds(operand, workflow))
        }
        Node::Logical { operator: LogicalOperator::Or, operands } => {
            let reasons: Option<Vec<String>> =
                operands.iter().map(|operand| never_holds(operand, workflow)).collect();
            reasons.map(|reasons| reasons.join(", and "))
        }
        Node::Binary { operator: BinaryOperator::Equal, left, right } => other_event(left, right, workflow)
            .or_else(|| other_event(right, left, workflow))
            .or_else(|| constant(node)),
        _ => constant(node),
    }
}

/// `github.event_name == 'x'` in a workflow that `x` does not start.
fn other_event(name: &Node, value: &Node, workflow: &Workflow) -> Option<String> {
    let Node::Literal { value: Value::String(event), .. } = value else { return None };
    let is_event_name = name.path().is_some_and(|path| path == ["github", "event_name"]);
    // A called workflow sees its caller's event.
    if !is_event_name || workflow.event("workflow_call").is_some() {
        return None;
    }
    let is_named = workflow.events.iter().any(|known| known.name.eq_ignore_ascii_case(event));
    (!is_named).then(|| format!("`on` does not name `{event}`"))
}

fn constant(node: &Node) -> Option<String> {
    let mut depends = false;
    node.walk(&mut |node| match node {
        Node::Context { .. } => depends = true,
        // Status functions and `hashFiles` are not known here.
        Node::Call { function, .. } => {
            depends |= ["success", "failure", "always", "cancelled", "hashfiles"]
                .contains(&function.to_lowercase().as_str());
        }
        _ => {}
    });
    if depends {
        return None;
    }
    let value = Expression::parse(&node.to_string()).ok()?.evaluate(&Scope::default()).ok()?;
    (!value.is_truthy()).then(|| format!("`{node}` is never true"))
}
