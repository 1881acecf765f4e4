use axum::http::Method;
use percent_encoding::percent_decode_str;
use sluice_blobs::UploadId;
use sluice_model::{Digest, InvalidName};

use super::error::Refusal;
use crate::{Action, ImageRepository, Reference};

/// What a path under `/v2/` names (OCI distribution-spec 1.1, "Endpoints").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Base,
    Token,
    Catalog,
    Repository { repository: ImageRepository, endpoint: Endpoint },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Blob(Digest),
    Manifest(Reference),
    Uploads,
    Upload(UploadId),
    Tags,
    Referrers(Digest),
}

impl Route {
    /// Reads a path. The repository's name has any number of components, so that the end is looked at first.
    ///
    /// A reference of no valid form is unknown to those who look for it, and invalid to those who push it.
    pub fn parse(method: &Method, path: &str) -> Result<Self, Refusal> {
        let rest = path.strip_prefix("/v2").unwrap_or(path).trim_start_matches('/');
        let decoded = percent_decode_str(rest).decode_utf8();
        let decoded = decoded.map_err(|_| Refusal::not_found())?;
        match &*decoded {
            "" => return Ok(Self::Base),
            "token" => return Ok(Self::Token),
            "_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let parts: Vec<&str> = decoded.split('/').collect();
        let (repository, endpoint) = match &parts[..] {
            [name @ .., "blobs", "uploads", ""] | [name @ .., "blobs", "uploads"] => {
                (name, Endpoint::Uploads)
            }
            [name @ .., "blobs", "uploads", id] => {
                let repository = repository(name)?;
                let id = id.parse().map_err(|error| Refusal::upload_unknown(&error))?;
                return Ok(Self::Repository { repository, endpoint: Endpoint::Upload(id) });
            }
            [name @ .., "blobs", digest] => {
                let repository = repository(name)?;
                let digest = digest.parse().map_err(|error| Refusal::digest_invalid(&error))?;
                return Ok(Self::Repository { repository, endpoint: Endpoint::Blob(digest) });
            }
            [name @ .., "manifests", text] => {
                let repository = repository(name)?;
                let reference = text.parse().map_err(|error: InvalidName| match error.kind {
                    "digest" => Refusal::digest_invalid(&error),
                    _ if method == Method::PUT => Refusal::tag_invalid(&error),
                    _ => Refusal::tag_unknown(&error),
                })?;
                return Ok(Self::Repository { repository, endpoint: Endpoint::Manifest(reference) });
            }
            [name @ .., "tags", "list"] => (name, Endpoint::Tags),
            [name @ .., "referrers", digest] => {
                let repository = repository(name)?;
                let digest = digest.parse().map_err(|error| Refusal::digest_invalid(&error))?;
                return Ok(Self::Repository { repository, endpoint: Endpoint::Referrers(digest) });
            }
            _ => return Err(Refusal::not_found()),
        };
        Ok(Self::Repository { repository: self::repository(repository)?, endpoint })
    }
}

fn repository(parts: &[&str]) -> Result<ImageRepository, Refusal> {
    parts.join("/").parse().map_err(|error| Refusal::name_invalid(&error))
}

impl Endpoint {
    /// What a request with this method does.
    pub fn action(&self, method: &Method) -> Result<Action, Refusal> {
        let (action, allowed) = match (self, method) {
            (Self::Blob(_) | Self::Manifest(_), &Method::GET | &Method::HEAD) => (Some(Action::Pull), ""),
            (Self::Blob(_) | Self::Manifest(_), &Method::DELETE) => (Some(Action::Delete), ""),
            (Self::Manifest(_), &Method::PUT) => (Some(Action::Push), ""),
            (Self::Blob(_), _) => (None, "GET, HEAD, DELETE"),
            (Self::Manifest(_), _) => (None, "GET, HEAD, PUT, DELETE"),
            (Self::Uploads, &Method::POST) => (Some(Action::Push), ""),
            (Self::Uploads, _) => (None, "POST"),
            (Self::Upload(_), &Method::GET | &Method::PATCH | &Method::PUT | &Method::DELETE) => {
                (Some(Action::Push), "")
            }
            (Self::Upload(_), _) => (None, "GET, PATCH, PUT, DELETE"),
            (Self::Tags | Self::Referrers(_), &Method::GET) => (Some(Action::Pull), ""),
            (Self::Tags | Self::Referrers(_), _) => (None, "GET"),
        };
        action.ok_or_else(|| Refusal::method_not_allowed(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        match Route::parse(&Method::GET, path) {
            Ok(Route::Repository { repository, endpoint }) => {
                let endpoint = format!("{endpoint:?}");
                format!("{repository} {}", endpoint.split('(').next().unwrap_or_default())
            }
            Ok(other) => format!("{other:?}"),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    #[test]
    fn a_path_is_read_from_its_end() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let id = "0190b3a5-1c7e-7cc1-9f0e-3b1f6f5d8a11";
        for (path, expected) in [
            ("/v2".to_owned(), "Base"),
            ("/v2/".to_owned(), "Base"),
            ("/v2/token".to_owned(), "Token"),
            ("/v2/_catalog".to_owned(), "Catalog"),
            ("/v2/a/tags/list".to_owned(), "a Tags"),
            ("/v2/a/b/c/tags/list".to_owned(), "a/b/c Tags"),
            ("/v2/tags/list/tags/list".to_owned(), "tags/list Tags"),
            ("/v2/a/manifests/latest".to_owned(), "a Manifest"),
            (format!("/v2/a/manifests/{digest}"), "a Manifest"),
            (format!("/v2/a/manifests/{}", digest.replace(':', "%3A")), "a Manifest"),
            (format!("/v2/a/b/blobs/{digest}"), "a/b Blob"),
            ("/v2/a/blobs/uploads/".to_owned(), "a Uploads"),
            ("/v2/a/blobs/uploads".to_owned(), "a Uploads"),
            (format!("/v2/a/blobs/uploads/{id}"), "a Upload"),
            (format!("/v2/a/referrers/{digest}"), "a Referrers"),
            ("/v2/blobs/blobs/uploads/".to_owned(), "blobs Uploads"),
            ("/v2/a".to_owned(), "NOT_FOUND"),
            ("/v2/tags/list".to_owned(), "NAME_INVALID"),
            ("/v2/../../etc/tags/list".to_owned(), "NAME_INVALID"),
            ("/v2/%2e%2e/x/tags/list".to_owned(), "NAME_INVALID"),
            ("/v2/a/%2e%2e/tags/list".to_owned(), "NAME_INVALID"),
            ("/v2/_tags/tags/list".to_owned(), "NAME_INVALID"),
            ("/v2/A/manifests/x".to_owned(), "NAME_INVALID"),
            ("/v2/a/manifests/..".to_owned(), "MANIFEST_UNKNOWN"),
            ("/v2/a/manifests/sha256:aa".to_owned(), "DIGEST_INVALID"),
            ("/v2/a/blobs/latest".to_owned(), "DIGEST_INVALID"),
            ("/v2/a/referrers/latest".to_owned(), "DIGEST_INVALID"),
            ("/v2/a/blobs/uploads/../../x".to_owned(), "NOT_FOUND"),
            ("/v2/a/blobs/uploads/x".to_owned(), "BLOB_UPLOAD_UNKNOWN"),
            ("/v2/%ff/tags/list".to_owned(), "NOT_FOUND"),
        ] {
            assert_eq!(read(&path), expected, "{path}");
        }
    }
}
