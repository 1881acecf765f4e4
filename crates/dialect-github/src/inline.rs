//! A reusable workflow's jobs in place of the job that calls it, as `caller/inner`.
//!
//! The plan knows no inputs, no mapped secrets and no `jobs` context: what these stand for is put into the
//! expressions that name them. Where that cannot be done without changing what happens, the call stays a call.

use sluice_expression::{Expression, Node, Span, Template, Value};
use sluice_model::JobId;
use sluice_plan::{EnvEntry, Job, JobCondition, Need, SecretsPassed, Work};

use crate::lower::{Group, Lowered};
use crate::rewrite::{self, Stuck};
use crate::trigger::{Input, InputKind};
use crate::workflow::{CallBody, Workflow, WorkflowJob};

/// The jobs of what `job` calls, and how its dependents see them.
pub(crate) fn call(
    job: &WorkflowJob,
    body: &CallBody,
    called: &Workflow,
) -> Result<(Vec<Job>, Group), Stuck> {
    if job.strategy.is_some() || job.concurrency.is_some() || called.concurrency.is_some() {
        return Err(Stuck::Whole("strategy or concurrency".to_owned()));
    }
    let inner = called.lowered();
    let inputs = inputs(body, called);
    let of_inputs = inputs.iter().map(|(_, node)| node.to_string().len());
    let of_outputs =
        inner.groups.iter().flat_map(|group| &group.outputs).map(|(_, node)| node.to_string().len());
    let of_secrets = match &body.secrets {
        SecretsPassed::Inherit => 0,
        SecretsPassed::Only(named) => named.iter().map(|named| named.value.source().len()).max().unwrap_or(0),
    };
    let longest = of_inputs.chain(of_outputs).max().unwrap_or(0).max(of_secrets);
    let names = Names { caller: &job.id, inner: &inner, inputs, secrets: &body.secrets, longest };
    let mut jobs = Vec::with_capacity(inner.jobs.len());
    for inner_job in &inner.jobs {
        jobs.push(names.embed(inner_job, job, called)?);
    }
    let mut outputs = Vec::new();
    for output in called.event("workflow_call").map(|event| event.outputs.as_slice()).unwrap_or_default() {
        let node = crate::convert::expression_of(&output.value);
        outputs.push((output.name.clone(), names.map_node(node.tree())?));
    }
    let ids = jobs.iter().map(|job| job.id.clone()).collect();
    let all_run = inner.jobs.iter().all(|job| is_plain(&job.condition));
    Ok((jobs, Group { id: job.id.clone(), jobs: ids, outputs, all_run }))
}

/// What every name in the called workflow stands for in the caller's.
struct Names<'a> {
    caller: &'a str,
    inner: &'a Lowered,
    inputs: Vec<(String, Node)>,
    secrets: &'a SecretsPassed,
    /// Characters of the longest expression that a name stands for.
    longest: usize,
}

impl Names<'_> {
    fn embed(&self, inner: &Job, caller: &WorkflowJob, called: &Workflow) -> Result<Job, Stuck> {
        let mut job = inner.clone();
        if let Work::Steps(steps) = &mut job.work {
            steps.env.splice(0..0, called.env.iter().cloned());
            let defaults = &mut steps.defaults;
            defaults.shell = defaults.shell.take().or_else(|| called.defaults.shell.clone());
            defaults.working_directory =
                defaults.working_directory.take().or_else(|| called.defaults.working_directory.clone());
        }
        let mut job = rewrite::job(&job, &|expression| self.map(expression))?;
        let is_first = job.needs.is_empty();
        job.id = self.id(inner.id.as_str());
        for need in &mut job.needs {
            need.job = self.id(need.job.as_str());
        }
        job.needs.extend(
            caller.needs.iter().map(|need| Need { job: JobId::new(need.job.as_str()), accepts: None }),
        );
        if let JobCondition::Expression(own) = &job.condition {
            job.condition = JobCondition::Expression(condition(caller, own, is_first)?);
        }
        let own = job.name.take().unwrap_or_else(|| Template::literal(inner.id.as_str()));
        let outer = caller.name.clone().unwrap_or_else(|| Template::literal(caller.id.as_str()));
        job.name = Some(Template::parse(&format!("{} / {}", outer.source(), own.source()))?);
        Ok(job)
    }

    fn id(&self, inner: &str) -> JobId {
        JobId::new(format!("{}/{inner}", self.caller))
    }

    fn map(&self, expression: &Expression) -> Result<Expression, Stuck> {
        let node = self.map_node(expression.tree())?;
        if node == *expression.tree() {
            Ok(expression.clone())
        } else {
            Ok(Expression::parse(&node.to_string())?)
        }
    }

    fn map_node(&self, node: &Node) -> Result<Node, Stuck> {
        let mapped = rewrite::replaced(node, self.longest, &|node| self.replacement(node))?;
        // What is left by its bare name cannot be told: `toJSON(inputs)`.
        let passes_all = matches!(self.secrets, SecretsPassed::Inherit);
        for (path, _) in node.paths() {
            if let [context] = path.as_slice()
                && (matches!(context.as_str(), "inputs" | "jobs") || (context == "secrets" && !passes_all))
            {
                return Err(Stuck::Whole(context.clone()));
            }
        }
        Ok(mapped)
    }

    fn replacement(&self, node: &Node) -> Option<Node> {
        let Node::Index { of, key } = node else { return None };
        let Node::Literal { value: Value::String(key), .. } = key.as_ref() else { return None };
        match of.path()?.as_slice() {
            [context] if context == "inputs" => {
                let input = self.inputs.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
                Some(input.map_or(literal(Value::Null), |(_, node)| node.clone()))
            }
            [context] if context == "secrets" => self.secret(key),
            [context] if context == "needs" || context == "jobs" => {
                let known = self.inner.jobs.iter().find(|job| job.id.as_str().eq_ignore_ascii_case(key))?;
                Some(need(&self.id(known.id.as_str())))
            }
            // `jobs.x.outputs.y` of a job that is a call itself.
            [context, job, member] if context == "jobs" && member == "outputs" => {
                let group = self.inner.groups.iter().find(|group| group.id.eq_ignore_ascii_case(job))?;
                let output = group.outputs.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
                Some(
                    output.map_or(literal(Value::Null), |(_, node)| {
                        node.replaced(&|node| self.replacement(node))
                    }),
                )
            }
            _ => None,
        }
    }

    fn secret(&self, name: &str) -> Option<Node> {
        let SecretsPassed::Only(passed) = self.secrets else { return None };
        if name.eq_ignore_ascii_case("github_token") {
            return None;
        }
        let found = passed.iter().find(|passed| passed.name.eq_ignore_ascii_case(name));
        Some(found.map_or(literal(Value::Null), |passed| node_of(&passed.value)))
    }
}

/// `needs['caller/inner']`
pub(crate) fn need(id: &JobId) -> Node {
    let of = Box::new(Node::Context { name: "needs".to_owned(), span: Span::default() });
    Node::Index { of, key: Box::new(literal(Value::from(id.as_str()))) }
}

pub(crate) fn literal(value: Value) -> Node {
    Node::Literal { value, span: Span::default() }
}

fn node_of(template: &Template) -> Node {
    match template.as_literal() {
        Some(text) => literal(Value::from(text)),
        None => crate::convert::expression_of(template).tree().clone(),
    }
}

/// Every input of the called workflow with what the call gives for it, else its default, else its kind's empty value.
fn inputs(body: &CallBody, called: &Workflow) -> Vec<(String, Node)> {
    let defined = called.event("workflow_call").map(|event| event.inputs.as_slice()).unwrap_or_default();
    let value = |input: &Input| {
        let given = body.with.iter().find(|given| given.name.eq_ignore_ascii_case(&input.name));
        match given.map(|given| &given.value).or(input.default.as_ref()) {
            Some(template) => match template.as_literal() {
                Some(text) => literal(typed(input.kind, text)),
                None => node_of(template),
            },
            None => literal(typed(input.kind, "")),
        }
    };
    defined.iter().map(|input| (input.name.clone(), value(input))).collect()
}

fn typed(kind: InputKind, text: &str) -> Value {
    match kind {
        InputKind::Boolean => Value::Bool(text == "true"),
        InputKind::Number => Value::Number(Value::from(text).to_number()),
        InputKind::String | InputKind::Choice | InputKind::Environment => Value::from(text),
    }
}

fn is_default(condition: &Expression) -> bool {
    condition.source() == "success()"
}

fn is_plain(condition: &JobCondition) -> bool {
    matches!(condition, JobCondition::Expression(expression) if is_default(expression))
}

/// The inner job's own condition, and the caller's before it.
///
/// A job that needs another one of the called workflow is skipped with that one, unless it asks for the status itself.
fn condition(caller: &WorkflowJob, own: &Expression, is_first: bool) -> Result<Expression, Stuck> {
    let outer = &caller.condition;
    let source = match (is_first, is_default(own)) {
        (true, true) => outer.source().to_owned(),
        (true, false) if is_default(outer) && !own.uses_status_function() => own.source().to_owned(),
        (true, false) => {
            let asks = outer.uses_status_function() || !own.uses_status_function();
            let success = if asks { "" } else { "success() && " };
            format!("{success}({}) && ({})", outer.source(), own.source())
        }
        (false, _) if is_default(own) || !own.uses_status_function() => own.source().to_owned(),
        (false, _) => match guard(caller) {
            Some(guard) => format!("({guard}) && ({})", own.source()),
            None => own.source().to_owned(),
        },
    };
    Ok(Expression::parse(&source)?)
}

/// Whether the call itself ran, told from the caller's needs. None: it always does.
fn guard(caller: &WorkflowJob) -> Option<String> {
    let results: Vec<String> = caller
        .needs
        .iter()
        .map(|need| format!("{}.result", self::need(&JobId::new(need.job.as_str()))))
        .collect();
    let all_succeeded =
        results.iter().map(|result| format!("{result} == 'success'")).collect::<Vec<_>>().join(" && ");
    let any_failed =
        results.iter().map(|result| format!("{result} == 'failure'")).collect::<Vec<_>>().join(" || ");
    let or = |text: String, empty: &str| if text.is_empty() { empty.to_owned() } else { text };
    let (all_succeeded, any_failed) = (or(all_succeeded, "true"), or(any_failed, "false"));
    if is_default(&caller.condition) {
        return (!caller.needs.is_empty()).then_some(all_succeeded);
    }
    let parsed = |source: &str| Expression::parse(source).ok().map(|expression| expression.tree().clone());
    let (succeeded, failed) = (parsed(&all_succeeded)?, parsed(&any_failed)?);
    let told = caller.condition.tree().replaced(&|node| match node {
        Node::Call { function, .. } if function.eq_ignore_ascii_case("success") => Some(succeeded.clone()),
        Node::Call { function, .. } if function.eq_ignore_ascii_case("failure") => Some(failed.clone()),
        Node::Call { function, .. } if function.eq_ignore_ascii_case("always") => {
            Some(literal(Value::Bool(true)))
        }
        _ => None,
    });
    if caller.condition.uses_status_function() {
        Some(told.to_string())
    } else {
        Some(format!("{all_succeeded} && ({told})"))
    }
}

/// The caller's own variables, which a called workflow does not see.
pub(crate) fn push_env_down(jobs: &mut [Job], env: &[EnvEntry]) {
    for job in jobs {
        if let Work::Steps(steps) = &mut job.work {
            steps.env.splice(0..0, env.iter().cloned());
        }
    }
}
