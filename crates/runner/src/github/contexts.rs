use std::borrow::Cow;
use std::sync::Arc;

use sluice_expression::{Context, Expression, StatusFunction, Template, Value};
use sluice_model::Conclusion;
use sluice_plan::{EnvEntry, GithubFacts, Late, StepCondition};
use sluice_wire::JobOrder;

use super::hash_files::hash_files;
use crate::place::{Place, Shared};

/// The contexts of one job, or of one action in it: what `${{ }}` may name. Cheap to clone, for every step has its own.
#[derive(Clone)]
pub struct Contexts {
    values: Vec<(&'static str, Arc<Value>)>,
    /// How the job stands: `job.status`.
    pub status: Conclusion,
    /// How the composite action stands that these are the contexts of. `success()` and `failure()` of its steps ask for
    /// it, and those of the job's own steps for the job's status.
    pub action_status: Option<Conclusion>,
    /// `hashFiles` looks below it; none before the job has a place.
    workspace: Option<Shared>,
}

impl Contexts {
    /// The contexts before the job has a place: no `runner`, `job` or `steps` yet.
    pub fn of_order(order: &JobOrder) -> Self {
        let secrets = order.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().into()));
        let needs = order.needs.iter().map(|(job, need)| {
            let outputs = need.outputs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
            let value = [("result", need.result.as_str().into()), ("outputs", Value::object(outputs))];
            (job.to_string(), Value::object(value))
        });
        let vars = order.vars.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        // A job without a matrix has none, not an empty one.
        let matrix = match &order.matrix {
            Value::Object(pairs) if pairs.is_empty() => Value::Null,
            matrix => matrix.clone(),
        };
        let values = vec![
            ("github", github(order)),
            ("env", Value::Object(Vec::new())),
            ("job", Value::object([("status", "success".into())])),
            ("steps", Value::Object(Vec::new())),
            ("runner", Value::Object(Vec::new())),
            ("secrets", Value::object(secrets)),
            ("vars", Value::object(vars)),
            ("strategy", order.strategy.clone()),
            ("matrix", matrix),
            ("needs", Value::object(needs)),
            ("inputs", order.inputs.clone()),
        ];
        let values = values.into_iter().map(|(name, value)| (name, Arc::new(value))).collect();
        Self { values, status: Conclusion::Success, action_status: None, workspace: None }
    }

    /// Adds what is known once the job has a place.
    pub fn enter(&mut self, place: &Place, order: &JobOrder) {
        self.workspace = Some(place.layout.workspace.clone());
        self.put("github", "workspace", place.layout.workspace.inside("").as_str().into());
        self.put("github", "event_path", event_path(place).as_str().into());
        let arch = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
        let mut runner = vec![
            ("os", "Linux".into()),
            ("arch", arch.into()),
            ("name", "sluice".into()),
            ("environment", "self-hosted".into()),
            ("temp", place.layout.temp.inside.as_str().into()),
            ("tool_cache", place.layout.tools.inside.as_str().into()),
            ("workspace", place.layout.workspace.parent().into()),
        ];
        if shows_debug(order) {
            runner.push(("debug", "1".into()));
        }
        self.set("runner", Value::object(runner));
        if let Some(container) = &place.container {
            let facts =
                [("id", container.id.as_str().into()), ("network", container.network.as_str().into())];
            self.put("job", "container", Value::object(facts));
        }
        if place.services.is_empty() {
            return;
        }
        let services = place.services.iter().map(|service| {
            let ports =
                service.ports.iter().map(|(inside, here)| (inside.to_string(), here.to_string().into()));
            let facts = [
                ("id", service.id.as_str().into()),
                ("network", service.network.as_str().into()),
                ("ports", Value::object(ports)),
            ];
            (service.name.clone(), Value::object(facts))
        });
        self.put("job", "services", Value::object(services));
    }

    pub fn set(&mut self, context: &str, value: Value) {
        if let Some(place) = self.values.iter_mut().find(|(name, _)| *name == context) {
            place.1 = Arc::new(value);
        }
    }

    /// Sets one member of a context that is an object.
    pub fn put(&mut self, context: &str, key: &str, value: Value) {
        let found = self.values.iter_mut().find(|(name, _)| *name == context);
        let Some((_, of)) = found else { return };
        let Value::Object(pairs) = Arc::make_mut(of) else { return };
        match pairs.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key.to_owned(), value)),
        }
    }

    pub fn set_env(&mut self, env: &[(String, String)]) {
        let pairs = env.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        self.set("env", Value::object(pairs));
    }

    pub fn set_status(&mut self, status: Conclusion) {
        self.status = status;
        self.put("job", "status", status.as_str().into());
    }

    /// The contexts of a composite action's own steps: its inputs, no steps yet, nothing that only a workflow sees.
    pub fn of_action(&self, inputs: &[(String, String)]) -> Self {
        let mut inner = self.clone();
        let inputs = inputs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        inner.set("inputs", Value::object(inputs));
        inner.set("steps", Value::Object(Vec::new()));
        inner.set_action_status(Conclusion::Success);
        inner
    }

    pub fn set_action_status(&mut self, status: Conclusion) {
        self.action_status = Some(status);
        self.put("github", "action_status", status.as_str().into());
    }

    /// A step failed or was cancelled: the first such step settles how the job or action stands.
    pub fn worsen(&mut self, conclusion: Conclusion) {
        match self.action_status {
            Some(Conclusion::Success) => self.set_action_status(conclusion),
            None if self.status == Conclusion::Success => self.set_status(conclusion),
            _ => (),
        }
    }

    /// What `success()` and `failure()` ask for.
    fn asked_status(&self) -> Conclusion {
        self.action_status.unwrap_or(self.status)
    }

    /// The `env` context's pairs.
    pub fn env_pairs(&self) -> Vec<(String, String)> {
        match self.lookup("env").as_deref() {
            Some(Value::Object(pairs)) => {
                pairs.iter().map(|(name, value)| (name.clone(), value.to_text())).collect()
            }
            _ => Vec::new(),
        }
    }

    pub fn text(&self, template: &Template) -> Result<String, String> {
        template.evaluate_text(self).map_err(|error| error.to_string())
    }

    pub fn optional_text(&self, template: Option<&Template>) -> Result<Option<String>, String> {
        template.map(|template| self.text(template)).transpose()
    }

    /// Whether a step runs. Without a status function, `if: x` is `success() && (x)`.
    pub fn holds(&self, condition: &StepCondition) -> Result<bool, String> {
        let is_success = self.asked_status() == Conclusion::Success;
        match condition {
            StepCondition::OnSuccess => Ok(is_success),
            StepCondition::OnFail => Ok(self.asked_status() == Conclusion::Failure),
            StepCondition::Always => Ok(true),
            StepCondition::Expression(expression) if expression.uses_status_function() || is_success => {
                self.value(expression).map(|value| value.is_truthy())
            }
            StepCondition::Expression(_) => Ok(false),
        }
    }

    pub fn value(&self, expression: &Expression) -> Result<Value, String> {
        expression.evaluate(self).map_err(|error| error.to_string())
    }

    pub fn late_bool(&self, late: Option<&Late<bool>>) -> Result<bool, String> {
        match late {
            None => Ok(false),
            Some(Late::Known(value)) => Ok(*value),
            Some(Late::Expression(expression)) => Ok(self.value(expression)?.is_truthy()),
        }
    }

    /// Minutes, fractions allowed, as a duration. Not a positive number: none.
    pub fn late_minutes(&self, late: Option<&Late<f64>>) -> Result<Option<std::time::Duration>, String> {
        let minutes = match late {
            None => return Ok(None),
            Some(Late::Known(minutes)) => *minutes,
            Some(Late::Expression(expression)) => self.value(expression)?.to_number(),
        };
        Ok(std::time::Duration::try_from_secs_f64(minutes * 60.0).ok().filter(|limit| !limit.is_zero()))
    }

    /// Evaluates `env:` entries on top of `base`. Each sees the ones of the levels before it, not its neighbours.
    pub fn env(&self, entries: &[EnvEntry]) -> Result<Vec<(String, String)>, String> {
        let mut env = Vec::new();
        for entry in entries {
            match entry {
                EnvEntry::Set { name, value } => env.push((name.clone(), self.text(value)?)),
                EnvEntry::All(expression) => match self.value(expression)? {
                    Value::Object(pairs) => {
                        env.extend(pairs.into_iter().map(|(name, value)| (name, value.to_text())));
                    }
                    Value::Null => (),
                    other => return Err(format!("`env` is {}, and has to be an object", other.kind())),
                },
            }
        }
        Ok(env)
    }
}

impl Context for Contexts {
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>> {
        let found = self.values.iter().find(|(context, _)| context.eq_ignore_ascii_case(name));
        found.map(|(_, value)| Cow::Borrowed(&**value))
    }

    fn status(&self, function: StatusFunction, _jobs: &[String]) -> Option<bool> {
        Some(match function {
            StatusFunction::Success => self.asked_status() == Conclusion::Success,
            StatusFunction::Failure => self.asked_status() == Conclusion::Failure,
            StatusFunction::Cancelled => self.status == Conclusion::Cancelled,
            StatusFunction::Always => true,
        })
    }

    fn hash_files(&self, patterns: &[String]) -> Option<Result<String, String>> {
        self.workspace.as_ref().map(|workspace| hash_files(workspace, patterns))
    }
}

/// Puts `newer` on top of `env`: a name that is there gets the new value, in its old place.
pub fn overlay(env: &mut Vec<(String, String)>, newer: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in newer {
        match env.iter_mut().find(|(old, _)| *old == name) {
            Some(pair) => pair.1 = value,
            None => env.push((name, value)),
        }
    }
}

/// Whether the secret or variable ACTIONS_STEP_DEBUG asks for debug lines.
pub fn shows_debug(order: &JobOrder) -> bool {
    let secret = order.secrets.get("ACTIONS_STEP_DEBUG").map(sluice_wire::Secret::expose);
    secret.or(order.vars.get("ACTIONS_STEP_DEBUG").map(String::as_str)) == Some("true")
}
/// Below the temporary folder.
pub const EVENT_FILE: &str = "_github_workflow/event.json";

pub fn event_path(place: &Place) -> String {
    place.layout.temp.inside(EVENT_FILE)
}

/// GitHub's token: the secret of that name, else the job's own token for this server.
fn token(order: &JobOrder) -> &str {
    let secret = order.secrets.get("GITHUB_TOKEN").map(sluice_wire::Secret::expose);
    secret.or(order.server.as_ref().map(|server| server.token.expose())).unwrap_or_default()
}

fn github(order: &JobOrder) -> Value {
    let facts = GithubFacts {
        trigger: &order.trigger,
        run: order.run,
        number: order.run_number,
        attempt: order.attempt,
        workflow: &order.workflow,
        file: &order.workflow_file,
        server_url: order.server.as_ref().map_or("https://github.com", |server| &server.url),
    };
    // A called workflow's jobs know themselves by their own ids.
    let job = order.job.id.as_str().rsplit('/').next().unwrap_or_default();
    let own = [
        ("action", "__run".into()),
        ("job", job.into()),
        ("token", token(order).into()),
        ("event", serde_json::from_str(event(order)).unwrap_or_default()),
    ];
    let members = facts.members().into_iter().chain(own);
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The event's payload as JSON: what the trigger brought, or nothing.
pub fn event(order: &JobOrder) -> &str {
    match order.trigger.payload.as_str() {
        "" => "{}",
        payload => payload,
    }
}
