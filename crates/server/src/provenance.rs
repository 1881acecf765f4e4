//! What a green run says about the images that it pushed: how each was made, and what is in it, signed and attached.

use std::collections::{BTreeMap, BTreeSet};

use sluice_engine as engine;
use sluice_model::Timestamp;
use sluice_registry::attest::{
    BuildDefinition, Builder, CYCLONEDX, Metadata, PROVENANCE, Provenance, ResourceDescriptor, RunDetails,
    Statement, seal,
};
use sluice_registry::image::ImageError;
use sluice_registry::{ImageRepository, Pusher, Reference, RegistryError};
use sluice_store::PushedImage;

use crate::app::App;

/// The kind of build that a run is, as its provenance names it.
const BUILD_TYPE: &str = "urn:sluice:run:v1";

/// Attaches both statements to every image that the run pushed and that is still there. What is said depends on the
/// run's records only, so that a repeat attaches nothing twice.
pub(crate) async fn attest(app: &App, run: &engine::Run) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for push in app.store.pushed_images(run.id()).await? {
        if !seen.insert((push.image.clone(), push.digest.clone())) {
            continue;
        }
        let image: ImageRepository = push.image.parse()?;
        match app.registry.manifest(&image, &Reference::Digest(push.digest.clone())).await {
            Ok(_) => {}
            // Taken away again, or rotten: there is nothing to speak about.
            Err(RegistryError::ManifestUnknown { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        let provenance = provenance(app, run, &push);
        let provenance = Statement::new(&push.image, &push.digest, PROVENANCE, provenance);
        attach(app, &image, &push, PROVENANCE, &serde_json::to_vec(&provenance)?).await?;
        match app.registry.bill_of_materials(&image, &push.digest).await {
            Ok(Some(bom)) => {
                let bom = Statement::new(&push.image, &push.digest, CYCLONEDX, bom);
                attach(app, &image, &push, CYCLONEDX, &serde_json::to_vec(&bom)?).await?;
            }
            Ok(None) => {}
            // A layer that is no archive, as an artifact's, or that is elsewhere: there are no contents to list.
            Err(
                error @ (ImageError::Layer { .. } | ImageError::Registry(RegistryError::BlobUnknown { .. })),
            ) => {
                tracing::info!(%error, image = push.image, digest = %push.digest, "an image has no bill of materials");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn attach(
    app: &App,
    image: &ImageRepository,
    push: &PushedImage,
    predicate_type: &str,
    statement: &[u8],
) -> anyhow::Result<()> {
    let bundle = seal(statement, &app.signing.key())?;
    let (created, by) = (rfc3339(push.at), Pusher::new("server"));
    match app.registry.attach(image, &push.digest, bundle, predicate_type, &created, by).await {
        Ok(attached) => {
            tracing::info!(%image, digest = %push.digest, attached = %attached.digest, predicate_type, is_new = attached.is_new, "signed an image");
            Ok(())
        }
        // Trying again would not help: the image stays without.
        Err(error @ RegistryError::OverQuota(_)) => {
            tracing::warn!(%error, %image, digest = %push.digest, predicate_type, "an image is not signed");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn provenance(app: &App, run: &engine::Run, push: &PushedImage) -> Provenance {
    let trigger = run.trigger();
    let texts = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let external = texts(&[
        ("repository", trigger.repository.to_string()),
        ("ref", trigger.git_ref.clone()),
        ("event", trigger.event.as_str().to_owned()),
        ("workflow", run.plan().file.clone()),
        ("actor", trigger.actor.to_string()),
    ]);
    let internal = texts(&[
        ("run", run.number().to_string()),
        ("job", push.instance.to_string()),
        ("attempt", push.attempt.to_string()),
    ]);
    let source = ResourceDescriptor {
        uri: format!("git+{}/{}.git@{}", app.url, trigger.repository, trigger.git_ref),
        digest: texts(&[("gitCommit", trigger.sha.to_string())]),
    };
    Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: external,
            internal_parameters: internal,
            resolved_dependencies: vec![source],
        },
        run_details: RunDetails {
            builder: Builder { id: app.url.clone() },
            metadata: Metadata {
                invocation_id: app.run_url(&trigger.repository, run.number()),
                started_on: Some(rfc3339(run.created())),
                finished_on: Some(rfc3339(push.at)),
            },
        },
    }
}

/// In whole seconds; 1970 where no calendar holds it.
fn rfc3339(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.0.div_euclid(1000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_string()
}
