//! `workflows:`: which jobs run, after which, and under which conditions.

use sluice_source::{Diagnostic, Entry, Kind, Node, Span, did_you_mean_text};

use crate::expander::{Expander, MOST_JOBS};
use crate::expression::{Operand, evaluate};
use crate::filter::{Filters, Rules};
use crate::flow::flow;
use crate::job::Invocation;
use crate::logic::is_truthy;
use crate::matrix::{Combination, suffix};
use crate::scalar::{Type, as_boolean, as_number};
use crate::scope::{Element, Found, ScopeId};
use crate::substitute::Names;
use crate::template::{has_template, only_value};

const WORKFLOW_KEYS: [&str; 6] = ["jobs", "when", "unless", "triggers", "max_auto_reruns", "version"];

/// Keys of a job in a workflow that are not arguments of the job.
const RESERVED: [&str; 10] = [
    "name",
    "requires",
    "context",
    "type",
    "filters",
    "matrix",
    "pre-steps",
    "post-steps",
    "serial-group",
    "override-with",
];

/// A workflow before its jobs have their final names.
pub(crate) struct DraftWorkflow {
    pub(crate) name: String,
    pub(crate) place: Span,
    /// Why it does not run with these pipeline values.
    pub(crate) off: Option<String>,
    pub(crate) triggers: Option<Node>,
    pub(crate) schedules: Vec<DraftSchedule>,
    pub(crate) max_auto_reruns: Option<AutoReruns>,
    pub(crate) jobs: Vec<DraftJob>,
}

/// `max_auto_reruns` of a workflow, as written and as understood.
#[derive(Clone)]
pub(crate) struct AutoReruns {
    pub(crate) entry: Entry,
    pub(crate) most: u32,
}

pub(crate) struct DraftSchedule {
    pub(crate) cron: String,
    pub(crate) branches: Rules,
    pub(crate) place: Span,
}

/// A job of a workflow. Jobs of one matrix are jobs of their own.
pub(crate) struct DraftJob {
    /// As the workflow names it; several may have one name until [`crate::names`] tells them apart.
    pub(crate) name: String,
    /// The name for all jobs of its matrix.
    pub(crate) alias: Option<String>,
    pub(crate) place: Span,
    pub(crate) work: DraftWork,
    pub(crate) requires: Vec<DraftRequirement>,
    pub(crate) filters: Filters,
    /// As written, for the compiled config.
    pub(crate) filters_node: Option<Node>,
    pub(crate) contexts: Option<Node>,
    pub(crate) serial_group: Option<Node>,
}

pub(crate) enum DraftWork {
    /// A job with steps, or with a `type` of its own, as compiled.
    Job(Node),
    /// `type: approval` in the workflow: there is no job behind it.
    Approval(Node),
    /// It needs an orb that only CircleCI's registry has.
    Refused(Box<Diagnostic>),
    /// From an orb that is broken: reported, and its name is still good for `requires`.
    Unknown,
}

pub(crate) struct DraftRequirement {
    pub(crate) name: String,
    /// As written: a status, or a list of them. None: success.
    pub(crate) statuses: Option<Node>,
    pub(crate) place: Span,
}

impl Expander<'_> {
    pub(crate) fn workflow(&mut self, entry: &Entry) -> Option<DraftWorkflow> {
        let name = entry.key.text().unwrap_or_default().to_owned();
        let Some(entries) = entry.value.entries() else {
            let message = format!("the workflow `{name}` is a map, and this is {}", entry.value.describe());
            self.report.error("workflow", entry.value.place(), message);
            return None;
        };
        self.warn_unknown_workflow_keys(entries);
        let off = self.off_reason(&entry.value);
        // What these values switch off is looked at all the same, for whoever switches it on.
        self.report.is_dormant = off.is_some();
        let draft = self.draft(name, entry, off);
        self.report.is_dormant = false;
        draft
    }

    fn draft(&mut self, name: String, entry: &Entry, off: Option<String>) -> Option<DraftWorkflow> {
        let names = Names::outside(ScopeId::ROOT);
        let triggers = match entry.value.get("triggers") {
            Some(triggers) if !triggers.is_null() => Some(self.substitute(triggers, &names)?),
            _ => None,
        };
        let schedules = triggers.as_ref().map(|triggers| self.schedules(triggers)).unwrap_or_default();
        let mut jobs = Vec::new();
        match entry.value.get("jobs").map(|jobs| (jobs, jobs.items())) {
            Some((_, Some(items))) => {
                for item in items {
                    self.workflow_job(item, &mut jobs);
                }
            }
            Some((jobs, None)) => {
                let message = format!("`jobs` of a workflow is a list, and this is {}", jobs.describe());
                self.report.error("workflow", jobs.place(), message);
            }
            None => {
                let message = format!("the workflow `{name}` has no `jobs`");
                self.report.error("workflow", entry.key.place(), message);
            }
        }
        Some(DraftWorkflow {
            name,
            place: entry.key.place(),
            off,
            triggers,
            schedules,
            max_auto_reruns: entry
                .value
                .entry("max_auto_reruns")
                .and_then(|entry| self.max_auto_reruns(entry)),
            jobs,
        })
    }

    /// CircleCI, "Automatic reruns": 1 to 5 times.
    fn max_auto_reruns(&mut self, entry: &Entry) -> Option<AutoReruns> {
        let value = self.substitute(&entry.value, &Names::outside(ScopeId::ROOT))?;
        if value.is_null() {
            return None;
        }
        let seen = value.text().map_or_else(|| value.describe().to_string(), |text| format!("`{text}`"));
        let number = value.text().and_then(|text| text.parse().ok()).filter(|most| (1..=5).contains(most));
        let Some(most) = number else {
            let message = format!("`max_auto_reruns` is a number from 1 to 5, and this is {seen}");
            self.report.error("max-auto-reruns", entry.value.place(), message);
            return None;
        };
        Some(AutoReruns { entry: Entry { key: entry.key.clone(), value }, most })
    }

    fn warn_unknown_workflow_keys(&mut self, entries: &[Entry]) {
        for entry in entries {
            let key = entry.key.text().unwrap_or_default();
            if !WORKFLOW_KEYS.contains(&key) {
                let near =
                    did_you_mean_text(key, WORKFLOW_KEYS).map(|near| format!("; {near}")).unwrap_or_default();
                let message = format!("`{key}` is no key of a workflow, and does nothing{near}");
                self.report.warn("unknown-key", entry.key.place(), message);
            }
        }
    }

    /// Why `when` or `unless` keeps the workflow from running.
    fn off_reason(&mut self, workflow: &Node) -> Option<String> {
        for (key, runs_if) in [("when", true), ("unless", false)] {
            let Some(condition) = workflow.get(key).filter(|_| self.is_reusable) else { continue };
            // An error is reported, and the workflow taken to be on, so that the rest of it is read too.
            if self.condition(condition).is_some_and(|holds| holds != runs_if) {
                let verdict = if runs_if { "does not hold" } else { "holds" };
                let names = Names::outside(ScopeId::ROOT);
                let decided = self.substitute(condition, &names).filter(|_| has_any_template(condition));
                let decided = decided.map(|node| format!(" (`{}`)", flow(&node))).unwrap_or_default();
                return Some(format!("`{key}: {}` {verdict}{decided}", flow(condition)));
            }
        }
        None
    }

    /// A logic statement, a value, or a one-line condition.
    fn condition(&mut self, condition: &Node) -> Option<bool> {
        let is_value = condition.text().is_some_and(|text| only_value(text).is_some());
        let value = self.substitute(condition, &Names::outside(ScopeId::ROOT))?;
        match value.text() {
            Some(text) if Type::of(&value) == Type::String && !is_value => {
                let text = text.to_owned();
                self.expression(&text, condition.place())
            }
            _ => self.holds(&value),
        }
    }

    fn expression(&mut self, text: &str, place: Span) -> Option<bool> {
        let lookup = |name: &str| {
            let name = name.strip_prefix("pipeline.")?;
            match name.strip_prefix("parameters.") {
                Some(parameter) => self.pipeline_parameters.get(parameter)?.as_ref().map(operand),
                None => self.values.get(name).map(Operand::from),
            }
        };
        match evaluate(text, &lookup) {
            Ok(holds) => Some(holds),
            Err(error) => {
                let message = format!("`{}` cannot be decided: {}", text.trim(), error.message);
                self.report.error("condition", place, message);
                None
            }
        }
    }

    fn schedules(&mut self, triggers: &Node) -> Vec<DraftSchedule> {
        let mut schedules = Vec::new();
        for trigger in triggers.items().unwrap_or_default() {
            let Some(schedule) = trigger.get("schedule") else {
                self.report.error("trigger", trigger.place(), "a trigger is a map with `schedule`");
                continue;
            };
            let Some(cron) = schedule.get("cron").and_then(Node::text) else {
                self.report.error("trigger", schedule.place(), "a `schedule` needs a `cron`");
                continue;
            };
            let branches = schedule.get("filters").and_then(|filters| filters.get("branches"));
            let branches = branches.map(|branches| self.rules(branches)).unwrap_or_default();
            schedules.push(DraftSchedule { cron: cron.to_owned(), branches, place: schedule.place() });
        }
        schedules
    }

    /// One entry under `jobs`: one job, or those of its matrix.
    fn workflow_job(&mut self, item: &Node, into: &mut Vec<DraftJob>) {
        let (key, body) = match &item.kind {
            Kind::Scalar(_) => (item.clone(), None),
            Kind::Mapping(entries) if entries.len() == 1 => {
                (entries[0].key.clone(), Some(entries[0].value.clone()))
            }
            _ => {
                let error = self
                    .report
                    .new_error(
                        "workflow",
                        item.place(),
                        "a job of a workflow is a name, or a map with one key",
                    )
                    .with_help("indent what belongs to the job below its name");
                self.report.push(error);
                return;
            }
        };
        let outside = Names::outside(ScopeId::ROOT);
        let Some(key) = self.substitute(&key, &outside) else { return };
        let body = body.filter(|body| !body.is_null());
        let entries = match body.as_ref().map(|body| (body, body.entries())) {
            None => &[],
            Some((_, Some(entries))) => entries,
            Some((body, None)) => {
                let message =
                    format!("what a workflow says of a job is a map, and this is {}", body.describe());
                self.report.error("workflow", body.place(), message);
                return;
            }
        };
        let matrix = entries.iter().find(|entry| entry.key.text() == Some("matrix") && self.is_reusable);
        let Some(matrix) = matrix else {
            self.draft_job(&key, entries, None, into);
            return;
        };
        let Some(matrix) = self.matrix(&matrix.value, &outside) else { return };
        let alias = matrix.alias.or_else(|| key.text().map(str::to_owned));
        for combination in &matrix.combinations {
            if self.is_exhausted() {
                return;
            }
            self.draft_job(&key, entries, Some((alias.clone(), combination)), into);
        }
    }

    fn draft_job(
        &mut self,
        key: &Node,
        entries: &[Entry],
        matrix: Option<(Option<String>, &Combination)>,
        into: &mut Vec<DraftJob>,
    ) {
        self.jobs += 1;
        if self.jobs > MOST_JOBS {
            let message = format!("the workflows of this config have more than {MOST_JOBS} jobs");
            self.report.error("too-large", key.place(), message);
            return;
        }
        let (alias, combination) = matrix.unzip();
        let names =
            Names { scope: ScopeId::ROOT, parameters: None, matrix: combination.map(|c| c.as_slice()) };
        let mut value = |name: &str| {
            let entry = entries.iter().find(|entry| entry.key.text() == Some(name))?;
            self.substitute(&entry.value, &names).filter(|value| !value.is_null())
        };
        let (explicit, kind) = (value("name"), value("type"));
        let (filters, requires) = (value("filters"), value("requires"));
        let (contexts, serial_group) = (value("context"), value("serial-group"));
        let reference = key.text().unwrap_or_default();
        let name = match explicit.as_ref().and_then(Node::text) {
            Some(name) => name.to_owned(),
            None => format!("{reference}{}", combination.map(suffix).unwrap_or_default()),
        };
        let work = match kind {
            Some(kind) if kind.text() == Some("approval") => DraftWork::Approval(kind),
            _ => {
                self.needs_orb = None;
                let work = self.job_work(reference, key, entries, &names);
                self.needs_orb.take().map_or(work, DraftWork::Refused)
            }
        };
        if let Some(group) = &serial_group {
            self.check_serial_group(group);
        }
        into.push(DraftJob {
            name,
            alias: alias.flatten(),
            place: key.place(),
            work,
            requires: requires.map(|requires| self.requirements(&requires)).unwrap_or_default(),
            filters: filters.as_ref().map(|filters| self.filters(filters)).unwrap_or_default(),
            filters_node: filters,
            contexts,
            serial_group,
        });
    }

    fn job_work(&mut self, reference: &str, key: &Node, entries: &[Entry], names: &Names<'_>) -> DraftWork {
        let field =
            |name: &str| entries.iter().find(|e| e.key.text() == Some(name)).map(|entry| &entry.value);
        let overridden = field("override-with").and_then(Node::text);
        // An orb that does not define the job leaves the local one in place.
        let overriding = overridden.filter(|other| {
            let found = self.scopes.find(ScopeId::ROOT, Element::Job, other);
            !matches!(found, Found::Nowhere)
        });
        let found = self.find(ScopeId::ROOT, Element::Job, overriding.unwrap_or(reference), key.place());
        let mut arguments: Vec<Entry> = entries
            .iter()
            .filter(|e| e.key.text().is_none_or(|key| !RESERVED.contains(&key)))
            .cloned()
            .collect();
        for (name, value) in names.matrix.unwrap_or_default() {
            let key = Node::scalar(name.as_str(), sluice_source::Style::Plain, value.place());
            arguments.push(Entry { key, value: value.clone() });
        }
        let Some((definition, scope)) = found else {
            for argument in &arguments {
                self.substitute(&argument.value, names);
            }
            return DraftWork::Unknown;
        };
        let definition = definition.value;
        let invocation = Invocation {
            name: reference,
            definition: &definition,
            scope,
            arguments: &arguments,
            pre_steps: field("pre-steps").filter(|_| self.is_reusable),
            post_steps: field("post-steps").filter(|_| self.is_reusable),
            place: key.place(),
        };
        self.compile_job(&invocation, names).map_or(DraftWork::Unknown, DraftWork::Job)
    }

    fn requirements(&mut self, node: &Node) -> Vec<DraftRequirement> {
        let items = match &node.kind {
            Kind::Sequence(items) => items.to_vec(),
            _ => vec![node.clone()],
        };
        let mut requirements = Vec::new();
        for item in &items {
            match &item.kind {
                Kind::Scalar(scalar) => requirements.push(DraftRequirement {
                    name: scalar.text.to_string(),
                    statuses: None,
                    place: item.place(),
                }),
                Kind::Mapping(entries) => {
                    for entry in entries.iter() {
                        requirements.push(DraftRequirement {
                            name: entry.key.text().unwrap_or_default().to_owned(),
                            statuses: Some(entry.value.clone()),
                            place: entry.key.place(),
                        });
                    }
                }
                Kind::Sequence(_) => {
                    let message =
                        "a requirement is a job's name, or a map of it to the statuses that will do";
                    self.report.error("requires", item.place(), message);
                }
            }
        }
        requirements
    }

    fn filters(&mut self, node: &Node) -> Filters {
        if let Some(text) = node.text() {
            let (text, place) = (text.to_owned(), node.place());
            // An error is reported, and a job that is wrongly run is worse than one that is not.
            let holds = self.expression(&text, place).unwrap_or(false);
            return Filters::Decided {
                holds,
                written: text.split_whitespace().collect::<Vec<_>>().join(" "),
            };
        }
        let mut rules = |key: &str| node.get(key).map(|rules| self.rules(rules)).unwrap_or_default();
        Filters::Names { branches: rules("branches"), tags: rules("tags") }
    }

    fn rules(&mut self, node: &Node) -> Rules {
        Rules::read(node, &mut self.patterns).unwrap_or_else(|(node, message)| {
            self.report.error("filter", node.place(), message);
            Rules::default()
        })
    }

    /// At most 512 characters of letters, digits, `.`, `-`, `_` and `/`.
    fn check_serial_group(&mut self, group: &Node) {
        let text = group.text().unwrap_or_default();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        if text.is_empty() || text.len() > 512 || !text.chars().all(is_allowed) {
            let message =
                "a `serial-group` is 1 to 512 characters out of letters, digits, `.`, `-`, `_` and `/`";
            self.report.error("serial-group", group.place(), message);
        }
    }
}

fn operand(node: &Node) -> Operand {
    match Type::of(node) {
        Type::Boolean => Operand::Flag(as_boolean(node).unwrap_or_else(|| is_truthy(node))),
        Type::Integer | Type::Float => as_number(node).map_or(Operand::Null, Operand::Number),
        Type::Null => Operand::Null,
        _ => Operand::Text(node.text().unwrap_or_default().to_owned()),
    }
}

fn has_any_template(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(scalar) => has_template(&scalar.text),
        Kind::Sequence(items) => items.iter().any(has_any_template),
        Kind::Mapping(entries) => entries.iter().any(|entry| has_any_template(&entry.value)),
    }
}
