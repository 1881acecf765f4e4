//! A job of a plan with other expressions in place of its own.

use sluice_expression::{Expression, MAX_LENGTH, Node, ParseError, Template, Value};
use sluice_plan::{
    Action, Axis, Called, Combination, Concurrency, Container, Credentials, Defaults, EnvEntry, Executor,
    Gate, Job, JobCondition, Late, Matrix, Named, SecretsPassed, Step, StepCondition, StepsJob, Strategy,
    Work,
};

/// Why an expression cannot be put into another place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stuck {
    #[error(
        "where `{0}` is named as a whole: its parts can be told beforehand, one by one, but not all of it"
    )]
    Whole(String),
    #[error("whose expressions would grow too long with what the call puts into them")]
    TooLong,
    #[error("whose jobs would be more than {0} with all combinations of the matrix")]
    TooMany(usize),
    /// `why`: what keeps its jobs from having the matrix each for itself.
    #[error("with a matrix that `{by}` decides while the run goes on, {why}: that is not built yet")]
    LateMatrix { by: String, why: &'static str },
    #[error("with a matrix that gives no jobs: {0}")]
    Matrix(String),
    #[error("where an expression cannot take what the call puts into it: {0}")]
    Parse(#[from] ParseError),
}

/// The expression's tree with other nodes in it, none longer than `longest` characters, as long as the whole stays small.
pub(crate) fn replaced(
    tree: &Node,
    longest: usize,
    replace: &impl Fn(&Node) -> Option<Node>,
) -> Result<Node, Stuck> {
    let mut members = 0;
    tree.walk(&mut |node| members += usize::from(matches!(node, Node::Index { .. })));
    if members.saturating_mul(longest) > 10 * MAX_LENGTH {
        return Err(Stuck::TooLong);
    }
    Ok(tree.replaced(replace))
}

/// What is done to every expression.
pub(crate) type Map<'m> = dyn Fn(&Expression) -> Result<Expression, Stuck> + 'm;

type Mapped<T> = Result<T, Stuck>;

pub(crate) fn job(job: &Job, map: &Map<'_>) -> Mapped<Job> {
    let condition = match &job.condition {
        JobCondition::Expression(expression) => JobCondition::Expression(map(expression)?),
        JobCondition::NeedsAccepted => JobCondition::NeedsAccepted,
    };
    let work = match &job.work {
        Work::Steps(steps) => Work::Steps(Box::new(steps_job(steps, map)?)),
        Work::Call(call) => {
            let with = named_templates(&call.with, map)?;
            let secrets = secrets(&call.secrets, map)?;
            Work::Call(sluice_plan::Call { with, secrets, ..call.clone() })
        }
        Work::Approval => Work::Approval,
        Work::Nothing => Work::Nothing,
        Work::Refused(why) => Work::Refused(why.clone()),
    };
    Ok(Job {
        id: job.id.clone(),
        name: some(&job.name, |name| template(name, map))?,
        at: job.at.clone(),
        needs: job.needs.clone(),
        condition,
        gate: some(&job.gate, |gate| {
            let url = some(&gate.url, |url| template(url, map))?;
            Ok(Gate { name: template(&gate.name, map)?, kind: gate.kind, url })
        })?,
        strategy: some(&job.strategy, |strategy| self::strategy(strategy, map))?,
        concurrency: some(&job.concurrency, |group| concurrency(group, map))?,
        permissions: job.permissions.clone(),
        continue_on_error: some(&job.continue_on_error, |value| late(value, map))?,
        timeout_minutes: some(&job.timeout_minutes, |value| late(value, map))?,
        outputs: named_templates(&job.outputs, map)?,
        work,
    })
}

pub(crate) fn some<T>(value: &Option<T>, map: impl FnOnce(&T) -> Mapped<T>) -> Mapped<Option<T>> {
    value.as_ref().map(map).transpose()
}

fn each<T>(values: &[T], map: impl Fn(&T) -> Mapped<T>) -> Mapped<Vec<T>> {
    values.iter().map(map).collect()
}

pub(crate) fn template(template: &Template, map: &Map<'_>) -> Mapped<Template> {
    if template.as_literal().is_some() {
        return Ok(template.clone());
    }
    template.map_expressions(&mut |expression| map(expression))
}

pub(crate) fn concurrency(concurrency: &Concurrency, map: &Map<'_>) -> Mapped<Concurrency> {
    Ok(Concurrency {
        group: template(&concurrency.group, map)?,
        cancel_in_progress: late(&concurrency.cancel_in_progress, map)?,
        keep_all_pending: concurrency.keep_all_pending,
    })
}

pub(crate) fn secrets(passed: &SecretsPassed, map: &Map<'_>) -> Mapped<SecretsPassed> {
    Ok(match passed {
        SecretsPassed::Inherit => SecretsPassed::Inherit,
        SecretsPassed::Only(named) => SecretsPassed::Only(named_templates(named, map)?),
    })
}

/// A call that has to be known as a whole, in its own place.
pub(crate) fn called(called: &Called, map: &Map<'_>) -> Mapped<Called> {
    Ok(Called {
        id: called.id.clone(),
        jobs: called.jobs.clone(),
        concurrency: some(&called.concurrency, |group| concurrency(group, map))?,
        combination: some(&called.combination, |combination| {
            Ok(Combination {
                of: combination.of.clone(),
                values: combination.values.clone(),
                fail_fast: late(&combination.fail_fast, map)?,
                max_parallel: some(&combination.max_parallel, |most| late(most, map))?,
            })
        })?,
    })
}

fn late<T: Clone>(value: &Late<T>, map: &Map<'_>) -> Mapped<Late<T>> {
    match value {
        Late::Known(value) => Ok(Late::Known(value.clone())),
        Late::Expression(expression) => map(expression).map(Late::Expression),
    }
}

pub(crate) fn named_templates(named: &[Named<Template>], map: &Map<'_>) -> Mapped<Vec<Named<Template>>> {
    each(named, |entry| Ok(Named::new(entry.name.clone(), template(&entry.value, map)?)))
}

fn env(entries: &[EnvEntry], map: &Map<'_>) -> Mapped<Vec<EnvEntry>> {
    each(entries, |entry| match entry {
        EnvEntry::Set { name, value } => {
            Ok(EnvEntry::Set { name: name.clone(), value: template(value, map)? })
        }
        EnvEntry::All(expression) => map(expression).map(EnvEntry::All),
    })
}

pub(crate) fn strategy(strategy: &Strategy, map: &Map<'_>) -> Mapped<Strategy> {
    let matrix = some(&strategy.matrix, |matrix| {
        Ok(match matrix {
            Matrix::Whole(expression) => Matrix::Whole(map(expression)?),
            Matrix::Axes { axes, include, exclude } => Matrix::Axes {
                axes: each(axes, |named| Ok(Named::new(named.name.clone(), axis(&named.value, map)?)))?,
                include: axis(include, map)?,
                exclude: axis(exclude, map)?,
            },
        })
    })?;
    let max_parallel = some(&strategy.max_parallel, |value| late(value, map))?;
    Ok(Strategy { matrix, fail_fast: late(&strategy.fail_fast, map)?, max_parallel })
}

fn axis(axis: &Axis, map: &Map<'_>) -> Mapped<Axis> {
    match axis {
        Axis::Values(values) => each(values, |item| value(item, map)).map(Axis::Values),
        Axis::Expression(expression) => map(expression).map(Axis::Expression),
    }
}

fn value(of: &Value, map: &Map<'_>) -> Mapped<Value> {
    Ok(match of {
        Value::String(text) => Value::from(template(&Template::parse(text)?, map)?.source()),
        Value::Array(items) => Value::Array(each(items, |item| value(item, map))?),
        Value::Object(pairs) => {
            Value::Object(each(pairs, |(key, item)| Ok((key.clone(), value(item, map)?)))?)
        }
        other => other.clone(),
    })
}

fn steps_job(job: &StepsJob, map: &Map<'_>) -> Mapped<StepsJob> {
    let executor = match &job.executor {
        Executor::Labels { labels, group, container: inside } => Executor::Labels {
            labels: each(labels, |label| template(label, map))?,
            group: some(group, |group| template(group, map))?,
            container: some(inside, |inside| container(inside, map))?,
        },
        Executor::Docker { container: inside } => Executor::Docker { container: container(inside, map)? },
        Executor::Machine(image) => Executor::Machine(image.clone()),
    };
    Ok(StepsJob {
        executor,
        services: each(&job.services, |service| {
            Ok(Named::new(service.name.clone(), container(&service.value, map)?))
        })?,
        env: env(&job.env, map)?,
        contexts: job.contexts.clone(),
        defaults: Defaults {
            shell: some(&job.defaults.shell, |shell| template(shell, map))?,
            working_directory: some(&job.defaults.working_directory, |path| template(path, map))?,
        },
        parallelism: job.parallelism,
        steps: each(&job.steps, |item| step(item, map))?,
    })
}

fn container(container: &Container, map: &Map<'_>) -> Mapped<Container> {
    Ok(Container {
        image: template(&container.image, map)?,
        env: env(&container.env, map)?,
        ports: each(&container.ports, |port| template(port, map))?,
        volumes: each(&container.volumes, |volume| template(volume, map))?,
        options: some(&container.options, |options| template(options, map))?,
        credentials: some(&container.credentials, |credentials| {
            let password = template(&credentials.password, map)?;
            Ok(Credentials { username: template(&credentials.username, map)?, password })
        })?,
        ..container.clone()
    })
}

fn step(of: &Step, map: &Map<'_>) -> Mapped<Step> {
    let condition = match &of.condition {
        StepCondition::Expression(expression) => StepCondition::Expression(map(expression)?),
        other => other.clone(),
    };
    let action = match &of.action {
        Action::Run(run) => {
            let mut run = run.clone();
            run.script = template(&run.script, map)?;
            run.shell = some(&run.shell, |shell| template(shell, map))?;
            run.working_directory = some(&run.working_directory, |path| template(path, map))?;
            Action::Run(run)
        }
        Action::Uses(uses) => {
            let mut uses = uses.clone();
            uses.with = named_templates(&uses.with, map)?;
            Action::Uses(uses)
        }
        Action::Parallel { steps } => Action::Parallel { steps: each(steps, |item| step(item, map))? },
        // The others are CircleCI's, or name steps by their ids.
        other => other.clone(),
    };
    Ok(Step {
        name: some(&of.name, |name| template(name, map))?,
        condition,
        env: env(&of.env, map)?,
        continue_on_error: some(&of.continue_on_error, |value| late(value, map))?,
        timeout_minutes: some(&of.timeout_minutes, |value| late(value, map))?,
        action,
        ..of.clone()
    })
}
