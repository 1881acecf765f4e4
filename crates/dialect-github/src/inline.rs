//! A reusable workflow's jobs in place of the job that calls it, as `caller/inner`.
//!
//! The plan knows no inputs, no mapped secrets and no `jobs` context: what these stand for is put into the
//! expressions that name them. Where that cannot be done without changing what happens, the call stays a call.

use sluice_expression::{Expression, LogicalOperator, Node, Span, Template, Value};
use sluice_model::JobId;
use sluice_plan::{Called, EnvEntry, Job, JobCondition, Need, SecretsPassed, Work};

use crate::combinations::{self, Caller, callers};
use crate::lower::{Group, Lowered};
use crate::objects::object;
use crate::rewrite::{self, Stuck};
use crate::spread;
use crate::trigger::{CallOutput, Input, InputKind};
use crate::workflow::{CallBody, Workflow, WorkflowJob};

/// The most jobs that the calls of one job may make; no run takes more.
const JOBS_LIMIT: usize = 5_000;

/// What stands in the plan for a job that calls.
pub(crate) struct Inlined {
    pub(crate) jobs: Vec<Job>,
    pub(crate) calls: Vec<Called>,
    pub(crate) group: Group,
}

/// The jobs of what `job` calls, for each combination of its matrix, and how its dependents see them. `known` are the
/// inputs of the workflow that the job stands in, as far as they are told.
pub(crate) fn call(
    job: &WorkflowJob,
    body: &CallBody,
    called: &Workflow,
    known: &[(String, Node)],
) -> Result<Inlined, Stuck> {
    let callers = match callers(job, body, known) {
        Err(Stuck::LateMatrix { by, .. }) => return spread::call(job, body, called, known, by),
        callers => callers?,
    };
    let (mut jobs, mut calls, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    let mut all_run = true;
    for caller in &callers {
        let inputs = inputs(caller, called);
        let inner = called.lowered(&told(&inputs, known));
        if callers.len() * inner.jobs.len() > JOBS_LIMIT {
            return Err(Stuck::TooMany(JOBS_LIMIT));
        }
        let names = Names::new(caller, &inner, inputs);
        for inner_job in &inner.jobs {
            jobs.push(names.embed(inner_job, called)?);
        }
        calls.extend(names.calls(called)?);
        outputs.push(names.outputs(called)?);
        all_run &= inner.jobs.iter().all(|job| is_plain(&job.condition));
    }
    let ids = jobs.iter().map(|job| job.id.clone()).collect();
    let group = Group { id: job.id.clone(), jobs: ids, outputs: last_of(outputs), all_run };
    Ok(Inlined { jobs, calls, group })
}

/// The jobs of what `caller` calls, in its place, after `before` has been done to all of their expressions.
pub(crate) fn one(
    caller: &Caller<'_>,
    called: &Workflow,
    known: &[(String, Node)],
    before: &rewrite::Map<'_>,
) -> Result<Inlined, Stuck> {
    let inputs = inputs(caller, called);
    let inner = called.lowered(&told(&inputs, known));
    let names = Names::new(caller, &inner, inputs);
    let embed = |job: &Job| names.embed(&rewrite::job(job, before)?, called);
    let jobs = inner.jobs.iter().map(embed).collect::<Result<Vec<_>, _>>()?;
    let ids = jobs.iter().map(|job| job.id.clone()).collect();
    let all_run = inner.jobs.iter().all(|job| is_plain(&job.condition));
    let group = Group { id: caller.id.clone(), jobs: ids, outputs: names.outputs(called)?, all_run };
    Ok(Inlined { jobs, calls: names.calls(called)?, group })
}

/// Of all combinations, the last that gives an output a value decides it.
fn last_of(mut combinations: Vec<Vec<(String, Node)>>) -> Vec<(String, Node)> {
    if combinations.len() <= 1 {
        return combinations.pop().unwrap_or_default();
    }
    let Some(first) = combinations.first() else { return Vec::new() };
    let last = |(index, (name, _)): (usize, &(String, Node))| {
        let operands = combinations.iter().rev().filter_map(|outputs| Some(as_text(&outputs.get(index)?.1)));
        (name.clone(), Node::Logical { operator: LogicalOperator::Or, operands: operands.collect() })
    };
    first.iter().enumerate().map(last).collect()
}

/// An output is a text: `false` is one that is not empty.
fn as_text(node: &Node) -> Node {
    let is_output = node.path().is_some_and(
        |path| matches!(path.as_slice(), [needs, _, outputs, _] if needs == "needs" && outputs == "outputs"),
    );
    if is_output {
        return node.clone();
    }
    let arguments = vec![literal(Value::from("{0}")), node.clone()];
    Node::Call { function: "format".to_owned(), arguments, span: Span::default() }
}

/// The inputs with those of the workflow around put in, as far as they are told.
fn told(inputs: &[(String, Node)], known: &[(String, Node)]) -> Vec<(String, Node)> {
    let told = |node: &Node| node.replaced(&|node| combinations::input(node, known));
    inputs.iter().map(|(name, node)| (name.clone(), told(node))).collect()
}

/// What every name in the called workflow stands for in the caller's.
struct Names<'a> {
    caller: &'a Caller<'a>,
    inner: &'a Lowered,
    inputs: Vec<(String, Node)>,
    /// Characters of the longest expression that a name stands for.
    longest: usize,
}

impl<'a> Names<'a> {
    fn new(caller: &'a Caller<'a>, inner: &'a Lowered, inputs: Vec<(String, Node)>) -> Self {
        let of_inputs = inputs.iter().map(|(_, node)| node.to_string().len());
        let of_outputs =
            inner.groups.iter().flat_map(|group| &group.outputs).map(|(_, node)| node.to_string().len());
        let of_secrets = match &caller.secrets {
            SecretsPassed::Inherit => 0,
            SecretsPassed::Only(named) => {
                named.iter().map(|named| named.value.source().len()).max().unwrap_or(0)
            }
        };
        let longest = of_inputs.chain(of_outputs).max().unwrap_or(0).max(of_secrets);
        Self { caller, inner, inputs, longest }
    }

    /// What each output of the called workflow stands for.
    fn outputs(&self, called: &Workflow) -> Result<Vec<(String, Node)>, Stuck> {
        let outputs = called.event("workflow_call").map(|event| event.outputs.as_slice()).unwrap_or_default();
        let value = |output: &CallOutput| {
            let expression = crate::convert::expression_of(&output.value);
            Ok((output.name.clone(), self.map_node(expression.tree())?))
        };
        outputs.iter().map(value).collect()
    }

    /// The call as a whole, then what the called workflow says about itself, then the calls within it.
    fn calls(&self, called: &Workflow) -> Result<Vec<Called>, Stuck> {
        let jobs: Vec<JobId> = self.inner.jobs.iter().map(|job| self.id(job.id.as_str())).collect();
        let (concurrency, combination) = (self.caller.concurrency.clone(), self.caller.combination.clone());
        let mut calls = Vec::new();
        if concurrency.is_some() || combination.is_some() {
            let id = JobId::new(self.caller.id.as_str());
            calls.push(Called { id, jobs: jobs.clone(), concurrency, combination });
        }
        if let Some(concurrency) = &called.concurrency {
            let concurrency = Some(rewrite::concurrency(concurrency, &|expression| self.map(expression))?);
            // A file's name has a `.`, and a job's has none.
            let file = called.path.split('@').next().and_then(|path| path.rsplit('/').next());
            let id = self.id(file.unwrap_or(".yml"));
            calls.push(Called { id, jobs, concurrency, combination: None });
        }
        for inner in &self.inner.calls {
            let mut call = rewrite::called(inner, &|expression| self.map(expression))?;
            call.id = self.id(call.id.as_str());
            for job in &mut call.jobs {
                *job = self.id(job.as_str());
            }
            if let Some(combination) = &mut call.combination {
                combination.of = self.id(combination.of.as_str());
            }
            calls.push(call);
        }
        Ok(calls)
    }

    fn embed(&self, inner: &Job, called: &Workflow) -> Result<Job, Stuck> {
        let caller = self.caller;
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
        job.name = Some(Template::parse(&format!("{} / {}", caller.name.source(), own.source()))?);
        Ok(job)
    }

    fn id(&self, inner: &str) -> JobId {
        JobId::new(format!("{}/{inner}", self.caller.id))
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
        let is_whole =
            |of: &str| node.paths().iter().any(|(path, _)| matches!(path.as_slice(), [one] if one == of));
        if is_whole("jobs") {
            return Err(Stuck::Whole("jobs".to_owned()));
        }
        let whole = ["inputs", "secrets"].into_iter().filter(|context| is_whole(context));
        let whole = whole.filter_map(|context| self.whole(context)).map(|node| node.to_string().len());
        rewrite::replaced(node, whole.max().unwrap_or(0).max(self.longest), &|node| self.replacement(node))
    }

    /// All members of a context: `toJSON(inputs)`. None: it is the caller's own.
    fn whole(&self, context: &str) -> Option<Node> {
        match (context, &self.caller.secrets) {
            ("inputs", _) => Some(object(self.inputs.iter().map(|(name, node)| (&**name, node.clone())))),
            ("secrets", SecretsPassed::Only(passed)) => {
                let token = ("github_token", member("secrets", "github_token"));
                let passed = passed.iter().map(|passed| (&*passed.name, node_of(&passed.value)));
                Some(object([token].into_iter().chain(passed)))
            }
            _ => None,
        }
    }

    fn replacement(&self, node: &Node) -> Option<Node> {
        if let Node::Context { name, .. } = node {
            return self.whole(&name.to_lowercase());
        }
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
        let SecretsPassed::Only(passed) = &self.caller.secrets else { return None };
        if name.eq_ignore_ascii_case("github_token") {
            return None;
        }
        let found = passed.iter().find(|passed| passed.name.eq_ignore_ascii_case(name));
        Some(found.map_or(literal(Value::Null), |passed| node_of(&passed.value)))
    }
}

/// `needs['caller/inner']`
pub(crate) fn need(id: &JobId) -> Node {
    member("needs", id.as_str())
}

fn member(context: &str, key: &str) -> Node {
    let of = Box::new(Node::Context { name: context.to_owned(), span: Span::default() });
    Node::Index { of, key: Box::new(literal(Value::from(key))) }
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
fn inputs(caller: &Caller<'_>, called: &Workflow) -> Vec<(String, Node)> {
    let defined = called.event("workflow_call").map(|event| event.inputs.as_slice()).unwrap_or_default();
    let value = |input: &Input| {
        let given = caller.with.iter().find(|given| given.name.eq_ignore_ascii_case(&input.name));
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
fn condition(caller: &Caller<'_>, own: &Expression, is_first: bool) -> Result<Expression, Stuck> {
    let outer = caller.condition;
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
fn guard(caller: &Caller<'_>) -> Option<String> {
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
    if is_default(caller.condition) {
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
