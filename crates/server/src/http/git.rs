use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use sluice_forge::{AfterPush, GitRequest, Service};
use sluice_model::{RepositoryName, UserName};

use super::answer::Answer;
use super::caller::Caller;
use crate::app::{App, Counters};
use crate::refusal::Refusal;
use crate::repository::{Followed, MAX_TRIGGERS};

/// How long a push waits for its runs to be planned, to tell where they are. They are planned all the same.
const WORDS_WITHIN: Duration = Duration::from_secs(20);

/// Whatever no other route answers: git, or nothing.
pub(crate) async fn fallback(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let path = request.uri().path();
    let Some((name, rest)) = read_path(path) else {
        let message = format!("there is nothing at {}", path.chars().take(200).collect::<String>());
        return Err(Refusal::not_found(message));
    };
    let asked = GitRequest::read(name, request.method(), rest, request.uri().query())?;
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    if asked.service == Service::ReceivePack {
        caller.must_write()?;
        if caller.0.job.is_some() {
            return Err(Refusal::forbidden("a job's token cannot push"));
        }
        app.repositories.begin_push(&asked.repository, &caller.0.name).await?;
    }
    let user = caller.0.name;
    let after = after_push(app.clone(), asked.repository.clone(), user.clone());
    Ok(app.forge.serve(&asked, &user, &parts.headers, body, after).await?)
}

/// `/owner/name.git/rest`, with `/git` before it or not.
fn read_path(path: &str) -> Option<(RepositoryName, &str)> {
    let path = path.strip_prefix("/git").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let (repository, rest) = path.strip_prefix('/')?.split_once(".git/")?;
    Some((repository.parse().ok()?, rest))
}

fn after_push(app: Arc<App>, repository: RepositoryName, by: UserName) -> AfterPush {
    Box::new(move || {
        Box::pin(async move {
            Counters::add(&app.counters.pushes);
            let Followed { planned, left_out } = match app.repositories.end_push(&repository, &by).await {
                Ok(followed) => followed,
                Err(error) => {
                    tracing::error!(%repository, %error, "a push was not followed up; the next start or push will");
                    return "The push is stored, but its runs could not be planned; the server's log says why"
                        .to_owned();
                }
            };
            let mut words = Vec::new();
            for receiver in planned {
                match tokio::time::timeout(WORDS_WITHIN, receiver).await {
                    Ok(Ok(lines)) => words.extend(lines),
                    Ok(Err(_)) | Err(_) => words.push("Its runs are still being planned".to_owned()),
                }
            }
            if left_out > 0 {
                words.push(format!(
                    "{left_out} more refs start nothing: a push starts the runs of {MAX_TRIGGERS} refs at most; push the \
                     others again, a few at a time, with a new commit"
                ));
            }
            words.join("\n")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_served_below_a_repository_with_or_without_its_prefix() {
        let read = |path| read_path(path).map(|(name, rest)| format!("{name} {rest}"));
        assert_eq!(read("/acme/shop.git/info/refs").as_deref(), Some("acme/shop info/refs"));
        assert_eq!(read("/git/acme/shop.git/git-upload-pack").as_deref(), Some("acme/shop git-upload-pack"));
        for other in
            ["/acme/shop", "/acme.git/x", "/a/b/c.git/x", "/../b.git/x", "/", "", "/gitacme/../x.git/y"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
