use super::super::super::steps::{Prepared, Steps};
use super::download::matcher;
use super::upload::{NoFiles, check_name, check_numbers, no_files, outputs};
use super::{Inputs, Outputs};

/// `actions/upload-artifact/merge`: the files of several artifacts as one more.
pub(super) async fn merge(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let name = inputs.get("name").unwrap_or("merged-artifacts");
    let pattern = inputs.get("pattern").unwrap_or("*");
    let if_none = no_files(inputs, "error")?;
    check_numbers(inputs)?;
    check_name(name)?;
    let (is_apart, deletes) =
        (inputs.boolean("separate-directories", false)?, inputs.boolean("delete-merged", false)?);
    let (depot, matcher) = (steps.job.depot.clone(), matcher(pattern)?);
    let mut merged = depot.artifacts().map_err(|error| error.to_string())?;
    merged.retain(|name| matcher.is_match(name));
    if merged.is_empty() {
        let problem = format!("No artifacts were found with the provided pattern: {pattern}.");
        match if_none {
            NoFiles::Fail => return Err(problem),
            NoFiles::Ignore => steps.job.log.say(prepared.index, problem).await,
            NoFiles::Warn => steps.warn(prepared.index, &problem).await,
        }
        return Ok(Vec::new());
    }
    let (target, count) = (name.to_owned(), merged.len());
    let stored = tokio::task::spawn_blocking(move || {
        let stored = depot.store_merged_artifact(&target, &merged, is_apart)?;
        for one in merged.iter().filter(|_| deletes) {
            depot.remove_artifact(one)?;
        }
        Ok::<_, crate::depot::DepotError>(stored)
    });
    let stored = stored.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    steps.job.log.artifact_stored(name, stored.files, stored.size_bytes).await;
    let line = format!("The {count} artifact(s) have been successfully merged!");
    steps.job.log.say(prepared.index, line).await;
    if deletes {
        steps.job.log.say(prepared.index, format!("The {count} artifact(s) have been deleted")).await;
    }
    outputs(steps, prepared, name)
}
