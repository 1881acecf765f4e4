use sluice_plan::ActionReference;

use super::super::posts::PostWork;
use super::super::steps::{Prepared, Steps};
use super::Done;
use crate::checkout::{Checkout, checkout};

/// The actions that this runner does itself, with the inputs that each takes.
pub const BUILT_IN: [(&str, &[&str]); 6] = [
    (
        "actions/checkout",
        &[
            "ref",
            "path",
            "fetch-depth",
            "fetch-tags",
            "clean",
            "token",
            "persist-credentials",
            "repository",
            "submodules",
            "lfs",
            "show-progress",
            "set-safe-directory",
        ],
    ),
    (
        "actions/upload-artifact",
        &[
            "name",
            "path",
            "if-no-files-found",
            "retention-days",
            "compression-level",
            "overwrite",
            "include-hidden-files",
        ],
    ),
    ("actions/download-artifact", &["name", "path", "merge-multiple", "pattern"]),
    (
        "actions/cache",
        &[
            "path",
            "key",
            "restore-keys",
            "fail-on-cache-miss",
            "lookup-only",
            "enableCrossOsArchive",
            "save-always",
        ],
    ),
    (
        "actions/cache/restore",
        &["path", "key", "restore-keys", "fail-on-cache-miss", "lookup-only", "enableCrossOsArchive"],
    ),
    ("actions/cache/save", &["path", "key", "enableCrossOsArchive"]),
];

/// `owner/name` or `owner/name/path`, without the ref.
pub fn name_of(action: &ActionReference) -> Option<String> {
    match action {
        ActionReference::Repository { owner, name, path, .. } if path.is_empty() => {
            Some(format!("{owner}/{name}"))
        }
        ActionReference::Repository { owner, name, path, .. } => Some(format!("{owner}/{name}/{path}")),
        ActionReference::Local { .. } | ActionReference::Docker { .. } => None,
    }
}

pub fn is_built_in(action: &ActionReference) -> bool {
    name_of(action).is_some_and(|name| BUILT_IN.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)))
}

/// Does a built-in action. An error is what the log says of its failure.
pub(super) async fn act(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    name: &str,
    with: &[(String, String)],
) -> Result<Done, String> {
    let inputs = Inputs(with);
    let mut post = None;
    let outputs = match name.to_ascii_lowercase().as_str() {
        "actions/checkout" => check_out(steps, prepared, &inputs).await,
        "actions/upload-artifact" => upload_artifact(steps, prepared, &inputs).await,
        "actions/download-artifact" => download_artifact(steps, prepared, &inputs).await,
        "actions/cache" => {
            let (outputs, hit) = restore_cache(steps, prepared, &inputs).await?;
            if !hit {
                let (key, paths) =
                    (inputs.required("key")?.to_owned(), steps.paths(inputs.required("path")?));
                post = Some(PostWork::SaveCache { key, paths });
            }
            Ok(outputs)
        }
        "actions/cache/restore" => Ok(restore_cache(steps, prepared, &inputs).await?.0),
        "actions/cache/save" => {
            let (key, paths) = (inputs.required("key")?.to_owned(), steps.paths(inputs.required("path")?));
            save_cache(steps, prepared.index, &key, &paths).await?;
            Ok(Vec::new())
        }
        _ => Err(format!("the action `{name}` is not built in")),
    }?;
    Ok(Done { outputs, post })
}

type Outputs = Vec<(String, String)>;

struct Inputs<'a>(&'a [(String, String)]);

impl Inputs<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(input, _)| input.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("Input required and not supplied: {name}"))
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

async fn check_out(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let own = steps.order().trigger.repository.as_str();
    if let Some(other) = inputs.get("repository").filter(|name| !name.eq_ignore_ascii_case(own)) {
        return Err(format!(
            "actions/checkout: `repository: {other}` is another one than {own}, which is not built yet"
        ));
    }
    for input in ["submodules", "lfs"] {
        if inputs.get(input).is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
            return Err(format!("actions/checkout: `{input}` is not built yet; leave it out"));
        }
    }
    let depth = inputs.get("fetch-depth").unwrap_or("1");
    let depth: u32 =
        depth.parse().map_err(|_| format!("actions/checkout: `fetch-depth: {depth}` is not a number"))?;
    let wanted = Checkout {
        target: steps.place.layout.workspace.resolve(inputs.get("path").unwrap_or_default()),
        depth: (depth > 0).then_some(depth),
        git_ref: inputs.get("ref").map(str::to_owned),
        tags: inputs.is_true("fetch-tags") || depth == 0,
    };
    let line = checkout(steps.place, steps.order(), &wanted).await.map_err(|error| error.to_string())?;
    steps.job.log.say(prepared.index, line).await;
    let trigger = &steps.order().trigger;
    Ok(vec![("ref".to_owned(), trigger.git_ref.clone()), ("commit".to_owned(), trigger.sha.to_string())])
}

async fn upload_artifact(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let name = inputs.get("name").unwrap_or("artifact");
    let patterns: Vec<&str> =
        inputs.required("path")?.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let Some(negated) = patterns.iter().find(|pattern| pattern.starts_with('!')) {
        return Err(format!(
            "actions/upload-artifact: a path that takes files out (`{negated}`) is not built yet"
        ));
    }
    let (root, patterns) = least_common_folder(steps, &patterns);
    let stored = steps.job.depot.store_artifact(&steps.place.session, name, &root, &patterns).await;
    let stored = stored.map_err(|error| error.to_string())?;
    if stored.files == 0 {
        let problem = format!(
            "No files were found with the provided path: {}. No artifacts will be uploaded.",
            patterns.join(", ")
        );
        match inputs.get("if-no-files-found").unwrap_or("warn") {
            "error" => return Err(problem),
            "ignore" => (),
            _ => steps.job.log.say(prepared.index, format!("##[warning]{problem}")).await,
        }
        return Ok(Vec::new());
    }
    steps.job.log.artifact_stored(name, stored.files, stored.size_bytes).await;
    let line = format!("Artifact {name}: {} files, {} bytes", stored.files, stored.size_bytes);
    steps.job.log.say(prepared.index, line).await;
    Ok(vec![("artifact-id".to_owned(), name.to_owned())])
}

/// GitHub keeps paths below what all search paths have in common; a single folder is taken as its content.
fn least_common_folder(steps: &Steps<'_>, patterns: &[&str]) -> (String, Vec<String>) {
    let absolute: Vec<String> =
        patterns.iter().map(|pattern| steps.place.layout.workspace.resolve(pattern)).collect();
    let fixed = |path: &str| -> Vec<String> {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let wild = parts.iter().position(|part| part.contains(['*', '?', '[']));
        let last = if patterns.len() > 1 { parts.len().saturating_sub(1) } else { parts.len() };
        parts[..wild.unwrap_or(last)].to_vec()
    };
    let mut common = absolute.first().map(|path| fixed(path)).unwrap_or_default();
    for path in &absolute {
        let parts = fixed(path);
        let same = common.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    let root = format!("/{}", common.join("/"));
    let below =
        absolute.iter().map(|path| path[1..].split('/').skip(common.len()).collect::<Vec<_>>().join("/"));
    let below = below.map(|path| if path.is_empty() { ".".to_owned() } else { path }).collect();
    (root, below)
}

async fn download_artifact(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let target = steps.place.layout.workspace.resolve(inputs.get("path").unwrap_or_default());
    let depot = &steps.job.depot;
    let session = &steps.place.session;
    match inputs.get("name") {
        Some(name) => {
            if !depot.fetch_artifact(session, name, &target).await.map_err(|error| error.to_string())? {
                return Err(format!("Unable to download artifact(s): Artifact not found for name: {name}"));
            }
        }
        None if inputs.get("pattern").is_some() => {
            return Err("actions/download-artifact: `pattern` is not built yet; name the artifact".to_owned());
        }
        None => {
            for name in depot.artifacts().map_err(|error| error.to_string())? {
                let below = if inputs.is_true("merge-multiple") {
                    target.clone()
                } else {
                    format!("{target}/{name}")
                };
                depot.fetch_artifact(session, &name, &below).await.map_err(|error| error.to_string())?;
            }
        }
    }
    steps.job.log.say(prepared.index, format!("Downloaded to {target}")).await;
    Ok(vec![("download-path".to_owned(), target)])
}

async fn restore_cache(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<(Outputs, bool), String> {
    let key = inputs.required("key")?;
    let depot = &steps.job.depot;
    let mut found = depot.has_cache(key).then(|| key.to_owned());
    if found.is_none() {
        let fallbacks = inputs.get("restore-keys").unwrap_or_default().lines().map(str::trim);
        let mut keys = vec![key.to_owned()];
        keys.extend(fallbacks.filter(|key| !key.is_empty()).map(str::to_owned));
        found = depot.find_cache(&keys).map_err(|error| error.to_string())?;
    }
    let hit = found.as_deref() == Some(key);
    let line = match &found {
        Some(found) => {
            if !inputs.is_true("lookup-only") {
                depot.restore_cache(steps.place, found).await.map_err(|error| error.to_string())?;
            }
            format!("Cache restored from key: {found}")
        }
        None if inputs.is_true("fail-on-cache-miss") => {
            return Err(format!(
                "Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}"
            ));
        }
        None => format!("Cache not found for input keys: {key}"),
    };
    steps.job.log.say(prepared.index, line).await;
    let outputs = vec![
        ("cache-hit".to_owned(), if found.is_some() { hit.to_string() } else { String::new() }),
        ("cache-primary-key".to_owned(), key.to_owned()),
        ("cache-matched-key".to_owned(), found.unwrap_or_default()),
    ];
    Ok((outputs, hit))
}

pub(in super::super) async fn save_cache(
    steps: &Steps<'_>,
    index: u32,
    key: &str,
    paths: &[String],
) -> Result<(), String> {
    let saved = steps.job.depot.save_cache(steps.place, key, paths).await;
    let line = match saved.map_err(|error| error.to_string())? {
        Some(stored) => {
            format!("Cache saved with key: {key} ({} files, {} bytes)", stored.files, stored.size_bytes)
        }
        None => format!("Cache hit occurred on the primary key {key}, not saving cache."),
    };
    steps.job.log.say(index, line).await;
    Ok(())
}

impl Steps<'_> {
    /// The lines of a `path` input as absolute paths; `~` is the user's home.
    fn paths(&self, lines: &str) -> Vec<String> {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        let absolute = |line: &str| match line.strip_prefix('~') {
            Some(below) => format!("{}{below}", self.place.user.home),
            None => self.place.layout.workspace.resolve(line),
        };
        lines.map(absolute).collect()
    }
}
