use std::sync::Arc;

use sluice_dialect_github::{ActionManifest, ActionRuns, DockerImage, DockerRuns, read_action};
use sluice_plan::ActionReference;

use super::super::steps::Steps;

/// A manifest is a page of text; a larger one is no manifest.
const MANIFEST_LIMIT_BYTES: u64 = 1 << 20;
/// Where an action says what it is, in the order in which GitHub looks.
pub(in super::super) const MANIFESTS: [&str; 2] = ["action.yml", "action.yaml"];
pub(in super::super) const DOCKERFILES: [&str; 2] = ["Dockerfile", "dockerfile"];

/// An action, ready to run.
pub(in super::super) struct Loaded {
    pub manifest: ActionManifest,
    /// Where its files are, as steps call it; empty for an image.
    pub folder: String,
}

/// Finds an action that is not built in.
pub(super) async fn load(steps: &Steps<'_>, action: &ActionReference) -> Result<Arc<Loaded>, String> {
    match action {
        ActionReference::Local { path } => local(steps, path).await.map(Arc::new),
        ActionReference::Docker { image } => {
            let image = DockerImage::Registry(image.clone());
            Ok(Arc::new(Loaded { manifest: of_image(image), folder: String::new() }))
        }
        ActionReference::Repository { .. } => {
            steps.remote.get(action).ok_or_else(|| format!("`{action}` was not downloaded"))
        }
    }
}

/// An action of the workspace, as it is now. It is read through the steps' own eyes, so that no link leads elsewhere.
async fn local(steps: &Steps<'_>, path: &str) -> Result<Loaded, String> {
    let path = path.replace('\\', "/");
    let folder = steps.place.layout.workspace.resolve(&path);
    let session = &steps.place.session;
    for name in MANIFESTS {
        let read = session.read(&format!("{folder}/{name}"), MANIFEST_LIMIT_BYTES).await;
        if let Some(bytes) = read.map_err(|error| error.to_string())? {
            let shown = format!("{}/{name}", path.trim_start_matches("./").trim_end_matches('/'));
            let manifest = parse(shown.trim_start_matches('/'), &bytes)?;
            return Ok(Loaded { manifest, folder });
        }
    }
    for name in DOCKERFILES {
        let read = session.read(&format!("{folder}/{name}"), MANIFEST_LIMIT_BYTES).await;
        if read.map_err(|error| error.to_string())?.is_some() {
            return Ok(Loaded { manifest: of_image(DockerImage::Dockerfile(name.to_owned())), folder });
        }
    }
    Err(format!(
        "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{folder}'. Did you forget to run actions/checkout \
         before running your local action?"
    ))
}

/// A manifest, or all that is wrong with it, a line each.
pub(in super::super) fn parse(path: &str, bytes: &[u8]) -> Result<ActionManifest, String> {
    let read = read_action(path, &String::from_utf8_lossy(bytes));
    read.manifest.ok_or_else(|| {
        let told: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
        told.join("\n")
    })
}

/// An action that is an image, and says nothing else.
pub(in super::super) fn of_image(image: DockerImage) -> ActionManifest {
    let runs = DockerRuns { image, entrypoint: None, args: None, env: Vec::new(), pre: None, post: None };
    ActionManifest { name: None, inputs: Vec::new(), outputs: Vec::new(), runs: ActionRuns::Docker(runs) }
}
