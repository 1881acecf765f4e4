use sluice_wire::Level;

use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs, is_missing};
use crate::depot::{Depot, Stored, zip_folder};
use crate::github::hash_files::{hash_of, hex};

/// What a name must not hold, and how the action calls it (actions/toolkit, `path-and-artifact-name-validation.ts`).
const FORBIDDEN: [(char, &str); 11] = [
    ('"', "Double quote \""),
    (':', "Colon :"),
    ('<', "Less than <"),
    ('>', "Greater than >"),
    ('|', "Vertical bar |"),
    ('*', "Asterisk *"),
    ('?', "Question mark ?"),
    ('\r', "Carriage return \\r"),
    ('\n', "Line feed \\n"),
    ('\\', "Backslash \\"),
    ('/', "Forward slash /"),
];
/// The last major version of the action that puts several uploads of one name together.
const LAST_THAT_MERGES: u32 = 3;

/// What is done where nothing is found.
pub(super) enum NoFiles {
    Warn,
    Fail,
    Ignore,
}

/// `actions/upload-artifact`. Before version 4 several uploads of one name come together; since then a name is taken once.
pub(super) async fn upload(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let paths = inputs.lines("path");
    inputs.required("path")?;
    let no_files = no_files(inputs, "warn")?;
    check_numbers(inputs)?;
    let (overwrites, is_zip) = (inputs.boolean("overwrite", false)?, inputs.boolean("archive", true)?);
    let name = match is_zip {
        true => inputs.get("name").unwrap_or("artifact"),
        // Version 7: a single file, under its own name.
        false => paths.first().and_then(|path| path.rsplit('/').next()).unwrap_or("artifact"),
    };
    check_name(name)?;
    if steps.job.log.masker().reveals(name) {
        return Err(
            "the artifact's name holds a secret, and everybody who sees the run would read it".to_owned()
        );
    }
    let search = Search::of(
        &paths,
        |path| steps.home_or_workspace(path),
        inputs.boolean("include-hidden-files", false)?,
    );
    let is_there = !search.patterns.is_empty() && !is_missing(steps, &search.root).await;
    let merges = inputs.major().is_some_and(|major| major <= LAST_THAT_MERGES);
    let stored = match is_there {
        true => store(steps, name, &search, merges, overwrites).await?,
        false => Stored::default(),
    };
    if stored.files == 0 {
        let shown = paths.join(", ");
        let problem =
            format!("No files were found with the provided path: {shown}. No artifacts will be uploaded.");
        match no_files {
            NoFiles::Fail => return Err(problem),
            NoFiles::Ignore => steps.job.log.say(prepared.index, problem).await,
            NoFiles::Warn => {
                steps.job.log.say(prepared.index, format!("##[warning]{problem}")).await;
                steps.job.log.annotation(prepared.index, Level::Warning, &problem, None, None).await;
            }
        }
        return Ok(Vec::new());
    }
    if !is_zip && stored.files > 1 {
        let _ = steps.job.depot.remove_artifact(name);
        let found = stored.files;
        return Err(format!(
            "When 'archive' is set to false, only a single file can be uploaded. Found {found} files to upload."
        ));
    }
    steps.job.log.artifact_stored(name, stored.files, stored.size_bytes).await;
    let line = format!("Artifact {name}: {} files, {} bytes", stored.files, stored.size_bytes);
    steps.job.log.say(prepared.index, line).await;
    outputs(steps, prepared, name)
}

async fn store(
    steps: &Steps<'_>,
    name: &str,
    search: &Search,
    merges: bool,
    overwrites: bool,
) -> Result<Stored, String> {
    let (depot, session) = (&steps.job.depot, &steps.place.session);
    let said = |error: crate::depot::DepotError| error.to_string();
    if depot.artifact(name).is_dir() && !merges {
        if !overwrites && !depot.has_earlier_artifact(name, steps.began) {
            return Err(format!(
                "Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: an artifact with \
                 this name already exists on the workflow run: {name}. `overwrite: true` replaces it"
            ));
        }
        depot.remove_artifact(name).map_err(said)?;
    }
    depot.store_artifact(session, name, &search.root, &search.patterns).await.map_err(said)
}

/// What later steps may ask for.
pub(super) fn outputs(steps: &Steps<'_>, prepared: &Prepared<'_>, name: &str) -> Result<Outputs, String> {
    let (order, depot) = (steps.order(), &steps.job.depot);
    let id = depot.artifact_id(name);
    let server =
        order.server.as_ref().map_or("https://github.com", |server| server.url.trim_end_matches('/'));
    let url = format!("{server}/{}/actions/runs/{}/artifacts/{id}", order.trigger.repository, order.run);
    let mut outputs = vec![("artifact-id".to_owned(), id.to_string()), ("artifact-url".to_owned(), url)];
    // It takes as long as the upload, and nobody can ask a step without an id.
    if !prepared.step.id.is_empty() && !prepared.step.id.starts_with("__") {
        outputs.push(("artifact-digest".to_owned(), digest(depot, steps, name)?));
    }
    Ok(outputs)
}

/// Of the zip that a download of the artifact gives.
fn digest(depot: &Depot, steps: &Steps<'_>, name: &str) -> Result<String, String> {
    let zip = steps.place.layout.folder.join(format!("artifact-{}.zip", depot.artifact_id(name)));
    zip_folder(&depot.artifact(name), &zip)?;
    let digest =
        hash_of(&zip).map(|digest| hex(&digest)).map_err(|error| format!("{}: {error}", zip.display()));
    let _ = std::fs::remove_file(&zip);
    digest
}

pub(super) fn no_files(inputs: &Inputs<'_>, default: &str) -> Result<NoFiles, String> {
    match inputs.get("if-no-files-found").unwrap_or(default) {
        "warn" => Ok(NoFiles::Warn),
        "error" => Ok(NoFiles::Fail),
        "ignore" => Ok(NoFiles::Ignore),
        other => Err(format!(
            "Unrecognized if-no-files-found input. Provided: {other}. Available options: warn,error,ignore"
        )),
    }
}

pub(super) fn check_numbers(inputs: &Inputs<'_>) -> Result<(), String> {
    if inputs.get("retention-days").is_some_and(|days| days.parse::<u32>().is_err()) {
        return Err("Invalid retention-days".to_owned());
    }
    match inputs.get("compression-level").map(str::parse::<u32>) {
        Some(Err(_)) => Err("Invalid compression-level".to_owned()),
        Some(Ok(10..)) => Err("Invalid compression-level. Valid values are 0-9".to_owned()),
        None | Some(Ok(_)) => Ok(()),
    }
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    let Some((_, character)) = FORBIDDEN.iter().find(|(character, _)| name.contains(*character)) else {
        return Ok(());
    };
    let all: Vec<&str> = FORBIDDEN.iter().map(|(_, character)| *character).collect();
    Err(format!(
        "The artifact name is not valid: {name}. Contains the following character: {character}. Invalid characters \
         include: {}",
        all.join(", ")
    ))
}

/// Where files are looked for: patterns below one folder, a `!` in front of those that take files out again.
#[derive(Debug, PartialEq, Eq)]
struct Search {
    root: String,
    patterns: Vec<String>,
}

impl Search {
    /// GitHub keeps paths below what all search paths have in common; a single folder is taken as its content.
    ///
    /// Files and folders whose name begins with a dot are left out, at and below each search path, unless they are
    /// asked for (actions/toolkit, `glob/src/internal-globber.ts`, `excludeHiddenFiles`).
    fn of(lines: &[&str], resolve: impl Fn(&str) -> String, with_hidden: bool) -> Self {
        let paths: Vec<(bool, Vec<String>)> = lines
            .iter()
            .map(|line| match line.strip_prefix('!') {
                Some(path) => (false, components(&resolve(path.trim()))),
                None => (true, components(&resolve(line))),
            })
            .collect();
        let mut starts: Vec<&[String]> =
            paths.iter().filter(|(is_taken, _)| *is_taken).map(|(_, path)| start_of(path)).collect();
        // What begins below another begins there (`getSearchPaths` of actions/toolkit).
        let all = starts.clone();
        starts.retain(|start| !all.iter().any(|other| other != start && start.starts_with(other)));
        let mut common = starts.first().map(|start| start.to_vec()).unwrap_or_default();
        for start in &starts {
            let same = common.iter().zip(*start).take_while(|(a, b)| a == b).count();
            common.truncate(same);
        }
        let mut patterns = Vec::new();
        for (is_taken, path) in &paths {
            // What takes files out elsewhere takes none out here.
            let Some(below) = path.strip_prefix(&common[..]) else { continue };
            let below = if below.is_empty() { ".".to_owned() } else { below.join("/") };
            if !is_taken {
                patterns.push(format!("!{below}"));
            } else if with_hidden {
                patterns.push(below);
            } else if !start_of(path).last().is_some_and(|name| name.starts_with('.')) {
                let start = start_of(path).get(common.len()..).unwrap_or_default().join("/");
                patterns.push(below);
                patterns.push(format!("!{start}{}**/.*", if start.is_empty() { "" } else { "/" }));
            }
        }
        Self { root: format!("/{}", common.join("/")), patterns }
    }
}

fn components(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
}

/// The components before the first with a wildcard: where a search begins.
fn start_of(path: &[String]) -> &[String] {
    &path[..path.iter().position(|part| part.contains(['*', '?', '['])).unwrap_or(path.len())]
}

#[cfg(test)]
mod tests {
    use super::{Search, check_name};

    fn search(lines: &[&str], with_hidden: bool) -> (String, Vec<String>) {
        let resolve = |path: &str| if path.starts_with('/') { path.to_owned() } else { format!("/w/{path}") };
        let Search { root, patterns } = Search::of(lines, resolve, with_hidden);
        (root, patterns)
    }

    #[test]
    fn a_folder_is_its_content_and_several_paths_keep_what_differs() {
        assert_eq!(search(&["dist"], true), ("/w/dist".to_owned(), vec![".".to_owned()]));
        assert_eq!(search(&["dist/**/*.js"], true), ("/w/dist".to_owned(), vec!["**/*.js".to_owned()]));
        let several = search(&["out/a.txt", "out/logs/b.txt"], true);
        assert_eq!(several, ("/w/out".to_owned(), vec!["a.txt".to_owned(), "logs/b.txt".to_owned()]));
    }

    #[test]
    fn what_is_taken_out_is_below_the_same_folder() {
        let found = search(&["out", "!out/**/*.tmp", "!elsewhere/x"], true);
        assert_eq!(found, ("/w/out".to_owned(), vec![".".to_owned(), "!**/*.tmp".to_owned()]));
    }

    #[test]
    fn hidden_files_stay_out_unless_they_are_asked_for() {
        let found = search(&["out", ".config/app"], false);
        let patterns = ["out", "!out/**/.*", ".config/app", "!.config/app/**/.*"].map(str::to_owned).to_vec();
        assert_eq!(found, ("/w".to_owned(), patterns));
        assert_eq!(search(&[".env"], false), ("/w/.env".to_owned(), Vec::new()));
        assert_eq!(search(&[".env"], true), ("/w/.env".to_owned(), vec![".".to_owned()]));
    }

    #[test]
    fn what_lies_within_another_path_does_not_widen_the_root() {
        let found = search(&["out", "out/a.txt", "out/logs/*.log"], true);
        assert_eq!(found.0, "/w/out");
    }

    #[test]
    fn names_that_no_file_system_takes_are_refused() {
        assert_eq!(check_name("logs-1.2 (ubuntu)"), Ok(()));
        for name in ["a/b", "a:b", "a\nb", "a*"] {
            assert!(check_name(name).unwrap_err().starts_with("The artifact name is not valid"), "{name:?}");
        }
    }
}
