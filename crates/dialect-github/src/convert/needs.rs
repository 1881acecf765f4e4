use std::collections::{HashMap, HashSet};

use sluice_source::{Diagnostic, Span, did_you_mean_text};

use super::Converter;
use crate::workflow::WorkflowJob;

impl Converter<'_> {
    /// Every job must come to its turn: some job needs nothing, and no need is unknown or goes in a circle.
    pub(super) fn check_needs(&mut self, jobs: &[WorkflowJob], jobs_span: Span) {
        if jobs.iter().all(|job| !job.needs.is_empty()) {
            let message = "The workflow must contain at least one job with no dependencies.";
            self.error("github/needs", jobs_span, message);
            return;
        }
        let reached = reachable(jobs);
        let known: HashMap<String, &str> =
            jobs.iter().map(|job| (job.id.to_lowercase(), job.id.as_str())).collect();
        for job in jobs {
            for need in &job.needs {
                let name = need.job.to_lowercase();
                if reached.contains(&name) {
                    continue;
                }
                if known.contains_key(&name) {
                    let message = format!(
                        "Job '{}' depends on job '{}' which creates a cycle in the dependency graph.",
                        job.id, need.job
                    );
                    self.error("github/needs", need.span, message);
                } else {
                    let message = format!("Job '{}' depends on unknown job '{}'.", job.id, need.job);
                    let mut error = Diagnostic::error(
                        "github/needs",
                        need.span.at(self.path),
                        need.span.length(),
                        message,
                    );
                    error.help.extend(did_you_mean_text(&need.job, known.values().copied()));
                    if self.diagnostics.len() < self.max_errors {
                        self.diagnostics.push(error);
                    }
                }
            }
        }
    }
}

/// The jobs that can start once the jobs before them have ended, by id in lower case.
fn reachable(jobs: &[WorkflowJob]) -> HashSet<String> {
    let mut waiting: HashMap<String, usize> = HashMap::new();
    let mut dependents: HashMap<String, Vec<String>> = HashMap::new();
    let mut ready = Vec::new();
    for job in jobs {
        let id = job.id.to_lowercase();
        let needs: HashSet<String> = job.needs.iter().map(|need| need.job.to_lowercase()).collect();
        if needs.is_empty() {
            ready.push(id);
            continue;
        }
        waiting.insert(id.clone(), needs.len());
        for need in needs {
            dependents.entry(need).or_default().push(id.clone());
        }
    }
    let mut reached = HashSet::new();
    while let Some(job) = ready.pop() {
        for dependent in dependents.remove(&job).unwrap_or_default() {
            if let Some(left) = waiting.get_mut(&dependent) {
                *left -= 1;
                if *left == 0 {
                    ready.push(dependent);
                }
            }
        }
        reached.insert(job);
    }
    reached
}
