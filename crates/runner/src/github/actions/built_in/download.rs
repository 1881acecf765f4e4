use globset::{GlobBuilder, GlobMatcher};
use sluice_model::RunId;

use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs};
use crate::depot::Depot;

/// The first major version of the action that puts an artifact that is named by its id where `path` says, without a folder of
/// its own.
const FIRST_WITHOUT_FOLDER: u32 = 5;

/// `actions/download-artifact`: one by name, those with an id, else all or those that a pattern matches.
pub(super) async fn download(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let failed = |problem: String| format!("Unable to download artifact(s): {problem}");
    let (name, ids) = (inputs.get("name"), inputs.get("artifact-ids"));
    if name.is_some() && ids.is_some() {
        let problem = "Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.";
        return Err(failed(problem.to_owned()));
    }
    let depot = depot(steps, inputs).map_err(failed)?;
    let there = depot.artifacts().map_err(|error| failed(error.to_string()))?;
    let wanted: Vec<String> = match (name, ids, inputs.get("pattern")) {
        (Some(name), ..) if !there.iter().any(|known| known == name) => {
            return Err(failed(format!("Artifact not found for name: {name}")));
        }
        (Some(name), ..) => vec![name.to_owned()],
        (None, Some(ids), _) => by_id(&depot, &there, ids).map_err(failed)?,
        (None, None, Some(pattern)) => {
            let pattern = matcher(pattern)?;
            there.into_iter().filter(|name| pattern.is_match(name)).collect()
        }
        (None, None, None) => there,
    };
    let target = steps.home_or_workspace(inputs.get("path").unwrap_or_default());
    let is_one_by_id = ids.is_some()
        && wanted.len() == 1
        && inputs.major().is_none_or(|major| major >= FIRST_WITHOUT_FOLDER);
    let is_direct = name.is_some() || is_one_by_id || inputs.boolean("merge-multiple", false)?;
    for name in &wanted {
        let below = if is_direct { target.clone() } else { format!("{target}/{name}") };
        let fetched = depot.fetch_artifact(&steps.place.session, name, &below).await;
        fetched.map_err(|error| failed(error.to_string()))?;
    }
    let line = format!("Total of {} artifact(s) downloaded to {target}", wanted.len());
    steps.job.log.say(prepared.index, line).await;
    Ok(vec![("download-path".to_owned(), target)])
}

/// Of this run, or with a token of the one that is named. Artifacts of other repositories are at their forge.
fn depot(steps: &Steps<'_>, inputs: &Inputs<'_>) -> Result<Depot, String> {
    let (own, order) = (&steps.job.depot, steps.order());
    if inputs.get("github-token").is_none() {
        return Ok(own.clone());
    }
    let repository = inputs.get("repository").unwrap_or(order.trigger.repository.as_str());
    if !repository.eq_ignore_ascii_case(order.trigger.repository.as_str()) {
        return Err(format!(
            "the artifacts of `repository: {repository}` are not here: only those of {} are",
            order.trigger.repository
        ));
    }
    let Some(run) = inputs.get("run-id") else { return Ok(own.clone()) };
    let number = run.parse().map_err(|_| format!("`run-id: {run}` is not the number of a run"))?;
    Ok(own.of_run(RunId(number)))
}

fn by_id(depot: &Depot, there: &[String], ids: &str) -> Result<Vec<String>, String> {
    let mut wanted = Vec::new();
    for id in ids.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        let number: u64 =
            id.parse().map_err(|_| format!("Invalid artifact ID: '{id}'. Must be a number."))?;
        wanted.push(number);
    }
    if wanted.is_empty() {
        return Err("No valid artifact IDs provided in 'artifact-ids' input".to_owned());
    }
    let found: Vec<String> =
        there.iter().filter(|name| wanted.contains(&depot.artifact_id(name))).cloned().collect();
    if found.is_empty() { Err("None of the provided artifact IDs were found".to_owned()) } else { Ok(found) }
}

/// The action matches names with minimatch, of which this takes the same wildcards and braces.
pub(super) fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| format!("actions/download-artifact: `pattern: {pattern}`: {error}"))?;
    Ok(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::matcher;

    #[test]
    fn a_pattern_is_of_whole_names() {
        let pattern = matcher("{unit,e2e}-*").unwrap();
        assert!(pattern.is_match("unit-1") && pattern.is_match("e2e-a.b") && !pattern.is_match("a-unit-1"));
        assert!(matcher("a[").unwrap_err().contains("pattern: a["));
    }
}
