//! Where a job runs: the executor that it names, merged with what it says itself.

use sluice_source::{Entry, Kind, Node, Span, Style};

use crate::expander::Expander;
use crate::parameter::Call;
use crate::scope::{Element, ScopeId};
use crate::substitute::{Argument, Names};

/// The keys that say what kind of place a job runs in; one of them wins over all.
pub(crate) const PLACES: [&str; 4] = ["docker", "machine", "macos", "windows"];

impl Expander<'_> {
    /// The keys of the executor that `written` names, with values in place of its parameters.
    pub(crate) fn executor(&mut self, written: &Node, names: &Names<'_>) -> Option<Vec<Entry>> {
        let (reference, scope) = self.executor_reference(written, names)?;
        match &reference.kind {
            Kind::Scalar(scalar) => {
                let name = scalar.text.clone();
                self.call_executor(&name, &[], scope, names, reference.place())
            }
            Kind::Mapping(entries) => {
                let Some(name) = reference.get("name").cloned() else {
                    self.report.error(
                        "executor",
                        reference.place(),
                        "an executor with arguments needs a `name`",
                    );
                    return None;
                };
                let (name, scope) = match self.executor_reference(&name, &Names { scope, ..*names })? {
                    (named, scope) if named.as_scalar().is_some() => (named, scope),
                    (named, _) => {
                        self.report.error("executor", named.place(), "the `name` of an executor is a name");
                        return None;
                    }
                };
                let arguments: Vec<Entry> =
                    entries.iter().filter(|entry| entry.key.text() != Some("name")).cloned().collect();
                let text = name.text().unwrap_or_default().to_owned();
                self.call_executor(&text, &arguments, scope, names, name.place())
            }
            Kind::Sequence(_) => {
                self.report.error(
                    "executor",
                    reference.place(),
                    "an executor is a name, or a map with a `name`",
                );
                None
            }
        }
    }

    /// What names the executor, and the scope of whoever wrote the name.
    fn executor_reference(&mut self, written: &Node, names: &Names<'_>) -> Option<(Node, ScopeId)> {
        match self.whole_argument(written, names) {
            Some(Some(Argument::Executor(node, scope))) => Some((node, scope)),
            Some(Some(Argument::Value(node))) => Some((node, names.scope)),
            Some(Some(Argument::Steps(_))) => {
                self.report.error(
                    "executor",
                    written.place(),
                    "these are steps, where an executor is expected",
                );
                None
            }
            Some(_) => None,
            None if written.as_scalar().is_some() => Some((self.substitute(written, names)?, names.scope)),
            None => Some((written.clone(), names.scope)),
        }
    }

    fn call_executor(
        &mut self,
        name: &str,
        arguments: &[Entry],
        scope: ScopeId,
        names: &Names<'_>,
        place: Span,
    ) -> Option<Vec<Entry>> {
        let (definition, scope) = self.find(scope, Element::Executor, name, place)?;
        let definition = definition.value;
        let call =
            Call { element: Element::Executor, name, definition: &definition, scope, arguments, place };
        let bound = self.bind(&call, names)?;
        let inside = Names { scope, parameters: Some(&bound), matrix: None };
        let Some(entries) = definition.entries() else {
            let message = format!("the executor `{name}` is a map, and this is {}", definition.describe());
            self.report.error("executor", definition.place(), message);
            return None;
        };
        let mut keys = Vec::new();
        for entry in entries {
            if !matches!(entry.key.text(), Some("parameters" | "description")) {
                let value = self.substitute_value(entry, &inside)?;
                keys.push(Entry { key: entry.key.clone(), value });
            }
        }
        Some(keys)
    }
}

/// A job's own keys over those of its executor. Only `environment` adds up, and the job's value wins.
pub(crate) fn merge(executor: Vec<Entry>, job: Vec<Entry>) -> Vec<Entry> {
    let has = |entries: &[Entry], key: Option<&str>| entries.iter().any(|entry| entry.key.text() == key);
    let names_a_place = PLACES.iter().any(|place| has(&job, Some(place)));
    let mut merged = Vec::new();
    for entry in executor {
        let key = entry.key.text();
        let is_place = key.is_some_and(|key| PLACES.contains(&key));
        let is_overridden = has(&job, key) || (is_place && names_a_place);
        if key == Some("environment") {
            let own = job.iter().find(|own| own.key.text() == key);
            let own = own.map(|own| environment(&own.value)).unwrap_or_default();
            let mut all = environment(&entry.value);
            all.retain(|inherited| !has(&own, inherited.key.text()));
            all.extend(own);
            merged.push(Entry { value: as_list(all, entry.value.span), key: entry.key });
        } else if !is_overridden {
            merged.push(entry);
        }
    }
    let has_environment = has(&merged, Some("environment"));
    for entry in job {
        match entry.key.text() {
            Some("environment") if has_environment => {}
            Some("environment") if !entry.value.is_null() => {
                let span = entry.value.span;
                merged.push(Entry { value: as_list(environment(&entry.value), span), key: entry.key });
            }
            _ => merged.push(entry),
        }
    }
    merged
}

/// Variables out of a map, a list of maps, or a list of `NAME=value`.
pub(crate) fn environment(node: &Node) -> Vec<Entry> {
    match &node.kind {
        Kind::Mapping(entries) => entries.to_vec(),
        Kind::Sequence(items) => items.iter().flat_map(environment).collect(),
        Kind::Scalar(scalar) => match scalar.text.split_once('=') {
            Some((name, value)) => vec![Entry {
                key: Node::scalar(name, Style::Plain, node.span),
                value: Node::scalar(value, Style::DoubleQuoted, node.span),
            }],
            None => Vec::new(),
        },
    }
}

/// A job's environment as CircleCI compiles it: a list of maps with one key each.
fn as_list(variables: Vec<Entry>, span: Span) -> Node {
    let items = variables.into_iter().map(|entry| {
        let span = entry.key.span;
        Node::mapping(vec![entry], span)
    });
    Node::sequence(items.collect(), span)
}
