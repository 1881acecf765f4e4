//! One job of a workflow, many times with different arguments.

use std::collections::HashSet;

use sluice_source::{Entry, Node, did_you_mean_text};

use crate::expander::Expander;
use crate::logic::is_equal;
use crate::scalar::{Type, boolean};
use crate::substitute::Names;

/// CircleCI's own limit on one matrix.
const MOST_COMBINATIONS: usize = 128;

/// A value for each parameter, ordered by the parameters' names.
pub(crate) type Combination = Vec<(String, Node)>;

/// A matrix with everything excluded taken out.
pub(crate) struct Matrix {
    pub(crate) combinations: Vec<Combination>,
    /// The name that `requires` can use for all of its jobs; none: the job's.
    pub(crate) alias: Option<String>,
}

impl Expander<'_> {
    pub(crate) fn matrix(&mut self, node: &Node, names: &Names<'_>) -> Option<Matrix> {
        let node = self.substitute(node, names)?;
        let Some(parameters) = node.get("parameters").and_then(Node::entries) else {
            self.report.error("matrix", node.place(), "a `matrix` is a map with `parameters`");
            return None;
        };
        self.warn_unknown_matrix_keys(&node);
        let axes = self.axes(parameters)?;
        let excluded = self.excluded(&node, &axes)?;
        let count = axes.iter().fold(1, |count: usize, (_, values)| count.saturating_mul(values.len()));
        if count > MOST_COMBINATIONS {
            let message = format!("the matrix has {count} combinations, and {MOST_COMBINATIONS} are allowed");
            self.report.error("matrix", node.place(), message);
            return None;
        }
        let mut combinations = product(&axes);
        combinations.retain(|combination| !excluded.iter().any(|excluded| covers(excluded, combination)));
        let alias = node.get("alias").and_then(Node::text).map(str::to_owned);
        Some(Matrix { combinations, alias })
    }

    /// Each parameter with its values, ordered by name.
    fn axes(&mut self, parameters: &[Entry]) -> Option<Vec<(String, Vec<Node>)>> {
        let mut axes = Vec::new();
        for entry in parameters {
            let name = entry.key.text().unwrap_or_default();
            match entry.value.items() {
                Some(values) if !values.is_empty() => axes.push((name.to_owned(), values.to_vec())),
                _ => {
                    let message = format!("the values of `{name}` are a list with at least one item");
                    self.report.error("matrix", entry.value.place(), message);
                    return None;
                }
            }
        }
        axes.sort_by(|a, b| a.0.cmp(&b.0));
        Some(axes)
    }

    fn excluded<'n>(&mut self, node: &'n Node, axes: &[(String, Vec<Node>)]) -> Option<Vec<&'n [Entry]>> {
        let Some(exclude) = node.get("exclude").filter(|exclude| !exclude.is_null()) else {
            return Some(Vec::new());
        };
        let Some(items) = exclude.items() else {
            self.report.error("matrix", exclude.place(), "`exclude` is a list of maps");
            return None;
        };
        let known: HashSet<&str> = axes.iter().map(|(name, _)| name.as_str()).collect();
        let mut excluded = Vec::new();
        for item in items {
            let Some(entries) = item.entries() else {
                self.report.error("matrix", item.place(), "`exclude` is a list of maps");
                return None;
            };
            for entry in entries {
                let name = entry.key.text().unwrap_or_default();
                if !known.contains(name) {
                    let message = format!("the matrix has no parameter `{name}` to exclude by");
                    self.report.error("matrix", entry.key.place(), message);
                    return None;
                }
            }
            excluded.push(entries);
        }
        Some(excluded)
    }

    fn warn_unknown_matrix_keys(&mut self, node: &Node) {
        const KEYS: [&str; 3] = ["parameters", "exclude", "alias"];
        for entry in node.entries().unwrap_or_default() {
            let key = entry.key.text().unwrap_or_default();
            if !KEYS.contains(&key) {
                let near = did_you_mean_text(key, KEYS).map(|near| format!("; {near}")).unwrap_or_default();
                let message = format!("`{key}` is no key of a matrix, and does nothing{near}");
                self.report.warn("unknown-key", entry.key.place(), message);
            }
        }
    }
}

/// Every combination, the last parameter changing fastest.
fn product(axes: &[(String, Vec<Node>)]) -> Vec<Combination> {
    axes.iter().fold(vec![Vec::new()], |combinations, (name, values)| {
        combinations
            .iter()
            .flat_map(|combination| {
                values.iter().map(move |value| {
                    let mut longer = combination.clone();
                    longer.push((name.clone(), value.clone()));
                    longer
                })
            })
            .collect()
    })
}

fn covers(excluded: &[Entry], combination: &Combination) -> bool {
    excluded.iter().all(|entry| {
        combination
            .iter()
            .any(|(name, value)| entry.key.text() == Some(name) && is_equal(&entry.value, value))
    })
}

/// `-0.1-macos`: what tells the jobs of a matrix apart.
pub(crate) fn suffix(combination: &Combination) -> String {
    combination.iter().fold(String::new(), |suffix, (_, value)| format!("{suffix}-{}", shown(value)))
}

fn shown(value: &Node) -> String {
    match (value.text(), Type::of(value)) {
        (Some(text), Type::Boolean) => boolean(text).unwrap_or_default().to_string(),
        (Some(text), _) => text.to_owned(),
        // An executor with arguments.
        (None, _) => value.get("name").and_then(Node::text).unwrap_or_default().to_owned(),
    }
}
