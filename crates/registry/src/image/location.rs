use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Endpoint, ImageError};
use crate::{ImageRepository, Reference};

/// Where an image is or shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder in the form of OCI image-spec 1.1, image-layout.md: `oci:FOLDER[:TAG|@DIGEST]`.
    Layout { folder: PathBuf, reference: Option<Reference> },
    /// Such a folder in one tar file: `oci-archive:FILE[:TAG|@DIGEST]`.
    Archive { file: PathBuf, reference: Option<Reference> },
    /// `HOST/REPOSITORY[:TAG|@DIGEST]`, also with `docker://` before it; with `http://`, in the clear.
    Registry { endpoint: Endpoint, repository: ImageRepository, reference: Option<Reference> },
}

impl Location {
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Layout { reference, .. }
            | Self::Archive { reference, .. }
            | Self::Registry { reference, .. } => reference.as_ref(),
        }
    }

    /// The same place with another reference.
    pub fn at(mut self, wanted: Reference) -> Self {
        match &mut self {
            Self::Layout { reference, .. }
            | Self::Archive { reference, .. }
            | Self::Registry { reference, .. } => *reference = Some(wanted),
        }
        self
    }

    /// The same place with credentials for its registry; a folder needs none.
    pub fn with_credentials(mut self, credentials: crate::Credentials) -> Self {
        if let Self::Registry { endpoint, .. } = &mut self {
            endpoint.credentials = Some(credentials);
        }
        self
    }
}

impl FromStr for Location {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        if let Some(rest) = text.strip_prefix("oci:") {
            let (path, reference) = split(rest, text)?;
            return Ok(Self::Layout { folder: path.into(), reference });
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            let (path, reference) = split(rest, text)?;
            return Ok(Self::Archive { file: path.into(), reference });
        }
        let (name, is_plain) = match text.strip_prefix("http://") {
            Some(rest) => (rest, true),
            None => (text.strip_prefix("docker://").unwrap_or(text), false),
        };
        let (name, reference) = split(name, text)?;
        let wrong = |reason: &str| ImageError::Location { seen: text.to_owned(), reason: reason.to_owned() };
        let (host, repository) =
            name.split_once('/').ok_or_else(|| wrong("it has no registry before a `/`"))?;
        // As Docker tells a host from a repository's first component.
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(wrong("its first part is no host: there is no default registry"));
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if !host.bytes().all(is_host) {
            return Err(wrong("its first part is no host"));
        }
        let endpoint = if is_plain { Endpoint::plain(host) } else { Endpoint::new(host) };
        let repository = repository.parse().map_err(|error| wrong(&format!("{error}")))?;
        Ok(Self::Registry { endpoint, repository, reference })
    }
}

/// Parts the reference from what is before it. A colon belongs to a tag only behind the last slash.
fn split<'a>(rest: &'a str, whole: &str) -> Result<(&'a str, Option<Reference>), ImageError> {
    let wrong = |error: sluice_model::InvalidName| ImageError::Location {
        seen: whole.to_owned(),
        reason: error.to_string(),
    };
    let empty = |path: &str| match path {
        "" => Err(ImageError::Location { seen: whole.to_owned(), reason: "it names nothing".to_owned() }),
        _ => Ok(()),
    };
    if let Some((path, digest)) = rest.rsplit_once('@') {
        empty(path)?;
        // `name:tag@digest`: the digest decides, and the tag is only for people.
        let tag_at = path.rfind(':').filter(|at| !path[*at..].contains('/'));
        let path = tag_at.map_or(path, |at| &path[..at]);
        return Ok((path, Some(Reference::Digest(digest.parse().map_err(wrong)?))));
    }
    match rest.rfind(':').filter(|at| !rest[*at..].contains('/')) {
        // `localhost:5000` alone has a port, and no repository: the caller says so.
        Some(at) if rest.contains('/') || whole.starts_with("oci") => {
            empty(&rest[..at])?;
            Ok((&rest[..at], Some(Reference::Tag(rest[at + 1..].parse().map_err(wrong)?))))
        }
        _ => empty(rest).map(|()| (rest, None)),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout { folder, .. } => write!(f, "oci:{}", folder.display())?,
            Self::Archive { file, .. } => write!(f, "oci-archive:{}", file.display())?,
            Self::Registry { endpoint, repository, .. } => write!(f, "{}/{repository}", endpoint.host())?,
        }
        self.reference().map_or(Ok(()), |reference| f.write_str(&reference.suffix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_back() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "127.0.0.1:5000/storefront/api:version1.0.0",
            "localhost/a",
            "registry.example.org/a/b/c",
            &format!("registry.example.org/a@{digest}"),
            "oci:/tmp/layout",
            "oci:layout:v1",
            &format!("oci:layout@{digest}"),
            "oci-archive:/tmp/a.tar:latest",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        let both = format!("localhost:5000/a:v1@{digest}").parse::<Location>().unwrap();
        assert_eq!(both.to_string(), format!("localhost:5000/a@{digest}"));
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for text in [
            "",
            "a",
            "a/b",
            "localhost:5000",
            "localhost/A",
            "localhost/a:",
            "localhost/a:b c",
            "oci:",
            "oci::v1",
            "localhost/a@sha256:aa",
            "ho st.x/a",
            "a@b.example/x",
            "localhost/../a",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text:?} was taken");
        }
    }
}
