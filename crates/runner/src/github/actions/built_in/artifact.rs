use globset::{GlobBuilder, GlobMatcher};
use sluice_wire::Level;

use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs};
use crate::depot::Stored;

/// `actions/upload-artifact`.
pub(super) async fn upload(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let name = inputs.get("name").unwrap_or("artifact");
    inputs.required("path")?;
    if steps.job.log.masker().reveals(name) {
        return Err(
            "the artifact's name holds a secret, and everybody who sees the run would read it".to_owned()
        );
    }
    let depot = &steps.job.depot;
    if depot.artifact(name).is_dir() {
        if !inputs.is_true("overwrite") {
            return Err(format!(
                "an artifact with the name {name} is there already in this run (409 Conflict): `overwrite: true` replaces it"
            ));
        }
        depot.remove_artifact(name).map_err(|error| error.to_string())?;
    }
    let search = Search::of(
        &inputs.lines("path"),
        |path| steps.place.layout.workspace.resolve(path),
        inputs.is_true("include-hidden-files"),
    );
    let stored = match search.patterns.is_empty() || is_missing(steps, &search.root).await {
        true => Stored::default(),
        false => {
            let stored = depot.store_artifact(&steps.place.session, name, &search.root, &search.patterns);
            stored.await.map_err(|error| error.to_string())?
        }
    };
    if stored.files == 0 {
        let problem = format!(
            "No files were found with the provided path: {}. No artifacts will be uploaded.",
            inputs.lines("path").join(", ")
        );
        match inputs.get("if-no-files-found").unwrap_or("warn") {
            "error" => return Err(problem),
            "ignore" => (),
            _ => {
                steps.job.log.say(prepared.index, format!("##[warning]{problem}")).await;
                steps.job.log.annotation(prepared.index, Level::Warning, &problem, None, None).await;
            }
        }
        return Ok(Vec::new());
    }
    steps.job.log.artifact_stored(name, stored.files, stored.size_bytes).await;
    let line = format!("Artifact {name}: {} files, {} bytes", stored.files, stored.size_bytes);
    steps.job.log.say(prepared.index, line).await;
    Ok(vec![("artifact-id".to_owned(), name.to_owned())])
}

async fn is_missing(steps: &Steps<'_>, path: &str) -> bool {
    // A folder cannot be read, which is another answer.
    matches!(steps.place.session.read(path, 0).await, Ok(None))
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
        let taken: Vec<&Vec<String>> =
            paths.iter().filter(|(is_taken, _)| *is_taken).map(|(_, path)| path).collect();
        let mut common = taken.first().map(|path| folder_of(path, taken.len())).unwrap_or_default();
        for path in &taken {
            let folder = folder_of(path, taken.len());
            let same = common.iter().zip(&folder).take_while(|(a, b)| a == b).count();
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

/// What a search path gives to the folder that all have in common.
fn folder_of(path: &[String], of: usize) -> Vec<String> {
    let start = start_of(path);
    // One of several that names a file or folder keeps its name in the artifact.
    let last = if of > 1 && start.len() == path.len() { path.len().saturating_sub(1) } else { start.len() };
    path[..last].to_vec()
}

/// `actions/download-artifact`: one by name, else all or those that a pattern matches, each in a folder of its own.
pub(super) async fn download(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let target = steps.place.layout.workspace.resolve(inputs.get("path").unwrap_or_default());
    let (depot, session) = (&steps.job.depot, &steps.place.session);
    if let Some(name) = inputs.get("name") {
        if !depot.fetch_artifact(session, name, &target).await.map_err(|error| error.to_string())? {
            return Err(format!("Unable to download artifact(s): Artifact not found for name: {name}"));
        }
    } else {
        let pattern = inputs.get("pattern").map(matcher).transpose()?;
        for name in depot.artifacts().map_err(|error| error.to_string())? {
            if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&name)) {
                continue;
            }
            let below =
                if inputs.is_true("merge-multiple") { target.clone() } else { format!("{target}/{name}") };
            depot.fetch_artifact(session, &name, &below).await.map_err(|error| error.to_string())?;
        }
    }
    steps.job.log.say(prepared.index, format!("Downloaded to {target}")).await;
    Ok(vec![("download-path".to_owned(), target)])
}

/// The action matches names with minimatch, of which this takes the same wildcards and braces.
fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| format!("actions/download-artifact: `pattern: {pattern}`: {error}"))?;
    Ok(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::{Search, matcher};

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
    fn a_pattern_is_of_whole_names() {
        let pattern = matcher("{unit,e2e}-*").unwrap();
        assert!(pattern.is_match("unit-1") && pattern.is_match("e2e-a.b") && !pattern.is_match("a-unit-1"));
        assert!(matcher("a[").unwrap_err().contains("pattern: a["));
    }
}
