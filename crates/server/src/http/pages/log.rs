use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::Deserialize;
use sluice_model::InstanceId;
use sluice_view::LogFeed;
use tokio_util::io::ReaderStream;

use super::answer::{PageAnswer, Reader, page as page_of};
use super::live::{self, Drawn, Open};
use super::runs::of;
use crate::app::App;
use crate::http::caller::repository;
use crate::http::logs::{Tail, key};
use crate::present::pages;

type JobPath = Path<(String, String, u64, String)>;

#[derive(Debug, Deserialize)]
pub(crate) struct FromQuery {
    /// The first line, from 1.
    #[serde(default)]
    from: u64,
}

/// The most lines of one answer.
const MOST: usize = 20_000;
/// Lines are gathered for so long before they are sent.
const GATHER: Duration = Duration::from_millis(100);

fn instance(text: &str) -> InstanceId {
    let Ok(instance) = text.parse();
    instance
}

pub(crate) async fn page(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number, id)): JobPath,
    Query(query): Query<FromQuery>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let shown = pages::job(&app, &reader.actor, &repository, number, &instance(&id), query.from).await?;
    Ok(page_of(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn events(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number, id)): JobPath,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let (reader, id) = (Arc::new(reader), instance(&id));
    let (drawing, shown) = (app.clone(), repository.clone());
    let draw = move || {
        let (app, reader, repository, id) = (drawing.clone(), reader.clone(), shown.clone(), id.clone());
        async move {
            let page = pages::job(&app, &reader.actor, &repository, number, &id, u64::MAX).await?;
            Ok(Drawn { regions: page.regions(&reader.frame()), is_over: false })
        }
    };
    Ok(live::stream(app, of(repository), draw))
}

pub(crate) async fn lines(
    State(app): State<Arc<App>>,
    _reader: Reader,
    Path((owner, name, number, id)): JobPath,
    Query(query): Query<FromQuery>,
) -> PageAnswer {
    let key = key(&app, &repository(&owner, &name)?, number, &instance(&id)).await?;
    let (logs, from) = (app.logs.clone(), query.from.max(1));
    let read = tokio::task::spawn_blocking(move || logs.lines(&key, from, MOST)).await;
    let lines = read.map_err(io::Error::other)??;
    let text = LogFeed::new().lines(from, &pages::log_lines(lines));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response())
}

pub(crate) async fn log_events(
    State(app): State<Arc<App>>,
    _reader: Reader,
    Path((owner, name, number, id)): JobPath,
    Query(query): Query<FromQuery>,
) -> PageAnswer {
    let key = key(&app, &repository(&owner, &name)?, number, &instance(&id)).await?;
    let tail = Tail { app: app.clone(), key, next: query.from.max(1), follow: true };
    let begin = Some((Open::new(app), tail, LogFeed::new()));
    let chunks = futures_util::stream::try_unfold(begin, |stream| async move {
        let Some((open, mut tail, mut feed)) = stream else { return Ok::<_, io::Error>(None) };
        match tail.more().await? {
            Some((first, lines)) => {
                let text = feed.message(first, &pages::log_lines(lines));
                tokio::time::sleep(GATHER).await;
                Ok(Some((Bytes::from(text), Some((open, tail, feed)))))
            }
            // The server ends: the browser comes back by itself.
            None if open.app.stopping.is_cancelled() => Ok(None),
            None => Ok(Some((Bytes::from(live::END), None))),
        }
    });
    Ok(live::events(chunks))
}

pub(crate) async fn raw(
    State(app): State<Arc<App>>,
    _reader: Reader,
    Path((owner, name, number, id)): JobPath,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let key = key(&app, &repository, number, &instance(&id)).await?;
    let safe: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(80).collect();
    let disposition = format!("attachment; filename=\"{}-{number}-{safe}.txt\"", repository.name());
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let body = match tokio::fs::File::open(app.logs.text_path(&key)).await {
        Ok(file) => Body::from_stream(ReaderStream::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Body::empty(),
        Err(error) => return Err(error.into()),
    };
    Ok((headers, body).into_response())
}
