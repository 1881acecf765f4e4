use std::fmt;

use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use crate::command::RouteKey;
use crate::stream::Outbound;

/// Why the proxy answers by itself. The `Proxy-Status` header has the error's registered type (RFC 9209, section 2.3).
#[derive(Debug)]
pub enum Problem {
    Removed,
    NoInstance,
    Refused { reason: String },
    Broken { reason: String },
    TimedOut { seconds: u64 },
    ClientStalled,
    Unsupported { what: &'static str },
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Removed => StatusCode::NOT_FOUND,
            Self::NoInstance => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused { .. } | Self::Broken { .. } => StatusCode::BAD_GATEWAY,
            Self::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Self::Unsupported { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn error_type(&self) -> &'static str {
        match self {
            Self::Removed | Self::NoInstance => "destination_unavailable",
            Self::Refused { .. } => "connection_refused",
            Self::Broken { .. } => "http_response_incomplete",
            Self::TimedOut { .. } => "http_response_timeout",
            Self::ClientStalled => "connection_read_timeout",
            Self::Unsupported { .. } => "http_request_denied",
        }
    }

    pub fn answer(&self, key: &RouteKey) -> Response<Outbound> {
        let status = self.status();
        let text = format!("{status}: {key}: {self}\n");
        let mut response = Response::new(Outbound::Own(Full::from(text.clone())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        if let Ok(value) = HeaderValue::from_str(&format!("sluice; error={}", self.error_type())) {
            headers.insert("proxy-status", value);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("nothing is deployed here any more"),
            Self::NoInstance => f.write_str("no release is live here yet"),
            Self::Refused { reason } => write!(f, "no instance took the request: {reason}"),
            Self::Broken { reason } => {
                write!(f, "the instance ended the connection without an answer: {reason}")
            }
            Self::TimedOut { seconds } => write!(f, "the instance did not answer within {seconds} s"),
            Self::ClientStalled => f.write_str("the request's body did not arrive in time"),
            Self::Unsupported { what } => write!(f, "{what} is not passed on"),
        }
    }
}
