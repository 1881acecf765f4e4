use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderName, LINK};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sluice_model::Digest;

use super::error::{Answer, Refusal};
use super::{parameter, value};
use crate::shelf::tag_order;
use crate::{Descriptor, ImageIndex, ImageRepository, Registry, Tag, media_type};

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The most entries of a page; a `Link` leads to the rest.
const PAGE_ENTRIES: usize = 10_000;
/// The most bytes of a page of referrers, whose annotations may be long.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b':');

/// `GET …/tags/list` (OCI distribution-spec 1.1, "Listing Tags").
pub async fn tags(registry: &Registry, repository: &ImageRepository, request: &Parts) -> Answer {
    #[derive(Serialize)]
    struct Body<'a> {
        name: &'a ImageRepository,
        tags: &'a [Tag],
    }
    let mut tags = registry.pull_tags(repository).await?;
    if let Some(last) = parameter(request, "last") {
        // A tag that is not there, or is not one, still has a place in the order.
        let last = (last.to_ascii_lowercase(), last);
        let seen = tags.partition_point(|tag| tag_order(tag) <= last);
        tags.drain(..seen);
    }
    let page = page(request, tags.len())?;
    let link = page.next(&tags, |last, n| {
        format!("/v2/{repository}/tags/list?n={n}&last={}", utf8_percent_encode(last.as_str(), QUERY))
    });
    Ok(linked(axum::Json(Body { name: repository, tags: &tags[..page.entries] }).into_response(), link))
}

/// `GET /v2/_catalog`, as Docker's registry has it.
pub async fn catalog(registry: &Registry, request: &Parts) -> Answer {
    #[derive(Serialize)]
    struct Body<'a> {
        repositories: &'a [ImageRepository],
    }
    let mut repositories = registry.repositories().await?;
    if let Some(last) = parameter(request, "last") {
        let seen = repositories.partition_point(|name| name.as_str() <= last.as_str());
        repositories.drain(..seen);
    }
    let page = page(request, repositories.len())?;
    let link = page.next(&repositories, |last, n| {
        format!("/v2/_catalog?n={n}&last={}", utf8_percent_encode(last.as_str(), QUERY))
    });
    Ok(linked(axum::Json(Body { repositories: &repositories[..page.entries] }).into_response(), link))
}

/// `GET …/referrers/<digest>` (OCI distribution-spec 1.1, "Listing Referrers").
pub async fn referrers(
    registry: &Registry,
    repository: &ImageRepository,
    subject: &Digest,
    request: &Parts,
) -> Answer {
    let mut manifests = registry.pull_referrers(repository, subject).await?;
    let filter = parameter(request, "artifactType").filter(|text| !text.is_empty());
    if let Some(wanted) = &filter {
        manifests.retain(|manifest| manifest.artifact_type.as_ref() == Some(wanted));
    }
    if let Some(last) = parameter(request, "last") {
        let seen = manifests.partition_point(|manifest| manifest.digest.as_str() <= last.as_str());
        manifests.drain(..seen);
    }
    let entries = fitting(&manifests);
    let link = (entries < manifests.len()).then(|| {
        let last = manifests[entries - 1].digest.as_str();
        let filter = filter.as_deref().map(|text| utf8_percent_encode(text, QUERY));
        let filter = filter.map_or_else(String::new, |text| format!("&artifactType={text}"));
        format!("/v2/{repository}/referrers/{subject}?last={last}{filter}")
    });
    manifests.truncate(entries);
    let index = ImageIndex {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.to_owned()),
        artifact_type: None,
        manifests,
        subject: None,
        annotations: Default::default(),
    };
    let mut response = axum::Json(index).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type::OCI_INDEX));
    if filter.is_some() {
        headers.insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    Ok(linked(response, link))
}

/// How many descriptors fit on a page: at least one, where there are any.
fn fitting(manifests: &[Descriptor]) -> usize {
    let mut bytes = 0;
    let over = manifests.iter().position(|manifest| {
        bytes += serde_json::to_vec(manifest).map_or(0, |text| text.len());
        bytes > PAGE_BYTES
    });
    over.map_or(manifests.len(), |index| index.max(1))
}

struct Page {
    entries: usize,
    /// The number that the client asked for, where the list goes on.
    next: Option<usize>,
}

/// The page that `n` asks for. A page of none has no next, for that would be the same one again.
fn page(request: &Parts, available: usize) -> Result<Page, Refusal> {
    let asked = match parameter(request, "n") {
        None => PAGE_ENTRIES,
        Some(text) => text.parse::<usize>().map_err(|_| Refusal::page_invalid(&text))?.min(PAGE_ENTRIES),
    };
    let entries = asked.min(available);
    Ok(Page { entries, next: (entries < available && entries > 0).then_some(asked) })
}

impl Page {
    fn next<T>(&self, all: &[T], link: impl FnOnce(&T, usize) -> String) -> Option<String> {
        Some(link(all.get(self.entries.checked_sub(1)?)?, self.next?))
    }
}

/// RFC 8288 (RFC 5988), section 3.
fn linked(mut response: Response, link: Option<String>) -> Response {
    if let Some(link) = link {
        response.headers_mut().insert(LINK, value(&format!("<{link}>; rel=\"next\"")));
    }
    response
}
