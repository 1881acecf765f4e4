//! The final names of jobs, which are unique over all workflows, and what `requires` means by a name.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use sluice_model::Conclusion;
use sluice_source::{Kind, Node, Span, did_you_mean_text};

use crate::config::{Requirement, Work, Workflow, WorkflowJob};
use crate::report::Report;
use crate::workflow::{DraftJob, DraftRequirement, DraftWork, DraftWorkflow};

/// Jobs that all `requires` of a config name, matrices expanded.
const MOST_REQUIREMENTS: usize = 200_000;

/// Gives every job its final name and resolves `requires`. What is switched off stays without jobs.
pub(crate) fn settle(drafts: Vec<DraftWorkflow>, report: &mut Report) -> Vec<Workflow> {
    let names = final_names(&drafts);
    let mut left = MOST_REQUIREMENTS;
    drafts
        .into_iter()
        .zip(names)
        .map(|(draft, names)| settle_workflow(draft, &names, &mut left, report))
        .collect()
}

/// A final name for each job of each workflow.
///
/// The same job with the same arguments is one job, whichever workflows it is in. Different jobs with one name are
/// numbered: `test-1`, `test-2`.
fn final_names(drafts: &[DraftWorkflow]) -> Vec<Vec<String>> {
    struct Variant<'a> {
        work: &'a DraftWork,
        /// The workflow that used it last: within one workflow the same job twice is two jobs.
        last_used: usize,
    }
    let mut variants: HashMap<&str, Vec<Variant>> = HashMap::new();
    // By what is in them, for a config may have thousands of jobs of one name.
    let mut alike: HashMap<(&str, u64), Vec<usize>> = HashMap::new();
    let mut chosen: Vec<Vec<(&str, usize)>> = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let mut picks = Vec::new();
        for job in draft.jobs.iter().filter(|_| draft.off.is_none()) {
            let known = variants.entry(&job.name).or_default();
            let alike = alike.entry((&job.name, fingerprint(&job.work))).or_default();
            let same = alike
                .iter()
                .copied()
                .find(|&number| known[number].last_used != index && is_same(known[number].work, &job.work));
            let number = same.unwrap_or(known.len());
            match same {
                Some(number) => known[number].last_used = index,
                None => {
                    known.push(Variant { work: &job.work, last_used: index });
                    alike.push(number);
                }
            }
            picks.push((job.name.as_str(), number));
        }
        chosen.push(picks);
    }
    let name = |(name, number): (&str, usize)| match variants.get(name).map_or(0, Vec::len) {
        0 | 1 => name.to_owned(),
        _ => format!("{name}-{}", number + 1),
    };
    chosen.into_iter().map(|picks| picks.into_iter().map(name).collect()).collect()
}

fn is_same(a: &DraftWork, b: &DraftWork) -> bool {
    match (a, b) {
        (DraftWork::Job(a), DraftWork::Job(b)) => a == b,
        (DraftWork::Approval(_), DraftWork::Approval(_))
        | (DraftWork::Refused(_), DraftWork::Refused(_))
        | (DraftWork::Unknown, DraftWork::Unknown) => true,
        _ => false,
    }
}

/// Equal for works that are the same.
fn fingerprint(work: &DraftWork) -> u64 {
    fn add(node: &Node, hasher: &mut DefaultHasher) {
        match &node.kind {
            Kind::Scalar(scalar) => scalar.hash(hasher),
            Kind::Sequence(items) => items.iter().for_each(|item| add(item, hasher)),
            Kind::Mapping(entries) => entries.iter().for_each(|entry| {
                add(&entry.key, hasher);
                add(&entry.value, hasher);
            }),
        }
    }
    let mut hasher = DefaultHasher::new();
    if let DraftWork::Job(node) = work {
        add(node, &mut hasher);
    }
    hasher.finish()
}

fn settle_workflow(
    draft: DraftWorkflow,
    names: &[String],
    left: &mut usize,
    report: &mut Report,
) -> Workflow {
    report.is_dormant = draft.off.is_some();
    // What is off keeps the names as written, to check `requires` by.
    let written: Vec<String>;
    let names = if draft.off.is_some() {
        written = draft.jobs.iter().map(|job| job.name.clone()).collect();
        &written
    } else {
        names
    };
    let lookup = Lookup::new(&draft.jobs, names);
    let mut jobs = Vec::new();
    for (job, name) in draft.jobs.iter().zip(names) {
        let mut requires = Vec::new();
        for required in &job.requires {
            requires.extend(lookup.requirement(job, required, &draft.name, left, report));
        }
        jobs.push(settle_job(job, name, requires, report));
    }
    refuse_circle(&jobs, &draft.jobs, report);
    report.is_dormant = false;
    if draft.off.is_some() {
        jobs.clear();
    }
    Workflow {
        at: report.location(draft.place),
        name: draft.name,
        off: draft.off,
        triggers: draft.triggers,
        schedules: draft.schedules,
        max_auto_reruns: draft.max_auto_reruns,
        jobs,
    }
}

fn settle_job(draft: &DraftJob, name: &str, requires: Vec<Requirement>, report: &Report) -> WorkflowJob {
    let contexts = match &draft.contexts {
        Some(node) => match node.items() {
            Some(items) => items.iter().filter_map(|item| item.text().map(str::to_owned)).collect(),
            None => node.text().map(str::to_owned).into_iter().collect(),
        },
        None => Vec::new(),
    };
    WorkflowJob {
        name: name.to_owned(),
        at: report.location(draft.place),
        place: draft.place,
        work: match &draft.work {
            DraftWork::Job(node) => Work::Job(node.clone()),
            DraftWork::Approval(node) => Work::Approval(node.clone()),
            DraftWork::Refused(why) => Work::Refused(why.clone()),
            DraftWork::Unknown => Work::Unknown,
        },
        requires,
        filters: draft.filters.clone(),
        filters_node: draft.filters_node.clone(),
        contexts,
        contexts_node: draft.contexts.clone(),
        serial_group: draft.serial_group.clone(),
    }
}

/// What the names in `requires` of one workflow lead to.
struct Lookup<'a> {
    written: HashMap<&'a str, Vec<usize>>,
    aliases: HashMap<&'a str, Vec<usize>>,
    settled: HashMap<&'a str, usize>,
    names: &'a [String],
}

impl<'a> Lookup<'a> {
    fn new(jobs: &'a [DraftJob], names: &'a [String]) -> Self {
        let mut written: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut aliases: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, job) in jobs.iter().enumerate() {
            written.entry(&job.name).or_default().push(index);
            if let Some(alias) = &job.alias {
                aliases.entry(alias).or_default().push(index);
            }
        }
        let settled = names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        Self { written, aliases, settled, names }
    }

    fn requirement(
        &self,
        job: &DraftJob,
        required: &DraftRequirement,
        workflow: &str,
        left: &mut usize,
        report: &mut Report,
    ) -> Option<Requirement> {
        let name = required.name.as_str();
        let indices = match (self.written.get(name), self.aliases.get(name), self.settled.get(name)) {
            (Some(one), _, _) if one.len() == 1 => one.clone(),
            (_, Some(all), _) => all.clone(),
            (_, _, Some(one)) => vec![*one],
            (found, _, _) => {
                self.refuse(job, required, workflow, found.map_or(0, Vec::len), report);
                return None;
            }
        };
        let Some(fewer) = left.checked_sub(indices.len()) else {
            let message = format!("the jobs of this config require more than {MOST_REQUIREMENTS} jobs");
            report.error("too-large", required.place, message);
            return None;
        };
        *left = fewer;
        let accepts = statuses(required.statuses.as_ref(), report)?;
        let jobs = indices.into_iter().map(|index| self.names[index].clone()).collect();
        Some(Requirement { jobs, accepts, statuses_node: required.statuses.clone() })
    }

    fn refuse(
        &self,
        job: &DraftJob,
        required: &DraftRequirement,
        workflow: &str,
        count: usize,
        report: &mut Report,
    ) {
        if report.is_full() {
            return;
        }
        // CircleCI's own words.
        let message = format!(
            "Job '{}' requires '{}', which is the name of {count} other jobs in workflow '{workflow}'",
            job.name, required.name
        );
        let mut error = report.new_error("requires", required.place, message);
        if count == 0 {
            let mut known: Vec<&str> = self.written.keys().chain(self.aliases.keys()).copied().collect();
            known.sort_unstable();
            error.help.extend(did_you_mean_text(&required.name, known));
        } else {
            error.help.push("give each of these jobs an explicit `name`".to_owned());
        }
        report.push(error);
    }
}

/// `success` where nothing is said.
fn statuses(node: Option<&Node>, report: &mut Report) -> Option<Vec<Conclusion>> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Some(vec![Conclusion::Success]) };
    let items = match node.items() {
        Some(items) => items,
        None => std::slice::from_ref(node),
    };
    let mut accepts = Vec::new();
    for item in items {
        let written = item.text().unwrap_or_default();
        match written {
            "success" => accepts.push(Conclusion::Success),
            "failed" => accepts.push(Conclusion::Failure),
            "canceled" => accepts.push(Conclusion::Cancelled),
            "not_run" => accepts.push(Conclusion::Skipped),
            // A job whose context or approval was refused.
            "unauthorized" => accepts.push(Conclusion::Failure),
            "terminal" => accepts.extend([
                Conclusion::Success,
                Conclusion::Failure,
                Conclusion::Cancelled,
                Conclusion::Skipped,
            ]),
            _ => {
                const KNOWN: [&str; 6] =
                    ["success", "failed", "canceled", "not_run", "unauthorized", "terminal"];
                let message = format!("`{written}` is no status that a job can require");
                let mut error = report.new_error("requires", item.place(), message);
                error.help.push(
                    did_you_mean_text(written, KNOWN)
                        .unwrap_or_else(|| "write `success`, `failed` or `canceled`".to_owned()),
                );
                report.push(error);
                return None;
            }
        }
    }
    accepts.sort_unstable();
    accepts.dedup();
    Some(accepts)
}

/// Jobs that wait for one another would wait for ever.
fn refuse_circle(jobs: &[WorkflowJob], drafts: &[DraftJob], report: &mut Report) {
    let index: HashMap<&str, usize> =
        jobs.iter().enumerate().map(|(i, job)| (job.name.as_str(), i)).collect();
    let needs: Vec<Vec<usize>> = jobs
        .iter()
        .map(|job| {
            job.requires
                .iter()
                .flat_map(|r| &r.jobs)
                .filter_map(|name| index.get(name.as_str()).copied())
                .collect()
        })
        .collect();
    if let Some(circle) = circle(&needs) {
        let names: Vec<&str> = circle.iter().map(|&job| jobs[job].name.as_str()).collect();
        let place: Span = drafts[circle[0]].place;
        let message = format!("these jobs require one another: {}", names.join(" → "));
        report.error("requires-circle", place, message);
    }
}

/// Some way from a node back to itself, first and last the same.
fn circle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut done = HashSet::new();
    for start in 0..needs.len() {
        // A path with, for each node on it, how many of its needs were followed.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        let mut on_path = HashSet::from([start]);
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if done.contains(&node) || *next >= needs[node].len() {
                done.insert(node);
                on_path.remove(&node);
                path.pop();
                continue;
            }
            let need = needs[node][*next];
            *next += 1;
            if on_path.contains(&need) {
                let from = path.iter().position(|(node, _)| *node == need).unwrap_or(0);
                let mut circle: Vec<usize> = path[from..].iter().map(|(node, _)| *node).collect();
                circle.push(need);
                return Some(circle);
            }
            if !done.contains(&need) {
                on_path.insert(need);
                path.push((need, 0));
            }
        }
    }
    None
}
