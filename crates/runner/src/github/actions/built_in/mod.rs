//! The actions that this runner does itself: same inputs and outputs as the services' own, and no Node.

mod artifact;
mod cache;
mod checkout;

use sluice_plan::{ActionReference, UsesAction};

use super::super::posts::PostWork;
use super::super::steps::{Prepared, Steps};
use super::Done;
pub(in super::super) use cache::save_cache;

/// The actions that this runner does itself, with the inputs that each takes.
const BUILT_IN: [(&str, &[&str]); 6] = [
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
            "sparse-checkout",
            "sparse-checkout-cone-mode",
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

/// An input that the step gives and the built-in action does not take, in words, and those that it takes.
pub fn unknown_input(uses: &UsesAction) -> Option<(String, String)> {
    let name = name_of(&uses.action)?;
    let (_, inputs) = BUILT_IN.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name))?;
    let is_known = |given: &str| inputs.iter().any(|input| input.eq_ignore_ascii_case(given));
    let unknown = uses.with.iter().find(|given| !is_known(&given.name))?;
    let message = format!("the input `{}` of `{}` is not supported yet", unknown.name, uses.action);
    Some((message, format!("supported are: {}", inputs.join(", "))))
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
        "actions/checkout" => checkout::check_out(steps, prepared, &inputs).await,
        "actions/upload-artifact" => artifact::upload(steps, prepared, &inputs).await,
        "actions/download-artifact" => artifact::download(steps, prepared, &inputs).await,
        "actions/cache" => {
            let (outputs, hit) = cache::restore(steps, prepared, &inputs).await?;
            if !hit {
                let (key, paths) =
                    (inputs.required("key")?.to_owned(), steps.paths(inputs.required("path")?));
                post = Some(PostWork::SaveCache { key, paths });
            }
            Ok(outputs)
        }
        "actions/cache/restore" => Ok(cache::restore(steps, prepared, &inputs).await?.0),
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

    /// The lines of an input that holds several, empty ones left out.
    fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.get(name).unwrap_or_default().lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).collect()
    }
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
