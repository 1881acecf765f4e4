use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::answer::{PageAnswer, Reader, page as page_of};
use crate::app::App;
use crate::http::caller::repository;
use crate::present::pages as present;

pub(crate) async fn page(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): Path<(String, String)>,
) -> PageAnswer {
    let shown = present::images(&app, &repository(&owner, &name)?).await?;
    Ok(page_of(StatusCode::OK, shown.render(&reader.frame())))
}
