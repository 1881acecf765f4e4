//! Where names are looked up: the config itself, and each orb.

use std::collections::HashMap;

use sluice_source::{Diagnostic, Entry, Kind, MergeKeys, Node, Options, did_you_mean_text, load};

use crate::report::Report;

/// Orbs that import orbs, at most this deep.
const DEEPEST_ORB: usize = 10;
/// Orbs that one config can bring in, through however many others.
const MOST_ORBS: usize = 200;

/// An index into [`Scopes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ScopeId(usize);

impl ScopeId {
    /// The config itself. Every other scope is an orb.
    pub(crate) const ROOT: Self = Self(0);
}

/// The kinds of things that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Command,
    Executor,
    Job,
}

impl Element {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Executor => "executor",
            Self::Job => "job",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Scope {
    commands: HashMap<String, Entry>,
    executors: HashMap<String, Entry>,
    jobs: HashMap<String, Entry>,
    orbs: HashMap<String, Orb>,
}

#[derive(Debug, Clone)]
enum Orb {
    Here(ScopeId),
    /// CircleCI's registry has it. Reported once, where it is imported, and a reason not to run what needs it.
    Elsewhere(Box<Diagnostic>),
    /// Reported once, where it is imported. Whatever it would have defined is taken on trust.
    Missing,
    /// `{}`: orb-tools puts the orb under test in its place when it continues a pipeline.
    Placeholder,
}

/// What a name leads to.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// The definition, its key first, and the scope that the names inside of it belong to.
    Here(Entry, ScopeId),
    /// It belongs to an orb that only CircleCI's registry has, which has been reported by this.
    InOrbElsewhere(Box<Diagnostic>),
    /// It belongs to an orb that is not here, which has been reported.
    InMissingOrb,
    /// It belongs to an orb that nobody imports, or that is a placeholder; a suggestion where there is one.
    InUnknownOrb { orb: String, near: Option<String> },
    /// Nothing has this name.
    Nowhere,
}

#[derive(Debug, Default)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads the elements of a config and, by `files`, of the orbs that it imports. Orb references must be without
    /// `<< >>` already.
    pub(crate) fn read(
        config: &Node,
        is_reusable: bool,
        files: &dyn Fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> Self {
        let mut scopes = Self(Vec::new());
        scopes.add(config, is_reusable, 0, files, report);
        scopes
    }

    fn add(
        &mut self,
        node: &Node,
        is_reusable: bool,
        depth: usize,
        files: &dyn Fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> ScopeId {
        let id = ScopeId(self.0.len());
        let mut elements = |key: &str| match node.get(key) {
            Some(map) if is_reusable || key == "jobs" => elements(key, map, report),
            _ => HashMap::new(),
        };
        self.0.push(Scope {
            commands: elements("commands"),
            executors: elements("executors"),
            jobs: elements("jobs"),
            orbs: HashMap::new(),
        });
        if is_reusable && let Some(orbs) = node.get("orbs") {
            for (name, orb) in elements("orbs") {
                let found = self.orb(&name, &orb.value, depth, files, report);
                self.0[id.0].orbs.insert(name, found);
            }
            if orbs.entries().is_none() && !orbs.is_null() {
                report.error("orbs", orbs.place(), "`orbs` is a map of names to orb references");
            }
        }
        id
    }

    fn orb(
        &mut self,
        name: &str,
        node: &Node,
        depth: usize,
        files: &dyn Fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> Orb {
        if depth >= DEEPEST_ORB || self.0.len() > MOST_ORBS {
            let message = format!(
                "orbs import orbs deeper than {DEEPEST_ORB} levels, or more than {MOST_ORBS} of them"
            );
            report.error("too-many-orbs", node.place(), message);
            return Orb::Missing;
        }
        match &node.kind {
            Kind::Mapping(entries) if entries.is_empty() => Orb::Placeholder,
            Kind::Mapping(_) => Orb::Here(self.add(node, true, depth + 1, files, report)),
            Kind::Scalar(reference) if !node.is_null() => match orb_text(&reference.text, files) {
                Ok((path, text)) => self.local_copy(&path, &text, depth, files, report),
                Err(help) => {
                    let message = format!(
                        "the orb `{}` (as `{name}`) comes from CircleCI's registry, and is not here",
                        reference.text
                    );
                    let missing = report.new_error("orb-not-here", node.place(), message).with_help(help);
                    report.push_missing_orb(missing.clone());
                    Orb::Elsewhere(Box::new(missing))
                }
            },
            _ => {
                report.error(
                    "orbs",
                    node.place(),
                    format!(
                        "the orb `{name}` is neither a reference such as `circleci/node@5.2.0` nor a map"
                    ),
                );
                Orb::Missing
            }
        }
    }

    fn local_copy(
        &mut self,
        path: &str,
        text: &str,
        depth: usize,
        files: &dyn Fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> Orb {
        let file = u32::try_from(report.files.len()).unwrap_or(u32::MAX);
        report.files.push(path.to_owned());
        let options = Options { merge_keys: MergeKeys::Apply, file, ..Options::default() };
        let loaded = load(path, text, &options);
        let is_broken = loaded.diagnostics.iter().any(Diagnostic::is_error);
        for diagnostic in loaded.diagnostics {
            report.push(diagnostic);
        }
        match loaded.documents.first() {
            Some(orb) if !is_broken => Orb::Here(self.add(orb, true, depth + 1, files, report)),
            _ => Orb::Missing,
        }
    }

    /// Looks up `name`, or `orb/name`.
    pub(crate) fn find(&self, scope: ScopeId, element: Element, name: &str) -> Found {
        let Some(here) = self.0.get(scope.0) else { return Found::Nowhere };
        if let Some(entry) = here.elements(element).get(name) {
            return Found::Here(entry.clone(), scope);
        }
        let Some((orb, inner)) = name.split_once('/') else {
            return Found::Nowhere;
        };
        match here.orbs.get(orb) {
            Some(Orb::Missing) => Found::InMissingOrb,
            Some(Orb::Elsewhere(why)) => Found::InOrbElsewhere(why.clone()),
            Some(Orb::Placeholder) => Found::InUnknownOrb {
                orb: orb.to_owned(),
                near: Some(format!(
                    "`{orb}: {{}}` defines nothing: write the orb's reference, or its elements, in place of `{{}}`"
                )),
            },
            Some(Orb::Here(orb)) => self.find(*orb, element, inner),
            None => {
                let mut orbs: Vec<&str> = here.orbs.keys().map(String::as_str).collect();
                orbs.sort_unstable();
                Found::InUnknownOrb { orb: orb.to_owned(), near: did_you_mean_text(orb, orbs) }
            }
        }
    }

    /// The name that was meant, perhaps, where [`Scopes::find`] finds nothing.
    pub(crate) fn near(&self, scope: ScopeId, element: Element, name: &str) -> Option<String> {
        let here = self.0.get(scope.0)?;
        match name.split_once('/') {
            None => did_you_mean_text(name, sorted(here.elements(element))),
            Some((orb, inner)) => match here.orbs.get(orb)? {
                Orb::Here(orb) => self.near(*orb, element, inner),
                _ => None,
            },
        }
    }

    /// From now on, whatever the orb would have defined is taken on trust.
    pub(crate) fn trust(&mut self, scope: ScopeId, orb: &str) {
        if let Some(scope) = self.0.get_mut(scope.0) {
            scope.orbs.insert(orb.to_owned(), Orb::Missing);
        }
    }

    pub(crate) fn has_command(&self, scope: ScopeId, name: &str) -> bool {
        self.0.get(scope.0).is_some_and(|scope| scope.commands.contains_key(name))
    }
}

impl Scope {
    fn elements(&self, element: Element) -> &HashMap<String, Entry> {
        match element {
            Element::Command => &self.commands,
            Element::Executor => &self.executors,
            Element::Job => &self.jobs,
        }
    }
}

fn sorted(elements: &HashMap<String, Entry>) -> Vec<&str> {
    let mut names: Vec<&str> = elements.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn elements(key: &str, map: &Node, report: &mut Report) -> HashMap<String, Entry> {
    let Some(entries) = map.entries() else {
        if !map.is_null() {
            let message = format!("`{key}` is a map of names, and this is {}", map.describe());
            report.error("wrong-type", map.place(), message);
        }
        return HashMap::new();
    };
    entries.iter().filter_map(|entry| Some((entry.key.text()?.to_owned(), entry.clone()))).collect()
}

/// The text of an orb's local copy with its path; the error says what to do.
fn orb_text(reference: &str, files: &dyn Fn(&str) -> Option<String>) -> Result<(String, String), String> {
    let is_word = |word: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        !word.is_empty() && word.chars().all(allowed) && !word.starts_with('.')
    };
    let parts = reference.split_once('/').and_then(|(namespace, rest)| {
        let (name, version) = rest.split_once('@')?;
        [namespace, name, version].iter().all(|word| is_word(word)).then_some((namespace, name, version))
    });
    let Some((namespace, name, version)) = parts else {
        return Err("write the reference as `namespace/name@version`".to_owned());
    };
    let path = format!(".sluice/orbs/{namespace}/{name}@{version}.yml");
    match files(&path) {
        Some(text) => Ok((path, text)),
        None => Err(format!(
            "`sluice plan` and `sluice run` fetch it; elsewhere, put a copy of its source at `{path}`"
        )),
    }
}
