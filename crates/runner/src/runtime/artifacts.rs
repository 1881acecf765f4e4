use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use super::service::{Int64, Service, message};
use super::uploads::Purpose;
use crate::depot::zip_folder;
use crate::github::hex;

/// The longest name that fits a folder's, all of its characters escaped.
const LONGEST_NAME_BYTES: usize = 80;
/// What a name must not hold (`path-and-artifact-name-validation.ts` of actions/toolkit).
const FORBIDDEN: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

/// What every message begins with.
#[derive(Deserialize)]
struct Of {
    #[serde(default)]
    workflow_run_backend_id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Create {
    #[serde(flatten)]
    of: Of,
    /// Versions before 7 say none, and upload zips.
    #[serde(default)]
    mime_type: Option<String>,
}

#[derive(Deserialize)]
struct Finalize {
    #[serde(flatten)]
    of: Of,
    #[serde(default)]
    size: Option<Int64>,
    #[serde(default)]
    hash: Option<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(flatten)]
    of: Of,
    #[serde(default)]
    name_filter: Option<String>,
    #[serde(default)]
    id_filter: Option<Int64>,
}

/// `github.actions.results.api.v1.ArtifactService/CreateArtifact`
pub async fn create(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Create { of, mime_type } = message(&body)?;
    let name = own(&service, of)?;
    let (depot, began) = (&service.facts.depot, service.facts.began);
    if depot.artifact(&name).is_dir() && !depot.has_earlier_artifact(&name, began) {
        return Err(Refusal::exists("an artifact with this name already exists on the workflow run"));
    }
    for is_zip in [true, false] {
        service.end_upload(&Purpose::Artifact { name: name.clone(), is_zip });
    }
    let is_zip = mime_type.is_none_or(|mime| mime.contains("zip"));
    let upload = service.begin_upload(Purpose::Artifact { name, is_zip })?;
    Ok(Json(json!({ "ok": true, "signed_upload_url": service.upload_url(&upload) })))
}

/// `github.actions.results.api.v1.ArtifactService/FinalizeArtifact`
pub async fn finalize(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Finalize { of, size, hash } = message(&body)?;
    let name = own(&service, of)?;
    let upload =
        service.upload_for(|purpose| matches!(purpose, Purpose::Artifact { name: of, .. } if *of == name));
    let upload = upload.ok_or_else(|| Refusal::not_found("no upload of this artifact was begun"))?;
    let (file, length) = upload.whole().ok_or_else(|| Refusal::invalid("the upload is not whole"))?;
    let size = size.map_or(Ok(0), |size| size.get())?;
    if length != size {
        return Err(Refusal::invalid(format!("{length} bytes were uploaded, and not {size}")));
    }
    let (facts, purpose, of) = (service.facts.clone(), upload.purpose.clone(), name.clone());
    let replaces = facts.depot.has_earlier_artifact(&name, facts.began);
    let stored = blocking(move || {
        if let Some(hash) = &hash {
            check_hash(&file, hash)?;
        }
        if replaces {
            facts.depot.remove_artifact(&of)?;
        }
        Ok(match purpose {
            Purpose::Artifact { is_zip: false, .. } => facts.depot.store_file_artifact(&of, &file, length)?,
            _ => facts.depot.store_zipped_artifact(&of, &file)?,
        })
    })
    .await;
    service.end_upload(&upload.purpose);
    let stored = stored?;
    service.facts.log.artifact_stored(&name, stored.files, stored.size_bytes).await;
    Ok(Json(json!({ "ok": true, "artifact_id": service.facts.depot.artifact_id(&name).to_string() })))
}

/// `github.actions.results.api.v1.ArtifactService/ListArtifacts`
pub async fn list(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let List { of, name_filter, id_filter } = message(&body)?;
    check_run(&service, &of.workflow_run_backend_id)?;
    let id = id_filter.map(|id| id.get()).transpose()?;
    let mut names = service.facts.depot.artifacts()?;
    names.retain(|name| name_filter.as_ref().is_none_or(|wanted| wanted == name));
    names.retain(|name| id.is_none_or(|wanted| wanted == service.facts.depot.artifact_id(name)));
    let folders: Vec<_> = names.into_iter().map(|name| (service.facts.depot.artifact(&name), name)).collect();
    let listed = blocking(move || {
        let described = folders.into_iter().map(|(folder, name)| {
            let (size, created) = describe(&folder).map_err(|error| Refusal::internal(error.to_string()))?;
            Ok((name, size, created))
        });
        described.collect::<Result<Vec<_>, Refusal>>()
    })
    .await?;
    let artifacts = listed.into_iter().map(|(name, size, created)| {
        json!({
            "workflow_run_backend_id": service.facts.run,
            "workflow_job_run_backend_id": service.facts.job,
            "database_id": service.facts.depot.artifact_id(&name).to_string(),
            "name": name,
            "size": size.to_string(),
            "created_at": created,
        })
    });
    Ok(Json(json!({ "artifacts": artifacts.collect::<Vec<_>>() })))
}

/// `github.actions.results.api.v1.ArtifactService/GetSignedArtifactURL`: a zip of the artifact's files, whoever stored them.
pub async fn locate(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let name = own(&service, message(&body)?)?;
    let folder = service.facts.depot.artifact(&name);
    if !folder.is_dir() {
        return Err(Refusal::not_found(format!("there is no artifact named {name} in this run")));
    }
    let target = service.facts.folder.join(format!("download-{}.zip", service.number()));
    let zipped = target.clone();
    blocking(move || zip_folder(&folder, &zipped).map_err(Refusal::internal)).await?;
    let url = service.download_url(&target, "application/zip", Some(format!("{name}.zip")))?;
    Ok(Json(json!({ "signed_url": url })))
}

/// `github.actions.results.api.v1.ArtifactService/DeleteArtifact`
pub async fn delete(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let name = own(&service, message(&body)?)?;
    let depot = service.facts.depot.clone();
    let of = name.clone();
    match blocking(move || Ok(depot.remove_artifact(&of)?)).await? {
        true => {
            Ok(Json(json!({ "ok": true, "artifact_id": service.facts.depot.artifact_id(&name).to_string() })))
        }
        false => Err(Refusal::not_found(format!("there is no artifact named {name} in this run"))),
    }
}

/// The name of an artifact of this very run.
fn own(service: &Service, of: Of) -> Result<String, Refusal> {
    check_run(service, &of.workflow_run_backend_id)?;
    let name = of.name;
    if name.is_empty() || name.len() > LONGEST_NAME_BYTES {
        return Err(Refusal::invalid(format!("an artifact's name has 1 to {LONGEST_NAME_BYTES} bytes")));
    }
    match name.chars().find(|character| FORBIDDEN.contains(character) || character.is_control()) {
        Some(character) => {
            Err(Refusal::invalid(format!("the artifact's name must not contain {character:?}")))
        }
        None => Ok(name),
    }
}

fn check_run(service: &Service, run: &str) -> Result<(), Refusal> {
    match run == service.facts.run {
        true => Ok(()),
        false => Err(Refusal::denied("the token is for the artifacts of its own run only")),
    }
}

fn check_hash(file: &Path, hash: &str) -> Result<(), Refusal> {
    let digest = || -> io::Result<_> {
        let mut file = std::fs::File::open(file)?;
        let (mut hasher, mut piece) = (Sha256::new(), vec![0; 256 * 1024]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finalize()),
                length => hasher.update(&piece[..length]),
            }
        }
    };
    let digest = digest().map_err(|error| Refusal::internal(error.to_string()))?;
    let seen = format!("sha256:{}", hex(&digest));
    match seen.eq_ignore_ascii_case(hash) {
        true => Ok(()),
        false => Err(Refusal::invalid(format!("the upload's digest is {seen}, and not {hash}"))),
    }
}

/// The size of all files of a folder, and when it was made.
fn describe(folder: &Path) -> io::Result<(u64, String)> {
    let mut size = 0;
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => pending.push(entry.path()),
                false => size += entry.metadata()?.len(),
            }
        }
    }
    let made: SystemTime = std::fs::metadata(folder)?.modified()?;
    let made = jiff::Timestamp::try_from(made).map_err(io::Error::other)?;
    Ok((size, made.to_string()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))
}
