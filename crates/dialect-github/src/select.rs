use sluice_model::Trigger;

use crate::filter::is_selected;
use crate::trigger::{EventFilter, Patterns};
use crate::workflow::Workflow;

/// Whether a workflow runs for a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    Selected,
    /// ``on: push has `branches: [main]`, which does not match `feature/x` ``
    NotSelected {
        reason: String,
    },
}

/// The activity types for which an event starts a workflow that names none (GitHub, "Events that trigger workflows").
const PULL_REQUEST_TYPES: [&str; 3] = ["opened", "synchronize", "reopened"];

impl Workflow {
    /// Decides as GitHub does by event, activity type, branch, tag and changed paths.
    pub fn select(&self, trigger: &Trigger) -> Selection {
        let name = trigger.event.as_str();
        let Some(event) = self.event(name) else {
            let named: Vec<&str> = self.events.iter().map(|event| event.name.as_str()).collect();
            return not_selected(format!("`on: [{}]` does not name `{name}`", named.join(", ")));
        };
        let refused = check_type(event, trigger)
            .or_else(|| check_ref(event, trigger))
            .or_else(|| check_paths(event, trigger));
        refused.map_or(Selection::Selected, not_selected)
    }
}

fn not_selected(reason: String) -> Selection {
    Selection::NotSelected { reason }
}

/// Why the activity type is not one that the workflow waits for.
fn check_type(event: &EventFilter, trigger: &Trigger) -> Option<String> {
    let is_pull_request = matches!(event.name.as_str(), "pull_request" | "pull_request_target");
    let defaults: &[&str] = if is_pull_request { &PULL_REQUEST_TYPES } else { &[] };
    let wanted: Vec<&str> = match &event.types {
        Some(types) => types.iter().map(String::as_str).collect(),
        None => defaults.to_vec(),
    };
    if wanted.is_empty() {
        return None;
    }
    match trigger.action.as_deref() {
        Some(action) if wanted.contains(&action) => None,
        Some(action) => Some(format!("`types: [{}]` does not match `{action}`", wanted.join(", "))),
        // A pull request without a type is a new or changed one.
        None if is_pull_request && !PULL_REQUEST_TYPES.iter().any(|kind| wanted.contains(kind)) => {
            Some(format!("`types: [{}]` does not match a new or changed pull request", wanted.join(", ")))
        }
        None => None,
    }
}

/// Why the branch or the tag is filtered out. A pull request is filtered by the branch that it would enter.
fn check_ref(event: &EventFilter, trigger: &Trigger) -> Option<String> {
    if event.name != "push" {
        let base = trigger.base_ref.as_deref().map(short_name).or_else(|| trigger.branch());
        return event.branches.as_ref().and_then(|branches| unmatched(branches, base?));
    }
    match (trigger.branch(), trigger.tag()) {
        (Some(branch), _) => match (&event.branches, &event.tags) {
            (Some(branches), _) => unmatched(branches, branch),
            (None, Some(tags)) => {
                Some(format!("`{}` takes tags only, and `{branch}` is a branch", tags.describe()))
            }
            (None, None) => None,
        },
        (None, Some(tag)) => match (&event.tags, &event.branches) {
            (Some(tags), _) => unmatched(tags, tag),
            (None, Some(branches)) => {
                Some(format!("`{}` takes branches only, and `{tag}` is a tag", branches.describe()))
            }
            (None, None) => None,
        },
        (None, None) => None,
    }
}

fn short_name(git_ref: &str) -> &str {
    git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref)
}

fn unmatched(patterns: &Patterns, name: &str) -> Option<String> {
    let is_in = is_selected(&patterns.patterns, name);
    match (patterns.ignores, is_in) {
        (false, false) => Some(format!("`{}` does not match `{name}`", patterns.describe())),
        (true, true) => Some(format!("`{}` matches `{name}`", patterns.describe())),
        _ => None,
    }
}

/// Why the changed paths are filtered out. GitHub does not look at them for a tag, and runs when it does not know them.
fn check_paths(event: &EventFilter, trigger: &Trigger) -> Option<String> {
    let paths = event.paths.as_ref()?;
    let changed = trigger.changed_paths.as_deref()?;
    if trigger.tag().is_some() {
        return None;
    }
    let mut verdicts = changed.iter().map(|path| is_selected(&paths.patterns, path));
    if paths.ignores {
        let all_ignored = !changed.is_empty() && verdicts.all(|ignored| ignored);
        return all_ignored.then(|| format!("`{}` matches every changed path", paths.describe()));
    }
    if verdicts.any(|selected| selected) {
        return None;
    }
    let seen = match changed {
        [] => "no path changed".to_owned(),
        [only] => format!("only `{only}` changed"),
        [first, rest @ ..] => format!("`{first}` and {} more changed", rest.len()),
    };
    Some(format!("`{}` matches no changed path ({seen})", paths.describe()))
}
