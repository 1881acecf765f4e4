//! A real git client against the forge, over real HTTP on a loopback address.

mod http;
mod read;
mod snapshot;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path as UrlPath, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use sluice_forge::{AfterPush, Forge, GitRequest, Limits, Service};
use sluice_model::{RepositoryName, UserName};

struct Served {
    folder: tempfile::TempDir,
    forge: Forge,
    url: String,
    /// How often a push was followed up.
    pushes: Arc<Mutex<u32>>,
}

#[derive(Clone)]
struct Handler {
    forge: Forge,
    pushes: Arc<Mutex<u32>>,
}

async fn serve(limits: Limits) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let forge = Forge::open(folder.path().join("git"), limits).unwrap();
    let pushes = Arc::new(Mutex::new(0));
    let handler = Handler { forge: forge.clone(), pushes: pushes.clone() };
    let app = Router::new().route("/{owner}/{name}/{*path}", any(handle)).with_state(handler);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Served { folder, forge, url, pushes }
}

async fn handle(
    State(handler): State<Handler>,
    UrlPath((owner, name, path)): UrlPath<(String, String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let name = format!("{owner}/{}", name.trim_end_matches(".git"));
    let Ok(name) = name.parse::<RepositoryName>() else {
        return (StatusCode::BAD_REQUEST, "no such name").into_response();
    };
    let asked = GitRequest::read(name.clone(), request.method(), &path, query.as_deref());
    let Ok(asked) = asked else { return (StatusCode::NOT_FOUND, "not served").into_response() };
    if asked.service == Service::ReceivePack {
        handler.forge.create(&name).await.unwrap();
    }
    let (head, body) = request.into_parts();
    let pushes = handler.pushes.clone();
    let after: AfterPush = Box::new(move || {
        Box::pin(async move {
            *pushes.lock().unwrap() += 1;
            "run 7: http://127.0.0.1/runs/7".to_owned()
        })
    });
    match handler.forge.serve(&asked, &UserName::new("ann"), &head.headers, body, after).await {
        Ok(response) => response,
        Err(error) => (StatusCode::NOT_FOUND, error.to_string()).into_response(),
    }
}

/// A repository of a person, with one commit.
fn person(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=master"]).unwrap();
    git(&path, &["config", "user.name", "Ann"]).unwrap();
    git(&path, &["config", "user.email", "ann@example.com"]).unwrap();
    std::fs::write(path.join("a.txt"), "one\n").unwrap();
    commit(&path, "First");
    path
}

fn commit(path: &Path, subject: &str) -> sluice_model::CommitSha {
    git(path, &["add", "--all"]).unwrap();
    git(path, &["commit", "--quiet", "-m", subject]).unwrap();
    git(path, &["rev-parse", "HEAD"]).unwrap().trim().parse().unwrap()
}

/// What git wrote, to both streams; as an error where it failed.
fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// Git in the background, for the server lives on this thread's runtime.
async fn git_there(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let folder = folder.to_owned();
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        git(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    })
    .await
    .unwrap()
}
