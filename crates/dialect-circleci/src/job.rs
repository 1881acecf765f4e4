//! One job of one workflow, with everything in it expanded.

use sluice_source::{Entry, Node, Span, did_you_mean_text};

use crate::executor::{PLACES, merge};
use crate::expander::Expander;
use crate::parameter::Call;
use crate::scope::{Element, ScopeId};
use crate::substitute::Names;

/// Keys of a job; anything else does nothing.
const KEYS: [&str; 19] = [
    "type",
    "docker",
    "machine",
    "macos",
    "windows",
    "executor",
    "shell",
    "parameters",
    "steps",
    "working_directory",
    "parallelism",
    "environment",
    "branches",
    "resource_class",
    "circleci_ip_ranges",
    "retention",
    "description",
    "plan_name",
    "key",
];

/// What a workflow wants of a job.
pub(crate) struct Invocation<'a> {
    /// The name as the workflow writes it.
    pub(crate) name: &'a str,
    pub(crate) definition: &'a Node,
    pub(crate) scope: ScopeId,
    pub(crate) arguments: &'a [Entry],
    pub(crate) pre_steps: Option<&'a Node>,
    pub(crate) post_steps: Option<&'a Node>,
    pub(crate) place: Span,
}

impl Expander<'_> {
    /// The job as CircleCI compiles it: no parameters, no executor, only built-in steps.
    pub(crate) fn compile_job(&mut self, job: &Invocation<'_>, names: &Names<'_>) -> Option<Node> {
        let call = Call {
            element: Element::Job,
            name: job.name,
            definition: job.definition,
            scope: job.scope,
            arguments: job.arguments,
            place: job.place,
        };
        let Some(entries) = job.definition.entries() else {
            let message =
                format!("the job `{}` is a map, and this is {}", job.name, job.definition.describe());
            self.report.error("job", job.definition.place(), message);
            return None;
        };
        self.warn_unknown_keys(entries);
        let bound = self.bind(&call, names)?;
        let inside = Names { scope: job.scope, parameters: Some(&bound), matrix: None };
        let mut own = Vec::new();
        let mut executor = Vec::new();
        let mut is_good = true;
        for entry in entries {
            let value = match entry.key.text() {
                Some("parameters" | "description") => continue,
                Some("executor") if self.is_reusable => {
                    match self.executor(&entry.value, &inside) {
                        Some(keys) => executor = keys,
                        None => is_good = false,
                    }
                    continue;
                }
                Some("steps") => self.job_steps(job, &entry.value, names, &inside),
                _ => self.substitute_value(entry, &inside),
            };
            match value {
                Some(value) => own.push(Entry { key: entry.key.clone(), value }),
                None => is_good = false,
            }
        }
        let job_node = Node::mapping(merge(executor, own), job.definition.span);
        (is_good && self.is_whole(job, &job_node)).then_some(job_node)
    }

    /// Pre-steps and post-steps belong to the workflow, so they see its names and not the job's.
    fn job_steps(
        &mut self,
        job: &Invocation<'_>,
        steps: &Node,
        outside: &Names<'_>,
        inside: &Names<'_>,
    ) -> Option<Node> {
        let mut all = Vec::new();
        let mut is_good = true;
        if let Some(pre_steps) = job.pre_steps {
            is_good &= self.expand_steps(pre_steps, outside, &mut all).is_some();
        }
        is_good &= self.expand_steps(steps, inside, &mut all).is_some();
        if let Some(post_steps) = job.post_steps {
            is_good &= self.expand_steps(post_steps, outside, &mut all).is_some();
        }
        is_good.then(|| Node::sequence(all, steps.span))
    }

    fn is_whole(&mut self, job: &Invocation<'_>, node: &Node) -> bool {
        if node.get("type").and_then(Node::text).is_some_and(|kind| kind != "build") {
            return true;
        }
        let name = job.name;
        if node.get("steps").is_none() {
            self.report.error("job", job.definition.place(), format!("the job `{name}` has no `steps`"));
            return false;
        }
        let places: Vec<&str> = PLACES.into_iter().filter(|place| node.get(place).is_some()).collect();
        match places.as_slice() {
            [_] => true,
            [] => {
                let error = self
                    .report
                    .new_error("job", job.definition.place(), format!("the job `{name}` says nowhere to run"))
                    .with_help("give it `docker`, `machine` or `executor`");
                self.report.push(error);
                false
            }
            several => {
                let message =
                    format!("the job `{name}` says several places to run: `{}`", several.join("`, `"));
                self.report.error("job", job.definition.place(), message);
                false
            }
        }
    }

    fn warn_unknown_keys(&mut self, entries: &[Entry]) {
        for entry in entries {
            let key = entry.key.text().unwrap_or_default();
            if KEYS.contains(&key) {
                continue;
            }
            let near = did_you_mean_text(key, KEYS).map(|near| format!("; {near}")).unwrap_or_default();
            let message = format!("`{key}` is no key of a job, and does nothing{near}");
            self.report.warn("unknown-key", entry.key.place(), message);
        }
    }
}
