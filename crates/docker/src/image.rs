use std::collections::BTreeMap;
use std::path::Path;

use bollard::auth::DockerCredentials;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListImagesOptionsBuilder,
    RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use tokio_util::io::ReaderStream;

use crate::network::Found;
use crate::{Engine, EngineError, Labels};

/// What `docker login` would hold for one registry. `Debug` hides the password.
#[derive(Clone)]
pub struct RegistryCredentials {
    pub username: String,
    pub password: String,
    /// The registry's host, and its port where it has one.
    pub server: String,
}

impl std::fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RegistryCredentials({}@{})", self.username, self.server)
    }
}

/// One line of a pull, push or load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The layer's short id, where the line is about one.
    pub layer: Option<String>,
    pub status: String,
    pub current_bytes: Option<u64>,
    pub total_bytes: Option<u64>,
}

/// What an image says of how it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInspected {
    /// `sha256:…`, the digest of the image's configuration.
    pub id: String,
    /// `host/name@sha256:…`, for each registry that it was pulled from or pushed to.
    pub repo_digests: Vec<String>,
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub user: Option<String>,
    pub working_directory: Option<String>,
    /// `8080/tcp`
    pub exposed_ports: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub architecture: String,
}

impl Engine {
    /// None where there is no such image on this machine.
    pub async fn inspect_image(&self, image: &str) -> Result<Option<ImageInspected>, EngineError> {
        let seen = match self.docker.inspect_image(image).await {
            Ok(seen) => seen,
            Err(error) => match EngineError::of("inspect the image", image, error) {
                error if error.is_absent() => return Ok(None),
                error => return Err(error),
            },
        };
        let config = seen.config.unwrap_or_default();
        let text = |value: Option<String>| value.filter(|text| !text.is_empty());
        Ok(Some(ImageInspected {
            id: seen.id.unwrap_or_default(),
            repo_digests: seen.repo_digests.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            user: text(config.user),
            working_directory: text(config.working_dir),
            exposed_ports: config.exposed_ports.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            architecture: seen.architecture.unwrap_or_default(),
        }))
    }

    /// Pulls an image, telling its progress line by line.
    pub async fn pull_image(
        &self,
        image: &str,
        credentials: Option<&RegistryCredentials>,
        mut progress: impl FnMut(Progress),
    ) -> Result<(), EngineError> {
        // Without a tag the API would pull every tag of the repository.
        let (name, tag) = split_reference(image);
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let credentials = credentials.map(|given| DockerCredentials {
            username: Some(given.username.clone()),
            password: Some(given.password.clone()),
            serveraddress: Some(given.server.clone()),
            ..Default::default()
        });
        let mut lines = std::pin::pin!(self.docker.create_image(Some(options), None, credentials));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| match EngineError::of("pull the image", image, error) {
                EngineError::Refused { reason, .. } => EngineError::Pull { image: image.to_owned(), reason },
                EngineError::NoSuchImage { .. } => EngineError::Pull {
                    image: image.to_owned(),
                    reason: "the registry does not have it".to_owned(),
                },
                other => other,
            })?;
            progress(Progress {
                layer: line.id,
                status: line.status.unwrap_or_default(),
                current_bytes: line
                    .progress_detail
                    .as_ref()
                    .and_then(|detail| detail.current?.try_into().ok()),
                total_bytes: line.progress_detail.as_ref().and_then(|detail| detail.total?.try_into().ok()),
            });
        }
        Ok(())
    }

    /// Gives an image a second name, `target` being `name:tag`.
    pub async fn tag_image(&self, image: &str, target: &str) -> Result<(), EngineError> {
        let (repo, tag) = split_reference(target);
        let options = TagImageOptionsBuilder::default().repo(repo).tag(tag).build();
        let tagged = self.docker.tag_image(image, Some(options)).await;
        tagged.map_err(|error| EngineError::of("tag the image", image, error))
    }

    /// Loads the archive that `docker save` or an OCI layout tool wrote.
    pub async fn load_image(
        &self,
        archive: &Path,
        progress: impl FnMut(Progress),
    ) -> Result<(), EngineError> {
        let name = archive.display().to_string();
        let body = bollard::body_try_stream(open(archive, "load the image", &name).await?);
        let options = ImportImageOptionsBuilder::default().build();
        let lines = self.docker.import_image(options, body, None);
        let lines = lines.map(|line| line.map(|info| (info.id, info.stream.or(info.status))));
        drain(lines, "load the image", &name, progress).await
    }

    /// Makes an image of one layer out of a tar of a file system, as `docker import` does.
    ///
    /// `changes` are Dockerfile instructions: `ENTRYPOINT`, `ENV`, `USER`, `WORKDIR`, ….
    pub async fn import_filesystem(
        &self,
        archive: &Path,
        target: &str,
        changes: &[String],
        progress: impl FnMut(Progress),
    ) -> Result<(), EngineError> {
        let body = bollard::body_try_stream(open(archive, "import the image", target).await?);
        let (repo, tag) = split_reference(target);
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(repo)
            .tag(tag)
            .changes(changes.to_vec())
            .build();
        let lines = self.docker.create_image(Some(options), Some(body), None);
        let lines = lines.map(|line| line.map(|info| (info.id, info.status)));
        drain(lines, "import the image", target, progress).await
    }

    /// Builds an image out of a tar of a folder, by one Dockerfile in it. `progress` is given what the build says.
    pub async fn build_image(
        &self,
        archive: &Path,
        dockerfile: &str,
        target: &str,
        labels: &Labels,
        mut progress: impl FnMut(&str),
    ) -> Result<(), EngineError> {
        let body = bollard::body_try_stream(open(archive, "build the image", target).await?);
        let options = BuildImageOptionsBuilder::default()
            .dockerfile(dockerfile)
            .t(target)
            .labels(&labels.to_map())
            .rm(true)
            .forcerm(true)
            .build();
        let mut lines = std::pin::pin!(self.docker.build_image(options, None, Some(body)));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| EngineError::of("build the image", target, error))?;
            if let Some(detail) = line.error_detail {
                return Err(EngineError::Refused {
                    what: "build the image",
                    name: target.to_owned(),
                    reason: detail.message.unwrap_or_default(),
                });
            }
            if let Some(text) = line.stream.or(line.status) {
                progress(&text);
            }
        }
        Ok(())
    }

    /// Removes an image; one that is not there is removed already.
    pub async fn remove_image(&self, image: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        let removed = self.docker.remove_image(image, Some(options), None).await;
        crate::network::gone(
            removed.map(drop).map_err(|error| EngineError::of("remove the image", image, error)),
        )
    }

    /// The images of a repository by their names, `repository:tag`.
    pub async fn list_images(&self, repository: &str) -> Result<Vec<Found>, EngineError> {
        let filters =
            std::collections::HashMap::from([("reference".to_owned(), vec![repository.to_owned()])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let found = self.docker.list_images(Some(options)).await;
        let found = found.map_err(|error| EngineError::of("list the images of", repository, error))?;
        let named = |image: bollard::models::ImageSummary| {
            let labels: Labels = image.labels.into_iter().collect();
            image.repo_tags.into_iter().map(move |id| Found { id, labels: labels.clone() })
        };
        Ok(found.into_iter().flat_map(named).collect())
    }
}

async fn drain(
    lines: impl Stream<Item = Result<(Option<String>, Option<String>), bollard::errors::Error>>,
    what: &'static str,
    name: &str,
    mut progress: impl FnMut(Progress),
) -> Result<(), EngineError> {
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.next().await {
        let (layer, status) = line.map_err(|error| EngineError::of(what, name, error))?;
        let status = status.unwrap_or_default();
        progress(Progress { layer, status, current_bytes: None, total_bytes: None });
    }
    Ok(())
}

async fn open(
    archive: &Path,
    what: &'static str,
    name: &str,
) -> Result<ReaderStream<tokio::fs::File>, EngineError> {
    let file = tokio::fs::File::open(archive).await.map_err(|error| EngineError::Refused {
        what,
        name: name.to_owned(),
        reason: format!("{}: {error}", archive.display()),
    })?;
    Ok(ReaderStream::with_capacity(file, 256 * 1024))
}

/// `host:5000/name:tag` into name and tag; a digest counts as the tag; `latest` where there is none.
fn split_reference(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (name, digest);
    }
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::split_reference;

    #[test]
    fn a_reference_is_name_and_tag() {
        assert_eq!(split_reference("web"), ("web", "latest"));
        assert_eq!(split_reference("web:1"), ("web", "1"));
        assert_eq!(split_reference("127.0.0.1:5000/a/web"), ("127.0.0.1:5000/a/web", "latest"));
        assert_eq!(split_reference("127.0.0.1:5000/a/web:v1"), ("127.0.0.1:5000/a/web", "v1"));
        assert_eq!(split_reference("web@sha256:ab"), ("web", "sha256:ab"));
    }
}
