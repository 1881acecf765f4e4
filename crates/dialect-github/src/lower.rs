//! The typed workflow as a plan for `engine`.

use sluice_expression::{Expression, Node, Value};
use sluice_model::JobId;
use sluice_plan::{Call, Called, Dialect, Job, JobCondition, Need, Plan, StepsJob, Work};
use sluice_source::Diagnostic;

use crate::inline::{self, Inlined};
use crate::objects::object;
use crate::rewrite::{self, Stuck};
use crate::workflow::{JobBody, Workflow, WorkflowJob};

/// The jobs of a workflow, those of the workflows that it calls among them.
pub(crate) struct Lowered {
    pub(crate) jobs: Vec<Job>,
    /// Those of them that have to be known as a whole.
    pub(crate) calls: Vec<Called>,
    pub(crate) groups: Vec<Group>,
}

/// The jobs that stand for one call.
pub(crate) struct Group {
    /// The id of the job that calls.
    pub(crate) id: String,
    pub(crate) jobs: Vec<JobId>,
    /// What each output of the called workflow stands for.
    pub(crate) outputs: Vec<(String, Node)>,
    /// Whether no job of it has a condition of its own.
    pub(crate) all_run: bool,
}

impl Workflow {
    /// The plan, the same for every trigger that selects this workflow.
    ///
    /// The jobs of a reusable workflow whose text was given stand in it as `caller/inner`, and for a further combination of
    /// the caller's matrix as `caller.1/inner`. What cannot be told beforehand stays a [`Work::Call`].
    pub fn plan(&self) -> Result<Plan, Vec<Diagnostic>> {
        let lowered = self.lowered(&[]);
        let mut plan = Plan {
            dialect: Dialect::Github,
            file: self.path.clone(),
            workflow: self.name().to_owned(),
            run_name: self.run_name.clone(),
            env: self.env.clone(),
            defaults: self.defaults.clone(),
            concurrency: self.concurrency.clone(),
            permissions: self.permissions.as_ref().map(|grants| grants.to_plan()),
            lock: None,
            jobs: lowered.jobs,
            calls: lowered.calls,
            max_auto_reruns: 0,
        };
        if !lowered.groups.is_empty() {
            self.keep_from_called(&mut plan);
        }
        Ok(plan)
    }

    /// A called workflow sees neither its caller's variables nor its defaults: they go to the caller's own jobs.
    fn keep_from_called(&self, plan: &mut Plan) {
        let env = std::mem::take(&mut plan.env);
        let defaults = std::mem::take(&mut plan.defaults);
        for job in plan.jobs.iter_mut().filter(|job| !job.id.as_str().contains('/')) {
            inline::push_env_down(std::slice::from_mut(job), &env);
            if let Work::Steps(steps) = &mut job.work {
                let own = &mut steps.defaults;
                own.shell = own.shell.take().or_else(|| defaults.shell.clone());
                own.working_directory =
                    own.working_directory.take().or_else(|| defaults.working_directory.clone());
            }
        }
    }

    /// `known` are the workflow's inputs, as far as they are told.
    pub(crate) fn lowered(&self, known: &[(String, Node)]) -> Lowered {
        let mut jobs = Vec::new();
        let mut calls = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for job in &self.jobs {
            match self.inlined(job, known) {
                Some(Ok(inlined)) => {
                    jobs.extend(inlined.jobs);
                    calls.extend(inlined.calls);
                    groups.push(inlined.group);
                }
                Some(Err(stuck)) => jobs.push(self.lower(job, Some(&stuck))),
                None => jobs.push(self.lower(job, None)),
            }
        }
        // An expression that grew beyond GitHub's limits leaves the job as it is, and its needs are then not met.
        let whole = |job: &Job| with_groups(job, &groups).unwrap_or_else(|_| job.clone());
        let jobs = jobs.iter().map(whole).collect();
        let all: Vec<&Group> = groups.iter().collect();
        let with_members = |call: &Called| {
            // As for a job: an expression that grew beyond GitHub's limits stays, and has no value then.
            rewrite::called(call, &|expression| with_members(expression, &[], &all))
                .unwrap_or_else(|_| call.clone())
        };
        let calls = calls.iter().map(with_members).collect();
        Lowered { jobs, calls, groups }
    }

    /// None: the job calls nothing whose text is here.
    fn inlined(&self, job: &WorkflowJob, known: &[(String, Node)]) -> Option<Result<Inlined, Stuck>> {
        let JobBody::Call(body) = &job.body else { return None };
        let called = body.called.as_ref()?;
        let mut dependents = self
            .jobs
            .iter()
            .filter(|other| other.needs.iter().any(|need| need.job.eq_ignore_ascii_case(&job.id)));
        Some(inline::call(job, body, called, known).and_then(|inlined| {
            dependents.try_for_each(|dependent| {
                if !self.sees_members_only(dependent, &inlined.group) {
                    return Err(Stuck::Whole(format!("needs.{}", job.id)));
                }
                with_groups(&self.lower(dependent, None), std::slice::from_ref(&inlined.group)).map(drop)
            })?;
            Ok(inlined)
        }))
    }

    /// Whether a job names nothing of the call but its result and its outputs, one by one.
    fn sees_members_only(&self, dependent: &WorkflowJob, group: &Group) -> bool {
        let tell = |expression: &Expression| -> Result<Expression, Stuck> {
            for (path, _) in expression.tree().paths() {
                // All of them are told by their members, as long as an expression can name those.
                let is_plain = result(group).is_some()
                    || match path.as_slice() {
                        [context, rest @ ..] if context == "needs" => match rest {
                            [name, member] if name.eq_ignore_ascii_case(&group.id) => member == "result",
                            [name, _, output] if name.eq_ignore_ascii_case(&group.id) => output != "*",
                            [name, ..] if name.eq_ignore_ascii_case(&group.id) => false,
                            [star, member] if star == "*" => member == "result",
                            [] => false,
                            [star, ..] => star != "*",
                        },
                        _ => true,
                    };
                if !is_plain {
                    return Err(Stuck::Whole("needs".to_owned()));
                }
            }
            Ok(expression.clone())
        };
        rewrite::job(&self.lower(dependent, None), &tell).is_ok()
    }

    /// `stuck`: why what the job calls cannot stand in its place.
    fn lower(&self, job: &WorkflowJob, stuck: Option<&Stuck>) -> Job {
        let mut lowered = Job {
            id: JobId::new(job.id.as_str()),
            name: job.name.clone(),
            at: job.span.at(&self.path),
            needs: job.needs.iter().map(|need| self.need(&need.job)).collect(),
            condition: JobCondition::Expression(job.condition.clone()),
            gate: None,
            strategy: job.strategy.clone(),
            concurrency: job.concurrency.clone(),
            permissions: job.permissions.as_ref().map(|grants| grants.to_plan()),
            continue_on_error: None,
            timeout_minutes: None,
            outputs: Vec::new(),
            work: Work::Nothing,
        };
        match &job.body {
            JobBody::Steps(body) => {
                lowered.gate = body.environment.clone();
                lowered.continue_on_error = body.continue_on_error.clone();
                lowered.timeout_minutes = body.timeout_minutes.clone();
                lowered.outputs = body.outputs.clone();
                lowered.work = Work::Steps(Box::new(StepsJob {
                    executor: body.executor.clone(),
                    services: body.services.clone(),
                    env: body.env.clone(),
                    contexts: Vec::new(),
                    defaults: body.defaults.clone(),
                    parallelism: 1,
                    steps: body.steps.clone(),
                }));
            }
            JobBody::Call(body) => {
                lowered.work = Work::Call(Call {
                    workflow: body.workflow.clone(),
                    with: body.with.clone(),
                    secrets: body.secrets.clone(),
                    obstacle: stuck.map(Stuck::to_string),
                });
            }
        }
        lowered
    }

    /// `needs` finds a job in any case; the plan has the job's own spelling.
    fn need(&self, name: &str) -> Need {
        let job = self.jobs.iter().find(|job| job.id.eq_ignore_ascii_case(name));
        Need { job: JobId::new(job.map_or(name, |job| job.id.as_str())), accepts: None }
    }
}

/// The job with the jobs of each call that it needs in the call's place.
fn with_groups(job: &Job, groups: &[Group]) -> Result<Job, Stuck> {
    let needed: Vec<&Group> = groups
        .iter()
        .filter(|group| job.needs.iter().any(|need| need.job.as_str().eq_ignore_ascii_case(&group.id)))
        .collect();
    if needed.is_empty() {
        return Ok(job.clone());
    }
    let mut rewritten = rewrite::job(job, &|expression| with_members(expression, &job.needs, &needed))?;
    if let Some(condition) = condition_beside(&rewritten, &needed)? {
        rewritten.condition = JobCondition::Expression(condition);
    }
    rewritten.needs = Vec::new();
    for need in &job.needs {
        match needed.iter().find(|group| need.job.as_str().eq_ignore_ascii_case(&group.id)) {
            Some(group) => {
                let inner = group.jobs.iter().map(|id| Need { job: id.clone(), accepts: None });
                rewritten.needs.extend(inner);
            }
            None => rewritten.needs.push(need.clone()),
        }
    }
    Ok(rewritten)
}

/// The expression with the calls' jobs in place of the calls. `needs` are those of the job that it stands in.
fn with_members(expression: &Expression, needs: &[Need], groups: &[&Group]) -> Result<Expression, Stuck> {
    let of_outputs = groups.iter().flat_map(|group| &group.outputs).map(|(_, node)| node.to_string().len());
    let of_results = groups.iter().filter_map(|group| result(group)).map(|node| node.to_string().len());
    let paths = expression.tree().paths();
    let is_whole = paths.iter().any(|(path, _)| match path.as_slice() {
        [context] => context == "needs",
        [context, name, ..] => context == "needs" && (name == "*" || path.len() < 4),
        [] => false,
    });
    let of_whole = is_whole.then(|| whole(needs, groups).map_or(0, |node| node.to_string().len()));
    let longest = of_outputs.chain(of_results).chain(of_whole).max().unwrap_or(0);
    if paths.iter().any(|(path, _)| is_result_without_end(path, groups)) {
        return Err(Stuck::TooLong);
    }
    let node = rewrite::replaced(expression.tree(), longest, &|node| member_of(node, needs, groups))?;
    if node == *expression.tree() {
        Ok(expression.clone())
    } else {
        Ok(Expression::parse(&node.to_string())?)
    }
}

/// All of `needs`, with what calls stand for. None: a call has more jobs than an expression can name.
fn whole(needs: &[Need], groups: &[&Group]) -> Option<Node> {
    let mut members = Vec::new();
    for need in needs {
        let group = groups.iter().find(|group| group.id.eq_ignore_ascii_case(need.job.as_str()));
        members.push((
            need.job.as_str(),
            group.map_or_else(|| Some(inline::need(&need.job)), |group| call_of(group))?,
        ));
    }
    (!members.is_empty()).then(|| object(members))
}

/// `needs.call`
fn call_of(group: &Group) -> Option<Node> {
    Some(object([("result", result(group)?), ("outputs", outputs_of(group))]))
}

/// `needs.call.outputs`
fn outputs_of(group: &Group) -> Node {
    object(group.outputs.iter().map(|(name, node)| (&**name, node.clone())))
}

/// `needs`, a call in it, and its members in terms of the call's jobs.
fn member_of(node: &Node, needs: &[Need], groups: &[&Group]) -> Option<Node> {
    let path = node.path()?;
    let group_of = |name: &String| groups.iter().find(|group| group.id.eq_ignore_ascii_case(name));
    match path.as_slice() {
        [context] if context == "needs" => whole(needs, groups),
        [context, name] if context == "needs" => call_of(group_of(name)?),
        [context, name, member] if context == "needs" && member == "result" => result(group_of(name)?),
        [context, name, member] if context == "needs" && member == "outputs" => {
            Some(outputs_of(group_of(name)?))
        }
        [context, name, member, output] if context == "needs" && member == "outputs" => {
            let group = group_of(name)?;
            let found = group.outputs.iter().find(|(name, _)| name.eq_ignore_ascii_case(output));
            Some(found.map_or(inline::literal(Value::Null), |(_, node)| node.clone()))
        }
        _ => None,
    }
}

/// `needs.call.result` of a call with more jobs than an expression can name.
fn is_result_without_end(path: &[String], groups: &[&Group]) -> bool {
    let [context, name, member] = path else { return false };
    let group = groups.iter().find(|group| group.id.eq_ignore_ascii_case(name));
    context == "needs" && member == "result" && group.is_some_and(|group| result(group).is_none())
}

/// The worst of the jobs' results; skipped only where all are.
fn result(group: &Group) -> Option<Node> {
    let any = |wanted: &str| {
        let each = group.jobs.iter().map(|id| format!("{}.result == '{wanted}'", inline::need(id)));
        each.collect::<Vec<_>>().join(" || ")
    };
    let (failure, cancelled, success) = (any("failure"), any("cancelled"), any("success"));
    let source =
        format!("case({failure}, 'failure', {cancelled}, 'cancelled', {success}, 'success', 'skipped')");
    Expression::parse(&source).ok().map(|expression| expression.tree().clone())
}

/// A job runs after a call of which some jobs were skipped by their own conditions. None: the usual rule says the same.
fn condition_beside(job: &Job, groups: &[&Group]) -> Result<Option<Expression>, Stuck> {
    let JobCondition::Expression(own) = &job.condition else { return Ok(None) };
    let is_default = own.source() == "success()";
    if groups.iter().all(|group| group.all_run) || (own.uses_status_function() && !is_default) {
        return Ok(None);
    }
    let mut parts = vec!["!cancelled()".to_owned(), "!failure()".to_owned()];
    for need in &job.needs {
        let group = groups.iter().find(|group| need.job.as_str().eq_ignore_ascii_case(&group.id));
        let succeeded = |id: &JobId| format!("{}.result == 'success'", inline::need(id));
        parts.push(match group {
            None => succeeded(&need.job),
            Some(group) => format!("({})", group.jobs.iter().map(succeeded).collect::<Vec<_>>().join(" || ")),
        });
    }
    if !is_default {
        parts.push(format!("({})", own.source()));
    }
    Ok(Some(Expression::parse(&parts.join(" && "))?))
}
