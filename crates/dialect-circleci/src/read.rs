use sluice_source::{Diagnostic, Entry, MergeKeys, Node, Options, Style, did_you_mean_text, load};

use crate::config::Config;
use crate::expander::Expander;
use crate::names::settle;
use crate::report::Report;
use crate::scalar::as_boolean;
use crate::scope::{Element, Found, ScopeId, Scopes};
use crate::substitute::Names;
use crate::values::PipelineValues;
use crate::workflow::DraftWorkflow;

/// Keys at the top of a config. Any other is tolerated: `defaults: &defaults` is a habit.
const KEYS: [&str; 8] =
    ["version", "setup", "orbs", "commands", "parameters", "executors", "jobs", "workflows"];

/// A config, or why there is none.
pub struct Read {
    /// None when anything is an error but for `missing_orbs`: jobs that need those are refused by them.
    pub config: Option<Config>,
    pub diagnostics: Vec<Diagnostic>,
    /// Those of `diagnostics` that are about an orb which only CircleCI's registry has.
    pub missing_orbs: Vec<Diagnostic>,
}

impl Read {
    fn nothing(report: Report) -> Self {
        Self { config: None, diagnostics: report.diagnostics, missing_orbs: report.missing_orbs }
    }
}

/// Reads a CircleCI config, version 2 or 2.1, as CircleCI does before it runs anything.
///
/// `path` is the file's, relative to the repository's root. `files` gives the text of a file of the repository, for
/// local copies of registry orbs (`.sluice/orbs/<namespace>/<name>@<version>.yml`). `values` are what `<< pipeline.… >>`
/// stands for: everything that they decide is decided here.
pub fn read(path: &str, text: &str, files: &dyn Fn(&str) -> Option<String>, values: &PipelineValues) -> Read {
    let mut report = Report { files: vec![path.to_owned()], ..Report::default() };
    let options = Options { merge_keys: MergeKeys::Apply, ..Options::default() };
    let loaded = load(path, text, &options);
    for diagnostic in loaded.diagnostics {
        report.push(diagnostic);
    }
    let Some(document) = loaded.documents.into_iter().next() else {
        if !report.has_errors() {
            report.error("empty", Default::default(), "the config is empty");
        }
        return Read::nothing(report);
    };
    let Some(is_reusable) = version(&document, &mut report) else {
        return Read::nothing(report);
    };
    let mut expander = Expander::new(values, report, is_reusable);
    let drafts = expander.document(&document, files);
    let mut report = expander.report;
    let workflows = settle(drafts, &mut report);
    if report.has_errors() {
        return Read::nothing(report);
    }
    let is_setup = document.get("setup").is_some_and(|setup| as_boolean(setup) == Some(true));
    let config = Config { files: report.files, is_setup, workflows };
    Read { config: Some(config), diagnostics: report.diagnostics, missing_orbs: report.missing_orbs }
}

/// Whether the config is of version 2.1, where things can be reused; none when it is of none that is known.
fn version(document: &Node, report: &mut Report) -> Option<bool> {
    if document.entries().is_none() {
        let message = format!("a config is a map, and this is {}", document.describe());
        report.error("wrong-type", document.place(), message);
        return None;
    }
    let Some(version) = document.get("version") else {
        let error = report
            .new_error("version", document.place(), "the config has no `version`")
            .with_help("write `version: 2.1` at its top");
        report.push(error);
        return None;
    };
    match version.text() {
        Some("2.1") => Some(true),
        Some("2" | "2.0") => Some(false),
        other => {
            let message = format!(
                "version {} of the config is not known",
                other.map_or("…".into(), |v| format!("`{v}`"))
            );
            let error = report
                .new_error("version", version.place(), message)
                .with_help("write `version: 2.1`, or 2 or 2.0");
            report.push(error);
            None
        }
    }
}

impl Expander<'_> {
    fn document(&mut self, document: &Node, files: &dyn Fn(&str) -> Option<String>) -> Vec<DraftWorkflow> {
        self.warn_misspelt_keys(document.entries().unwrap_or_default());
        if self.is_reusable {
            self.bind_pipeline_parameters(document);
        }
        let document = &self.with_orb_references(document);
        self.scopes = Scopes::read(document, self.is_reusable, files, &mut self.report);
        if let Some(setup) = document.entry("setup").filter(|setup| as_boolean(&setup.value) == Some(true)) {
            let message =
                "Sluice runs the jobs of a setup config, and not the config that they continue with";
            self.report.warn("not-supported", setup.key.place(), message);
        }
        let workflows: Vec<Entry> = match document.get("workflows").map(|node| (node, node.entries())) {
            Some((_, Some(entries))) => {
                entries.iter().filter(|entry| entry.key.text() != Some("version")).cloned().collect()
            }
            Some((node, None)) if !node.is_null() => {
                let message = format!("`workflows` is a map, and this is {}", node.describe());
                self.report.error("workflow", node.place(), message);
                return Vec::new();
            }
            _ => Vec::new(),
        };
        if workflows.is_empty() {
            return self.default_workflow(document).into_iter().collect();
        }
        workflows.iter().filter_map(|entry| self.workflow(entry)).collect()
    }

    /// The document with values in place of `<< >>` in its orb references. The bodies of inline orbs are their own.
    fn with_orb_references(&mut self, document: &Node) -> Node {
        let Some(orbs) = document.get("orbs").and_then(Node::entries) else { return document.clone() };
        let names = Names::outside(ScopeId::ROOT);
        let mut replaced = Vec::new();
        for entry in orbs {
            let value = match entry.value.as_scalar() {
                Some(_) => self.substitute(&entry.value, &names),
                None => Some(entry.value.clone()),
            };
            replaced.extend(value.map(|value| Entry { key: entry.key.clone(), value }));
        }
        let with_orbs = |entry: &Entry| match entry.key.text() {
            Some("orbs") => {
                Entry { key: entry.key.clone(), value: Node::mapping(replaced.clone(), entry.value.span) }
            }
            _ => entry.clone(),
        };
        let entries = document.entries().unwrap_or_default().iter().map(with_orbs).collect();
        Node::mapping(entries, document.span)
    }

    /// Without workflows, the job `build` is a workflow of its own, named `workflow`.
    fn default_workflow(&mut self, document: &Node) -> Option<DraftWorkflow> {
        let Found::Here(build, _) = self.scopes.find(ScopeId::ROOT, Element::Job, "build") else {
            // CircleCI's own words. It is no error here, for nothing wrong can come of it.
            let message = "There are no workflows or build jobs in the config, so that nothing runs";
            self.report.warn("no-workflows", document.place(), message);
            return None;
        };
        let place = build.key.place();
        let plain = |text: &str| Node::scalar(text, Style::Plain, place);
        let jobs = Node::sequence(vec![build.key.clone()], place);
        let body = Node::mapping(vec![Entry { key: plain("jobs"), value: jobs }], place);
        self.workflow(&Entry { key: plain("workflow"), value: body })
    }

    /// Only what looks like a known key: `workflow:` for `workflows:`.
    fn warn_misspelt_keys(&mut self, entries: &[Entry]) {
        for entry in entries {
            let key = entry.key.text().unwrap_or_default();
            let has_known = |known: &str| entries.iter().any(|entry| entry.key.text() == Some(known));
            if KEYS.contains(&key) || entry.value.anchor.is_some() {
                continue;
            }
            if let Some(near) = did_you_mean_text(key, KEYS.into_iter().filter(|known| !has_known(known))) {
                let message = format!("`{key}` means nothing at the top of a config; {near}");
                self.report.warn("unknown-key", entry.key.place(), message);
            }
        }
    }
}
