use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use sluice_model::RepositoryName;
use sluice_view::{ArtifactFile, ArtifactPage};
use tokio_util::io::ReaderStream;

use super::answer::{PageAnswer, Reader, page as page_of};
use crate::app::App;
use crate::http::caller::repository;
use crate::refusal::Refusal;

/// The most files that the page lists.
const LISTED: usize = 1_000;

/// The files of an artifact.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number, artifact)): Path<(String, String, u64, String)>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let folder = folder(&app, &repository, number, &artifact).await?;
    let listed = tokio::task::spawn_blocking(move || list(&folder)).await.map_err(io::Error::other);
    let (files, has_more) = listed.and_then(|listed| listed)?;
    let shown = ArtifactPage { repository, run_number: number, name: artifact, files, has_more };
    Ok(page_of(StatusCode::OK, shown.render(&reader.frame())))
}

/// One file of an artifact. A job wrote it, so that a browser keeps it and never shows it as a page of this server.
pub(crate) async fn file(
    State(app): State<Arc<App>>,
    _reader: Reader,
    Path((owner, name, number, artifact, path)): Path<(String, String, u64, String, String)>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let folder = folder(&app, &repository, number, &artifact).await?;
    let found = within(&folder, &path).await.ok_or_else(|| {
        let shown: String = path.chars().take(200).collect();
        Refusal::not_found(format!("the artifact `{artifact}` of run {number} has no file `{shown}`"))
    })?;
    let file = tokio::fs::File::open(&found).await?;
    let length = file.metadata().await?.len();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CONTENT_DISPOSITION, disposition(&path)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

async fn folder(
    app: &App,
    repository: &RepositoryName,
    number: u64,
    artifact: &str,
) -> Result<PathBuf, Refusal> {
    let row = app.row(repository, number).await?;
    let folder = app.agent.artifact_folder(row.id, artifact);
    // The folder's own links are resolved, so that what is in it can be compared.
    tokio::fs::canonicalize(folder).await.map_err(|_| {
        let shown: String = artifact.chars().take(200).collect();
        Refusal::not_found(format!("run {number} of {repository} has no artifact `{shown}`"))
    })
}

/// The file at a path below a folder; none where there is none, and none where a link leads out.
async fn within(folder: &FilePath, path: &str) -> Option<PathBuf> {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if !path.split('/').all(is_plain) {
        return None;
    }
    let found = tokio::fs::canonicalize(folder.join(path)).await.ok()?;
    let is_file = tokio::fs::metadata(&found).await.is_ok_and(|seen| seen.is_file());
    (found.starts_with(folder) && is_file).then_some(found)
}

/// Regular files in the order of their paths; links are left out.
fn list(folder: &FilePath) -> io::Result<(Vec<ArtifactFile>, bool)> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Ok(path) = entry.path().strip_prefix(folder)
            {
                let path = path.to_string_lossy().into_owned();
                files.push(ArtifactFile { path, size_bytes: entry.metadata()?.len() });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let has_more = files.len() > LISTED;
    files.truncate(LISTED);
    Ok((files, has_more))
}

/// `attachment`, with the file's name in both forms (RFC 6266, 4.3).
fn disposition(path: &str) -> HeaderValue {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_keeps_its_name_and_no_more() {
        for (path, expect) in [
            ("out/report.txt", "attachment; filename=\"report.txt\"; filename*=UTF-8''report.txt"),
            ("a\"b\r\n.html", "attachment; filename=\"a_b__.html\"; filename*=UTF-8''a%22b%0D%0A.html"),
            ("ü", "attachment; filename=\"_\"; filename*=UTF-8''%C3%BC"),
        ] {
            assert_eq!(disposition(path).to_str().unwrap(), expect);
        }
    }

    #[tokio::test]
    async fn nothing_outside_of_the_artifact_is_given() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().canonicalize().unwrap().join("artifact");
        std::fs::create_dir_all(folder.join("in")).unwrap();
        std::fs::write(folder.join("in/file"), "x").unwrap();
        std::fs::write(place.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(place.path().join("secret"), folder.join("link")).unwrap();
        assert!(within(&folder, "in/file").await.is_some());
        for path in ["", "in", "in/", "../secret", "in/../../secret", "/etc/passwd", "link", "none", "a\0b"] {
            assert!(within(&folder, path).await.is_none(), "{path:?}");
        }
        let (files, has_more) = list(&folder).unwrap();
        assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["in/file"]);
        assert!(!has_more);
    }
}
