use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use sluice_blobs::{Algorithm, digest_of};
use sluice_model::Digest;
use tokio_util::io::ReaderStream;

use super::archive::{Scratch, blocking};
use super::layer::{self, Content, Layer};
use super::store::Store;
use super::{ImageError, Location, transfer};
use crate::{
    Descriptor, History, ImageConfig, ImageManifest, Manifest, Nothing, Platform, Process, Reference, RootFs,
    media_type,
};

/// What an image is made of. The same options and files give the same digest, on any day and machine.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// One layer, put on those of the base. Where two contents have the same path, the later one wins.
    pub contents: Vec<Content>,
    /// An image to start from, with its layers, environment and so on.
    pub base: Option<Location>,
    pub platform: Platform,
    /// None keeps the base's; an empty list takes it away.
    pub entrypoint: Option<Vec<String>>,
    /// None keeps the base's, but for a new entrypoint, which takes the base's command away, as in a Dockerfile.
    pub cmd: Option<Vec<String>>,
    /// Added to the base's, over the same name.
    pub env: BTreeMap<String, String>,
    pub working_dir: Option<String>,
    /// `user`, `uid` or `uid:gid`.
    pub user: Option<String>,
    /// `8000` or `8000/tcp`; added to the base's.
    pub exposed_ports: Vec<String>,
    /// Added to the base's, over the same key.
    pub labels: BTreeMap<String, String>,
    /// RFC 3339. None leaves it out, for the sake of the digest.
    pub created: Option<String>,
    /// The modification time of every file, in seconds since 1970.
    pub mtime_s: u64,
}

impl PackOptions {
    pub fn new(contents: Vec<Content>) -> Self {
        Self {
            contents,
            base: None,
            platform: Platform { os: "linux".to_owned(), ..Platform::host() },
            entrypoint: None,
            cmd: None,
            env: BTreeMap::new(),
            working_dir: None,
            user: None,
            exposed_ports: Vec::new(),
            labels: BTreeMap::new(),
            created: None,
            mtime_s: 0,
        }
    }
}

/// An image that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packed {
    pub digest: Digest,
    pub config_digest: Digest,
    /// The configuration and all layers.
    pub size_bytes: u64,
}

/// What an image begins with: nothing, or its base.
struct Ground {
    store: Option<Store>,
    layers: Vec<Descriptor>,
    config: ImageConfig,
}

/// Makes an image without any engine, straight in a registry, a layout folder or an archive.
///
/// # Errors
/// When a content or the base cannot be read, or the target cannot be written. Without a tag in `to`, the image is
/// known by its digest only.
pub async fn pack(options: &PackOptions, to: &Location) -> Result<Packed, ImageError> {
    let mut ground = ground(options).await?;
    let scratch = Scratch::new()?;
    let file = scratch.path().join("layer.tar.gz");
    let (contents, mtime_s, path) = (options.contents.clone(), options.mtime_s, file.clone());
    let layer = blocking(&file, move || layer::write(&contents, mtime_s, &path)).await?;

    let store = Store::create(to).await?;
    if let Some(base) = &ground.store {
        let blobs: Vec<&Descriptor> = ground.layers.iter().collect();
        transfer::blobs(base, &store, &blobs).await?;
    }
    put_layer(&store, &layer).await?;
    ground.layers.push(Descriptor::new(media_type::OCI_LAYER_GZIP, layer.digest.clone(), layer.size_bytes));
    describe(&mut ground.config, options, layer.diff_id)?;
    let packed = put_manifest(&store, ground.layers, &ground.config, to).await?;
    store.close().await?;
    Ok(packed)
}

async fn ground(options: &PackOptions) -> Result<Ground, ImageError> {
    let Some(base) = &options.base else {
        let config = ImageConfig {
            created: None,
            platform: options.platform.clone(),
            config: Process::default(),
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
            history: Vec::new(),
            other: BTreeMap::new(),
        };
        return Ok(Ground { store: None, layers: Vec::new(), config });
    };
    let reference = base.reference().ok_or_else(|| ImageError::NoReference(base.to_string()))?;
    let store = Store::open(base).await?;
    let (_, image) = store.image(reference, &options.platform).await?;
    let config = store.config(&image.config).await?;
    let layers = image.layers.into_iter().map(as_oci).collect();
    Ok(Ground { store: Some(store), layers, config })
}

/// The same bytes under OCI's name for their type.
fn as_oci(mut layer: Descriptor) -> Descriptor {
    if layer.media_type == media_type::DOCKER_LAYER_GZIP {
        layer.media_type = media_type::OCI_LAYER_GZIP.to_owned();
    }
    layer
}

async fn put_layer(store: &Store, layer: &Layer) -> Result<(), ImageError> {
    if store.has_blob(&layer.digest).await? {
        return Ok(());
    }
    let file = tokio::fs::File::open(&layer.file).await.map_err(ImageError::at(&layer.file))?;
    let bytes = ReaderStream::with_capacity(file, 256 * 1024).boxed();
    store.put_blob(&layer.digest, layer.size_bytes, bytes).await
}

fn describe(config: &mut ImageConfig, options: &PackOptions, diff_id: Digest) -> Result<(), ImageError> {
    let process = &mut config.config;
    if let Some(entrypoint) = &options.entrypoint {
        process.entrypoint.clone_from(entrypoint);
        process.cmd.clear();
    }
    if let Some(cmd) = &options.cmd {
        process.cmd.clone_from(cmd);
    }
    for (name, value) in &options.env {
        process.env.retain(|entry| entry.split_once('=').is_none_or(|(known, _)| known != name));
        process.env.push(format!("{name}={value}"));
    }
    if let Some(working_dir) = &options.working_dir {
        process.working_dir.clone_from(working_dir);
    }
    if let Some(user) = &options.user {
        process.user.clone_from(user);
    }
    for port in &options.exposed_ports {
        process.exposed_ports.insert(exposed(port)?, Nothing {});
    }
    process.labels.extend(options.labels.clone());
    config.created.clone_from(&options.created);
    config.rootfs.diff_ids.push(diff_id);
    let created_by = Some("sluice image pack".to_owned());
    config.history.push(History { created: options.created.clone(), created_by, ..History::default() });
    Ok(())
}

/// `8000` is `8000/tcp`.
fn exposed(port: &str) -> Result<String, ImageError> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let is_valid =
        number.parse::<u16>().is_ok_and(|number| number > 0) && matches!(protocol, "tcp" | "udp" | "sctp");
    if is_valid {
        return Ok(format!("{number}/{protocol}"));
    }
    Err(ImageError::Unsupported(format!(
        "the exposed port `{port}`: expected 1 to 65535, then /tcp, /udp or nothing;"
    )))
}

async fn put_manifest(
    store: &Store,
    layers: Vec<Descriptor>,
    config: &ImageConfig,
    to: &Location,
) -> Result<Packed, ImageError> {
    let config = to_json(config)?;
    let config_digest = digest_of(Algorithm::Sha256, &config);
    let config_size = config.len() as u64;
    if !store.has_blob(&config_digest).await? {
        let bytes = futures_util::stream::iter([Ok(config)]).boxed();
        store.put_blob(&config_digest, config_size, bytes).await?;
    }
    let size_bytes = layers.iter().fold(config_size, |sum, layer| sum.saturating_add(layer.size));
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::new(media_type::OCI_CONFIG, config_digest.clone(), config_size),
        layers,
        subject: None,
        annotations: BTreeMap::new(),
    };
    let bytes = to_json(&manifest)?;
    // What is sent must read back: the same check as at the other end.
    Manifest::parse(&bytes, Some(media_type::OCI_MANIFEST))?;
    let digest = digest_of(Algorithm::Sha256, &bytes);
    let reference = match to.reference() {
        Some(Reference::Digest(wanted)) if *wanted != digest => {
            return Err(ImageError::Damaged { place: "packing".to_owned(), digest: wanted.clone() });
        }
        Some(reference) => reference.clone(),
        None => Reference::Digest(digest.clone()),
    };
    store.put_manifest(&reference, media_type::OCI_MANIFEST, &digest, bytes).await?;
    Ok(Packed { digest, config_digest, size_bytes })
}

fn to_json(value: &impl Serialize) -> Result<Bytes, ImageError> {
    let text = serde_json::to_vec(value);
    text.map(Bytes::from)
        .map_err(|error| ImageError::Unsupported(format!("a description that is no JSON ({error})")))
}
