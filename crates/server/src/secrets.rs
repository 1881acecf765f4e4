use std::collections::BTreeMap;

use sluice_plan::{Action, Job, Work};
use sluice_wire::{Secret, SshKey};

/// Secrets by who may see them: all jobs, or those that name a context (CircleCI, "Using contexts").
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// What every job sees.
    pub project: BTreeMap<String, Secret>,
    /// What a job sees that names the context.
    pub contexts: BTreeMap<String, BTreeMap<String, Secret>>,
    /// What a job sees that adds SSH keys.
    pub ssh_keys: Vec<SshKey>,
}

impl Secrets {
    /// What a job sees: a context's secret wins over the project's, and a later context's over an earlier one's.
    pub(crate) fn of_job(&self, job: &Job) -> BTreeMap<String, Secret> {
        let mut seen = self.project.clone();
        for context in named(job).iter().filter_map(|name| self.contexts.get(name)) {
            seen.extend(context.iter().map(|(name, secret)| (name.clone(), secret.clone())));
        }
        seen
    }

    /// The keys that the job's `add_ssh_keys` name; all where one names none.
    pub(crate) fn ssh_keys_of_job(&self, job: &Job) -> Vec<SshKey> {
        let Work::Steps(work) = &job.work else { return Vec::new() };
        let is_wanted = |key: &&SshKey| {
            work.steps.iter().any(|step| match &step.action {
                Action::AddSshKeys { fingerprints } => {
                    fingerprints.is_empty() || fingerprints.iter().any(|named| key.has_fingerprint(named))
                }
                _ => false,
            })
        };
        self.ssh_keys.iter().filter(is_wanted).cloned().collect()
    }

    /// For the top of the log of a job that names a context which nobody has given anything for. CircleCI does not
    /// begin such a job; a run on a laptop, which has no contexts at all, would get nowhere.
    pub(crate) fn warning(&self, job: &Job) -> Option<String> {
        let unknown: Vec<String> = named(job)
            .iter()
            .filter(|name| !self.contexts.contains_key(*name))
            .map(|name| format!("`{name}`"))
            .collect();
        (!unknown.is_empty()).then(|| {
            format!(
                "##[warning]nothing was given for the context {}: the job goes on without its variables \
                 (`sluice run --secret CONTEXT/NAME` gives one)",
                unknown.join(", ")
            )
        })
    }
}

fn named(job: &Job) -> &[String] {
    match &job.work {
        Work::Steps(work) => &work.contexts,
        Work::Approval | Work::Nothing | Work::Call(_) | Work::Refused(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(contexts: &[&str]) -> Job {
        let text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: x\n";
        let read = sluice_dialect_github::read("a.yml", text, &|_| None);
        let mut job = read.workflow.unwrap().plan().unwrap().jobs.remove(0);
        if let Work::Steps(work) = &mut job.work {
            work.contexts = contexts.iter().map(|name| (*name).to_owned()).collect();
        }
        job
    }

    #[test]
    fn a_job_sees_the_project_and_the_contexts_that_it_names() {
        let secret = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
        let secrets = Secrets {
            project: [secret("A", "project"), secret("B", "project"), secret("C", "project")].into(),
            contexts: [
                ("one".to_owned(), [secret("B", "one"), secret("C", "one")].into()),
                ("two".to_owned(), [secret("C", "two")].into()),
                ("other".to_owned(), [secret("A", "other"), secret("D", "other")].into()),
            ]
            .into(),
            ssh_keys: Vec::new(),
        };
        let seen = |contexts: &[&str]| {
            let seen = secrets.of_job(&job(contexts));
            seen.iter()
                .map(|(name, secret)| format!("{name}={}", secret.expose()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(seen(&[]), "A=project B=project C=project");
        assert_eq!(seen(&["one", "two"]), "A=project B=one C=two");
        assert_eq!(seen(&["two", "one"]), "A=project B=one C=one");
        assert_eq!(secrets.warning(&job(&["one"])), None);
        let warning = secrets.warning(&job(&["one", "absent"])).unwrap();
        assert!(warning.contains("the context `absent`") && !warning.contains("`one`"), "{warning}");
    }
}
