use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sluice_model::CommitSha;
use tokio::net::TcpStream;

/// One question to an instance or a route.
const ANSWER: Duration = Duration::from_secs(5);
/// What a health or version path may answer.
const BODY_BYTES: usize = 64 * 1024;
/// Fewer digits of a commit name too many commits.
const COMMIT_DIGITS: usize = 7;

/// # Errors
/// What was seen instead of a 2xx or 3xx status.
pub async fn health(address: SocketAddr, path: &str) -> Result<(), String> {
    let (status, body) = get(address, path).await?;
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(format!("it answered {status}{}", quoted(&body)))
}

/// Why a version path does not vouch for a release. Both texts go on from the path's name.
#[derive(Debug, PartialEq, Eq)]
pub enum NotThis {
    /// It may be asked again.
    Unanswered(String),
    Other(String),
}

impl NotThis {
    pub fn into_reason(self) -> String {
        match self {
            Self::Unanswered(reason) | Self::Other(reason) => reason,
        }
    }
}

/// # Errors
/// What the path names instead of this version and commit.
pub async fn version(
    address: SocketAddr,
    path: &str,
    version: &str,
    commit: &CommitSha,
) -> Result<(), NotThis> {
    let unanswered = |reason: String| NotThis::Unanswered(format!("did not answer: {reason}"));
    let (status, body) = get(address, path).await.map_err(unanswered)?;
    match status {
        status if status.is_success() => compare(&body, version, commit).map_err(NotThis::Other),
        status if status.is_server_error() => {
            Err(NotThis::Unanswered(format!("answered {status}{}", quoted(&body))))
        }
        status => Err(NotThis::Other(format!("answered {status}{}", quoted(&body)))),
    }
}

fn compare(body: &[u8], version: &str, commit: &CommitSha) -> Result<(), String> {
    let answer: Value = serde_json::from_slice(body)
        .map_err(|_| format!("did not answer JSON with `version` and `commit`{}", quoted(body)))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    let seen = text("version").ok_or_else(|| format!("names no `version`{}", quoted(body)))?;
    if seen != version {
        return Err(format!("says version `{}`, and version `{version}` was deployed", short(seen)));
    }
    let seen = text("commit").ok_or_else(|| format!("names no `commit`{}", quoted(body)))?;
    if seen.len() < COMMIT_DIGITS || !commit.as_str().starts_with(&seen.to_ascii_lowercase()) {
        return Err(format!("says commit `{}`, and commit `{commit}` was deployed", short(seen)));
    }
    Ok(())
}

async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), String> {
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "nothing listens on its port".to_owned(),
            _ => error.to_string(),
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
        let request = Request::get(path)
            .header(HOST, address.to_string())
            .header("user-agent", "sluice")
            .header("connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("`{path}` is no path: {error}"))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(text)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BODY_BYTES).collect().await;
            let body = body.map_err(|error| format!("its answer's body: {error}"))?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(connection, answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    };
    tokio::time::timeout(ANSWER, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
}

fn text(error: hyper::Error) -> String {
    format!("it broke the connection off ({error})")
}

fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_path_names_version_and_commit() {
        let commit: CommitSha = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        for (body, said) in [
            (format!(r#"{{"version":"1.2.3","commit":"{commit}"}}"#), None),
            (r#"{"version":"1.2.3","commit":"0123456","more":1}"#.to_owned(), None),
            (r#"{"version":"1.2.2","commit":"0123456"}"#.to_owned(), Some("says version `1.2.2`")),
            (r#"{"version":"1.2.3","commit":"012345"}"#.to_owned(), Some("says commit `012345`")),
            (r#"{"version":"1.2.3","commit":"1123456"}"#.to_owned(), Some("says commit `1123456`")),
            (r#"{"version":"1.2.3"}"#.to_owned(), Some("names no `commit`")),
            (r#"{"version":3}"#.to_owned(), Some("names no `version`")),
            ("12".to_owned(), Some("names no `version`: 12")),
            ("<html>".to_owned(), Some("did not answer JSON")),
        ] {
            let outcome = compare(body.as_bytes(), "1.2.3", &commit);
            match (&outcome, said) {
                (Ok(()), None) => {}
                (Err(reason), Some(said)) if reason.contains(said) => {}
                _ => panic!("{body}: {outcome:?}"),
            }
        }
    }
}
