//! Compiled jobs to the typed plan that the engine runs.

use std::collections::HashSet;

use sluice_expression::Template;
use sluice_model::JobId;
use sluice_plan::{
    Concurrency, Container, Credentials, Defaults, Dialect, EnvEntry, Executor, Gate, GateKind, Job,
    JobCondition, Late, MachineImage, Named, Need, Plan, Service, StepsJob, Work,
};
use sluice_source::{Diagnostic, Kind, Location, Node, Span};

use crate::config::{self, Config, Workflow, WorkflowJob};
use crate::executor::environment;
use crate::scalar::{Type, boolean};
use crate::select::LeftOut;

/// Why something cannot be run here. Boxed, for it is rare.
pub(crate) type Refused = Box<Diagnostic>;

/// Codes of what is right in a config, and cannot be done here.
const NOT_HERE: [&str; 2] = ["circleci/no-runner", "circleci/not-supported"];

/// Instances of one job that run side by side.
const MOST_PARALLEL: u32 = 256;

impl Config {
    /// The plan of a workflow without the jobs that are left out.
    pub(crate) fn plan(&self, workflow: &Workflow, left_out: &[LeftOut]) -> Result<Plan, Vec<Diagnostic>> {
        let left_out: HashSet<&str> = left_out.iter().map(|job| job.job.as_str()).collect();
        let mut jobs = Vec::new();
        let mut refused = Vec::new();
        for job in workflow.jobs.iter().filter(|job| !left_out.contains(job.name.as_str())) {
            match self.job(job, &left_out) {
                Ok(job) => jobs.push(job),
                Err(diagnostic) => refused.push(*diagnostic),
            }
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        Ok(Plan {
            dialect: Dialect::Circleci,
            file: self.path(0).to_owned(),
            workflow: workflow.name.clone(),
            run_name: None,
            env: Vec::new(),
            defaults: Defaults::default(),
            concurrency: None,
            permissions: None,
            lock: None,
            jobs,
            calls: Vec::new(),
            max_auto_reruns: workflow.max_auto_reruns.as_ref().map_or(0, |reruns| reruns.most),
        })
    }

    /// What CircleCI would refuse about the jobs that run with these pipeline values, once each.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for diagnostic in
            self.workflows.iter().filter_map(|workflow| self.plan(workflow, &[]).err()).flatten()
        {
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
        found
    }

    fn job(&self, job: &WorkflowJob, left_out: &HashSet<&str>) -> Result<Job, Refused> {
        let work = match &job.work {
            config::Work::Approval(_) => Work::Approval,
            config::Work::Job(node) => match self.work(job, node) {
                Err(why) if NOT_HERE.contains(&why.code.as_str()) => Work::Refused(why),
                work => work?,
            },
            config::Work::Refused(why) => Work::Refused(why.clone()),
            // A config with errors is not handed out.
            config::Work::Unknown => Work::Nothing,
        };
        let gate = matches!(work, Work::Approval).then(|| Gate {
            name: Template::literal(&job.name),
            kind: GateKind::Approval,
            url: None,
        });
        let group = job.serial_group.as_ref().and_then(Node::text);
        Ok(Job {
            id: JobId::new(&job.name),
            name: None,
            at: job.at.clone(),
            needs: needs(job, left_out),
            condition: JobCondition::NeedsAccepted,
            gate,
            strategy: None,
            concurrency: group.map(|group| Concurrency {
                group: Template::literal(group),
                cancel_in_progress: Late::Known(false),
                keep_all_pending: true,
            }),
            permissions: None,
            continue_on_error: None,
            timeout_minutes: None,
            outputs: Vec::new(),
            work,
        })
    }

    fn work(&self, job: &WorkflowJob, node: &Node) -> Result<Work, Refused> {
        match node.get("type").and_then(Node::text) {
            None | Some("build") => self.steps_job(job, node).map(|job| Work::Steps(Box::new(job))),
            Some("approval") => Ok(Work::Approval),
            Some("no-op") => Ok(Work::Nothing),
            Some(kind) => {
                let message =
                    format!("the job `{}` has `type: {kind}`, which needs CircleCI itself", job.name);
                Err(self.refuse("not-supported", job.place, message))
            }
        }
    }

    fn steps_job(&self, job: &WorkflowJob, node: &Node) -> Result<StepsJob, Refused> {
        let (executor, services) = self.executor(job, node)?;
        let steps = node.get("steps").and_then(Node::items).unwrap_or_default();
        let steps = steps.iter().map(|step| self.step(step)).collect::<Result<Vec<_>, _>>()?;
        let machine_shell = node.get("machine").and_then(|machine| machine.get("shell"));
        Ok(StepsJob {
            executor,
            services,
            env: node.get("environment").map(env).unwrap_or_default(),
            contexts: job.contexts.clone(),
            defaults: Defaults {
                shell: node.get("shell").or(machine_shell).and_then(words),
                working_directory: literal(node, "working_directory"),
            },
            parallelism: self.parallelism(node)?,
            steps: steps.into_iter().flatten().collect(),
        })
    }

    fn parallelism(&self, node: &Node) -> Result<u32, Refused> {
        let Some(parallelism) = node.get("parallelism").filter(|node| !node.is_null()) else { return Ok(1) };
        let number = parallelism.text().and_then(|text| text.parse().ok());
        number.filter(|number| (1..=MOST_PARALLEL).contains(number)).ok_or_else(|| {
            let seen = parallelism.text().unwrap_or("…");
            let message =
                format!("`parallelism` is a number from 1 to {MOST_PARALLEL}, and this is `{seen}`");
            self.refuse("parallelism", parallelism.place(), message)
        })
    }

    fn executor(&self, job: &WorkflowJob, node: &Node) -> Result<(Executor, Vec<Service>), Refused> {
        let class = node.get("resource_class").and_then(Node::text).unwrap_or_default();
        if let Some(macos) = node.get("macos") {
            return Err(self.refuse_system(job, macos, "macOS"));
        }
        if let Some(windows) = node.get("windows") {
            return Err(self.refuse_system(job, windows, "Windows"));
        }
        if let Some(machine) = node.get("machine") {
            let image = machine.get("image").unwrap_or(machine);
            let image = image.text().filter(|_| Type::of(image) == Type::String).unwrap_or("default");
            if image.starts_with("windows") || class.starts_with("windows") {
                return Err(self.refuse_system(job, machine, "Windows"));
            }
            return Ok((Executor::Machine(MachineImage { image: image.to_owned() }), Vec::new()));
        }
        let docker = node.get("docker");
        let mut containers = Vec::new();
        for image in docker.and_then(Node::items).unwrap_or_default() {
            containers.push((self.container(image)?, image));
        }
        if containers.is_empty() {
            let place = docker.map_or(job.place, Node::place);
            let message = format!("`docker` of the job `{}` is a list with at least one image", job.name);
            return Err(self.refuse("docker", place, message));
        }
        let (container, _) = containers.remove(0);
        Ok((Executor::Docker { container }, services(containers)))
    }

    fn refuse_system(&self, job: &WorkflowJob, node: &Node, system: &str) -> Refused {
        let message = format!("the job `{}` runs on {system}, for which Sluice has no runner", job.name);
        let mut refused = self.refuse("no-runner", node.place(), message);
        refused.help.push("filter the job out, or move its work to `docker` or a Linux `machine`".to_owned());
        refused
    }

    fn container(&self, node: &Node) -> Result<Container, Refused> {
        let Some(image) = node.get("image").and_then(Node::text) else {
            return Err(self.refuse("docker", node.place(), "a container needs an `image`".to_owned()));
        };
        if let Some(auth) = node.entry("aws_auth") {
            let message =
                "`aws_auth` is not supported: Sluice does not sign in to Amazon's registry".to_owned();
            let mut refused = self.refuse("not-supported", auth.key.place(), message);
            refused.help.push("use `auth` with a user name and a password".to_owned());
            return Err(refused);
        }
        let credentials = node.get("auth").and_then(|auth| {
            Some(Credentials { username: literal(auth, "username")?, password: literal(auth, "password")? })
        });
        Ok(Container {
            env: node.get("environment").map(env).unwrap_or_default(),
            credentials,
            entrypoint: node.get("entrypoint").and_then(arguments),
            command: node.get("command").and_then(arguments),
            user: node.get("user").and_then(Node::text).map(str::to_owned),
            ..Container::of_image(Template::literal(image))
        })
    }

    pub(crate) fn refuse(&self, code: &str, place: Span, message: String) -> Refused {
        Box::new(Diagnostic::error(format!("circleci/{code}"), self.location(place), place.length(), message))
    }

    pub(crate) fn at(&self, node: &Node) -> Location {
        self.location(node.place())
    }
}

fn needs(job: &WorkflowJob, left_out: &HashSet<&str>) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for requirement in &job.requires {
        for name in requirement.jobs.iter().filter(|name| !left_out.contains(name.as_str())) {
            let id = JobId::new(name);
            if !needs.iter().any(|need| need.job == id) {
                needs.push(Need { job: id, accepts: Some(requirement.accepts.clone()) });
            }
        }
    }
    needs
}

/// Containers beside the job, by their `name`, else by their image's last word: `postgres`, `postgres-2`.
fn services(containers: Vec<(Container, &Node)>) -> Vec<Service> {
    let mut names: Vec<String> = Vec::new();
    let mut services = Vec::new();
    for (container, node) in containers {
        let image = container.image.source();
        let without_tag = image.split('@').next().unwrap_or(image);
        let last = without_tag.rsplit('/').next().unwrap_or(without_tag);
        let wanted = node.get("name").and_then(Node::text).unwrap_or(last.split(':').next().unwrap_or(last));
        let mut name = wanted.to_owned();
        let mut count = 1;
        while names.contains(&name) {
            count += 1;
            name = format!("{wanted}-{count}");
        }
        names.push(name.clone());
        services.push(Named::new(name, container));
    }
    services
}

/// The text of a field, to be taken as it is.
pub(crate) fn literal(node: &Node, key: &str) -> Option<Template> {
    node.get(key).filter(|value| !value.is_null()).and_then(Node::text).map(Template::literal)
}

/// Variables of an `environment`, in any of its forms.
pub(crate) fn env(node: &Node) -> Vec<EnvEntry> {
    let set = |entry: sluice_source::Entry| {
        let text = entry.value.text()?;
        let value = match Type::of(&entry.value) {
            Type::Null => "",
            Type::Boolean if boolean(text) == Some(true) => "true",
            Type::Boolean => "false",
            _ => text,
        };
        Some(EnvEntry::Set { name: entry.key.text()?.to_owned(), value: Template::literal(value) })
    };
    environment(node).into_iter().filter_map(set).collect()
}

/// A shell, as a text or a list of words.
pub(crate) fn words(node: &Node) -> Option<Template> {
    match node.items() {
        Some(items) => {
            let words: Vec<&str> = items.iter().filter_map(Node::text).collect();
            Some(Template::literal(words.join(" ")))
        }
        None => node.text().filter(|_| !node.is_null()).map(Template::literal),
    }
}

/// A command line: a list of words, or a text that is split as a shell would without running anything.
fn arguments(node: &Node) -> Option<Vec<String>> {
    match &node.kind {
        Kind::Sequence(items) => {
            Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect())
        }
        Kind::Scalar(scalar) if !node.is_null() => Some(split(&scalar.text)),
        _ => None,
    }
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_line_splits_into_words() {
        let words = super::split(r#"sh -c 'a "b"' "c d" e\ f '' "#);
        assert_eq!(words, ["sh", "-c", "a \"b\"", "c d", "e f", ""]);
    }
}
