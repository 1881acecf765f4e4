use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sluice_wire::Problem;

use crate::refusal::Refusal;

/// What the API and git answer: JSON, with the refusal's own words.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Problem { message: self.message })).into_response();
        if self.status == axum::http::StatusCode::UNAUTHORIZED {
            // Git asks its person for a token only when it is told to.
            let challenge = axum::http::HeaderValue::from_static("Basic realm=\"sluice\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(crate) type Answer<T> = Result<T, Refusal>;
