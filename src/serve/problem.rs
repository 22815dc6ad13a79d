//! Errors of the API, as problem details (RFC 9457).
//!
//! In: what went wrong, or a rejection of warp's. Out: a response with a status, a title and a text
//! that says what to do next, as `application/problem+json`, or as a small page outside the API.

use serde_json::{Map, Value};
use warp::Rejection;
use warp::http::{HeaderValue, Method, StatusCode, header};
use warp::reply::Response;

use super::SearchError;
use super::guard::{Forbidden, Misdirected};
use crate::query::sandbox::SandboxError;

/// One problem.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    retry_after: Option<u32>,
    allow: Option<&'static str>,
    more: Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), retry_after: None, allow: None, more: Map::new() }
    }

    /// 400.
    pub(super) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    pub(super) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 413.
    pub(super) fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 503, to be tried again in so many seconds.
    pub(super) fn unavailable(detail: impl Into<String>, seconds: u32) -> Problem {
        Problem { retry_after: Some(seconds), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// 405; `takes` are the methods that would do.
    pub(super) fn wrong_method(method: &Method, takes: &'static str) -> Problem {
        let detail = format!("this address does not take {method}, only {takes}");
        Problem { allow: Some(takes), ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail) }
    }

    /// What it says.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// With another member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// What warp's own rejections mean.
    pub(super) fn from_rejection(rejection: &Rejection) -> Problem {
        use warp::reject::{InvalidHeader, InvalidQuery, MethodNotAllowed, MissingHeader};
        if let Some(Misdirected(host)) = rejection.find() {
            let detail = format!("`{host}` is not a name of this machine's loopback: use 127.0.0.1 or localhost");
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, detail);
        }
        if rejection.find::<Forbidden>().is_some() {
            let detail = "another web site sent this request; weir only takes them from its own page and from programs";
            return Problem::new(StatusCode::FORBIDDEN, detail);
        }
        if rejection.find::<InvalidQuery>().is_some() {
            return Problem::bad_request("the query string cannot be read");
        }
        if rejection.find::<InvalidHeader>().is_some_and(|bad| bad.name().eq_ignore_ascii_case("content-type")) {
            return Problem::bad_request("files are sent as a form: curl -F file=@auth.log …/ingest");
        }
        if let Some(bad) = rejection.find::<InvalidHeader>() {
            return Problem::bad_request(format!("the header `{}` cannot be read", bad.name()));
        }
        if let Some(missing) = rejection.find::<MissingHeader>() {
            return Problem::bad_request(format!("the header `{}` is missing", missing.name()));
        }
        if rejection.is_not_found() || rejection.find::<MethodNotAllowed>().is_some() {
            return Problem::not_found("there is nothing here; the page is at `/`, the API under `/api/v1`");
        }
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be served")
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Problem {
        let detail = error.to_string();
        match error {
            SearchError::Refused(_) => Problem::bad_request(detail),
            SearchError::Busy => Problem::unavailable(detail, 2),
            SearchError::TimedOut => Problem::new(StatusCode::GATEWAY_TIMEOUT, detail),
            SearchError::Failed(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl From<SandboxError> for Problem {
    fn from(error: SandboxError) -> Problem {
        let detail = error.to_string();
        match error {
            SandboxError::Refused(_) | SandboxError::Sql(_) => Problem::bad_request(detail),
            // It is written rightly, and still asks for too much.
            SandboxError::Memory(_) | SandboxError::Died(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            SandboxError::TimedOut(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, detail),
            SandboxError::Busy => Problem::unavailable(detail, 2),
            SandboxError::Unconfined(_) => Problem::new(StatusCode::NOT_IMPLEMENTED, detail),
            SandboxError::Query(error) if error.is_users() => Problem::bad_request(detail),
            SandboxError::Query(_) | SandboxError::Worker(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Response {
        let mut body = problem.more;
        body.insert("type".into(), "about:blank".into());
        body.insert("title".into(), problem.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), problem.status.as_u16().into());
        body.insert("detail".into(), problem.detail.into());
        let mut response = Response::new(Value::Object(body).to_string().into());
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(takes) = problem.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(takes));
        }
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
