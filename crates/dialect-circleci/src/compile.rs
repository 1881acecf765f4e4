use sluice_source::{Entry, Node, Span, Style};

use crate::config::{Config, Requirement, Work, Workflow, WorkflowJob};
use crate::emit::emit;

impl Config {
    /// The config as CircleCI compiled it (`circleci config process`), as long as no orb of it is missing: version 2,
    /// every job expanded, nothing left that is reused. Reading the result and compiling it again gives the same text.
    pub fn compile(&self) -> String {
        emit(&self.compiled())
    }

    fn compiled(&self) -> Node {
        let mut document = vec![entry("version", plain("2"))];
        if self.is_setup {
            document.push(entry("setup", plain("true")));
        }
        document.push(entry("jobs", self.compiled_jobs()));
        let mut workflows = vec![entry("version", plain("2"))];
        for workflow in self.workflows.iter().filter(|workflow| workflow.off.is_none()) {
            workflows.push(entry(&workflow.name, workflow.compiled()));
        }
        document.push(entry("workflows", Node::mapping(workflows, Span::default())));
        Node::mapping(document, Span::default())
    }

    fn compiled_jobs(&self) -> Node {
        let mut names = std::collections::HashSet::new();
        let mut jobs = Vec::new();
        for job in self.workflows.iter().flat_map(|workflow| &workflow.jobs) {
            if let Work::Job(node) = &job.work
                && names.insert(&job.name)
            {
                jobs.push(entry(&job.name, node.clone()));
            }
        }
        Node::mapping(jobs, Span::default())
    }
}

impl Workflow {
    fn compiled(&self) -> Node {
        let mut entries = Vec::new();
        if let Some(triggers) = &self.triggers {
            entries.push(entry("triggers", triggers.clone()));
        }
        entries.extend(self.max_auto_reruns.as_ref().map(|reruns| reruns.entry.clone()));
        let jobs = self.jobs.iter().map(WorkflowJob::compiled).collect();
        entries.push(entry("jobs", Node::sequence(jobs, Span::default())));
        Node::mapping(entries, Span::default())
    }
}

impl WorkflowJob {
    /// Its name alone when there is nothing else to say.
    fn compiled(&self) -> Node {
        let mut entries = Vec::new();
        if let Work::Approval(kind) = &self.work {
            entries.push(entry("type", kind.clone()));
        }
        let optional = [
            ("context", &self.contexts_node),
            ("filters", &self.filters_node),
            ("serial-group", &self.serial_group),
        ];
        for (key, node) in optional {
            entries.extend(node.as_ref().map(|node| entry(key, node.clone())));
        }
        if !self.requires.is_empty() {
            let requires = self.requires.iter().flat_map(Requirement::compiled).collect();
            entries.push(entry("requires", Node::sequence(requires, Span::default())));
        }
        let name = text(&self.name);
        match entries.is_empty() {
            true => name,
            false => {
                let body = Node::mapping(entries, Span::default());
                Node::mapping(vec![Entry { key: name, value: body }], Span::default())
            }
        }
    }
}

impl Requirement {
    fn compiled(&self) -> Vec<Node> {
        let one = |name: &String| match &self.statuses_node {
            None => text(name),
            Some(statuses) => {
                Node::mapping(vec![Entry { key: text(name), value: statuses.clone() }], Span::default())
            }
        };
        self.jobs.iter().map(one).collect()
    }
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: text(key), value }
}

fn text(text: &str) -> Node {
    Node::scalar(text, Style::DoubleQuoted, Span::default())
}

fn plain(text: &str) -> Node {
    Node::scalar(text, Style::Plain, Span::default())
}
