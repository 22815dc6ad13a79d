//! The JSON API: one file a resource.
//!
//! In: requests under `/api/v1`, and `/ingest`, `/health`, `/metrics`. Out: JSON, problem details on
//! errors, server-sent events on `/api/v1/stream`.

mod alerts;
mod events;
mod intake;
mod params;
mod post;
mod split;
mod sql;
mod status;
mod stream;
mod unpack;
mod upload;

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::http::{HeaderValue, header};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::Context;
use super::problem::Problem;
use params::Params;

/// Whether a path gets JSON errors.
pub(super) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || matches!(path, "/ingest" | "/health" | "/metrics")
}

/// GET or HEAD.
fn reading() -> impl Filter<Extract = (), Error = Rejection> + Copy + Send + Sync + 'static {
    warp::get().or(warp::head()).unify()
}

type Answer = Result<Response, Problem>;

/// All routes of the API.
pub(super) fn routes(context: Arc<Context>) -> BoxedFilter<(Response,)> {
    let shared = context.clone();
    let with = warp::any().map(move || shared.clone()).boxed();
    let query = warp::query::<Vec<(String, String)>>().map(Params::new).boxed();
    let v1 = warp::path("api").and(warp::path("v1")).boxed();
    let at = |path: &'static str| v1.clone().and(warp::path(path)).boxed();
    let end = warp::path::end;

    let read_events = at("events").and(end()).and(reading()).and(with.clone()).and(query.clone());
    let post_events = at("events").and(end()).and(warp::post()).and(with.clone()).and(query.clone());
    let one_event = at("events").and(warp::path::param()).and(end()).and(reading()).and(with.clone());
    let search = at("search").and(end()).and(reading()).and(with.clone()).and(query.clone());
    let read_alerts = at("alerts").and(end()).and(reading()).and(with.clone()).and(query.clone());
    let one_alert = at("alerts").and(warp::path::param()).and(end()).and(reading()).and(with.clone());
    let stats = at("dashboard").and(warp::path("stats")).and(end()).and(reading()).and(with.clone());
    let rules = at("rules").and(end()).and(reading()).and(with.clone());
    let reload = at("rules").and(warp::path("reload")).and(end()).and(warp::post()).and(with.clone());
    let sql = at("sql").and(end()).and(warp::post()).and(with.clone()).and(query.clone());
    let stream = at("stream").and(end()).and(warp::get()).and(with.clone());
    let ingest = warp::path("ingest").and(end()).and(warp::post()).and(with.clone()).and(query.clone());
    let health = warp::path("health").and(end()).and(reading()).and(with.clone());
    let metrics = warp::path("metrics").and(end()).and(reading()).and(with.clone());

    read_events
        .then(|c, p| answer(events::latest(c, p)))
        .boxed()
        .or(post_events
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(|c, p, h, b| answer(post::post(c, p, h, b))))
        .unify()
        .boxed()
        .or(one_event.then(|id: String, c| answer(events::one(c, id))))
        .unify()
        .or(search.then(|c, p| answer(events::search(c, p))))
        .unify()
        .boxed()
        .or(read_alerts.then(|c, p| answer(alerts::list(c, p))))
        .unify()
        .or(one_alert.then(|id: String, c| answer(alerts::one(c, id))))
        .unify()
        .boxed()
        .or(stats.then(|c| answer(status::stats(c))))
        .unify()
        .or(rules.then(|c| answer(status::rules(c))))
        .unify()
        .or(reload.then(|c| answer(status::reload(c))))
        .unify()
        .boxed()
        .or(sql
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(|c, p, h, b| answer(sql::sql(c, p, h, b))))
        .unify()
        .boxed()
        .or(stream.and(warp::header::optional("last-event-id")).then(|c, last| answer(stream::stream(c, last))))
        .unify()
        .or(ingest
            .and(warp::header::headers_cloned())
            .and(warp::multipart::form().max_length(None))
            .then(|c, p, h, form| answer(upload::upload(c, p, h, form))))
        .unify()
        .boxed()
        .or(health.then(|c| answer(status::health(c))))
        .unify()
        .or(metrics.then(|c| answer(status::metrics(c))))
        .unify()
        .boxed()
        .or(wrong_method())
        .unify()
        .boxed()
}

/// A known path with a method it does not take: the answer names those it takes.
fn wrong_method() -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and_then(|path: warp::path::FullPath| {
            let takes = match path.as_str() {
                "/api/v1/events" => Some("GET, HEAD, POST"),
                "/ingest" | "/api/v1/rules/reload" | "/api/v1/sql" => Some("POST"),
                "/api/v1/search"
                | "/api/v1/alerts"
                | "/api/v1/dashboard/stats"
                | "/api/v1/rules"
                | "/health"
                | "/metrics" => Some("GET, HEAD"),
                "/api/v1/stream" => Some("GET"),
                p if p.starts_with("/api/v1/events/") || p.starts_with("/api/v1/alerts/") => Some("GET, HEAD"),
                _ => None,
            };
            async move { takes.ok_or_else(warp::reject::not_found) }
        })
        .and(warp::method())
        .and_then(|takes: &'static str, method: warp::http::Method| async move {
            // The right method comes here too, when a header or the query could not be read: that is said elsewhere.
            if takes.split(", ").any(|m| m == method.as_str()) {
                return Err(warp::reject::reject());
            }
            Ok(Problem::wrong_method(&method, takes).into())
        })
        .boxed()
}

async fn answer(work: impl Future<Output = Answer>) -> Response {
    work.await.unwrap_or_else(Response::from)
}

/// A JSON answer.
fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers have text keys");
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
