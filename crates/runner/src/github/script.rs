use sluice_plan::RunScript;

use super::contexts::overlay;
use super::process::{self, CommandFiles};
use super::scope::{Finished, Scope};
use super::shell::Shell;
use super::steps::{Prepared, Steps};
use crate::session::Launch;

/// A `run` step.
pub(super) async fn run(
    steps: &Steps<'_>,
    scope: &Scope,
    prepared: &Prepared<'_>,
    script: &RunScript,
) -> Result<Finished, String> {
    let contexts = &prepared.contexts;
    let text = contexts.text(&script.script)?;
    // The defaults of job and workflow are for the job's own steps.
    let defaults = [&steps.job.work.defaults, &steps.order().workflow_defaults];
    let mut defaults = defaults.iter().filter(|_| scope.caller.is_none());
    let of_defaults = defaults.clone().find_map(|defaults| defaults.shell.as_ref());
    let shell = contexts.optional_text(script.shell.as_ref().or(of_defaults))?;
    let of_defaults = defaults.find_map(|defaults| defaults.working_directory.as_ref());
    let folder = contexts.optional_text(script.working_directory.as_ref().or(of_defaults))?;
    let folder = folder.unwrap_or_default();
    let shell = shell.as_deref().map_or_else(|| Ok(steps.default_shell.clone()), Shell::of)?;

    let place = steps.place;
    let files = CommandFiles::new(place, prepared.serial);
    let dot = if shell.extension.is_empty() { "" } else { "." };
    let path = place.layout.temp.inside(&format!("step-{}{dot}{}", prepared.serial, shell.extension));
    steps.job.log.say(prepared.index, header(&text, &shell, prepared)).await;

    let mut env = prepared.env.clone();
    overlay(&mut env, files.variables());
    let mut to_write = vec![(path.clone(), shell.content(&text))];
    to_write.extend(files.all().map(|path| (path.to_owned(), String::new())));
    let mut argv = shell.argv(&path);
    // A PATH of the author's own is the script's, and not where its shell is looked for.
    if prepared.contexts.env_pairs().iter().any(|(name, _)| name == "PATH")
        && let Some(program) = argv.first_mut().filter(|program| !program.contains('/'))
        && let Some(found) = place.find_program(program).await.map_err(|error| error.to_string())?
    {
        *program = found;
    }
    let launch = Launch {
        argv,
        env,
        directory: place.layout.workspace.resolve(&folder),
        files: to_write,
        collect: files.collected(),
    };
    // State is for the post step of an action; a script has none.
    Ok(process::run(steps, launch, prepared).await?.0)
}

/// What GitHub shows above a step's output.
fn header(script: &str, shell: &Shell, prepared: &Prepared<'_>) -> String {
    let lines: Vec<&str> = script.trim_end().lines().collect();
    let mut header = format!("##[group]Run {}\n", lines.first().copied().unwrap_or_default());
    for line in &lines {
        header.push_str(line);
        header.push('\n');
    }
    header.push_str(&format!("shell: {}\n", shell.shown()));
    let env = prepared.contexts.env_pairs();
    if !env.is_empty() {
        header.push_str("env:\n");
        for (name, value) in env {
            header.push_str(&format!("  {name}: {value}\n"));
        }
    }
    header.push_str("##[endgroup]");
    header
}
