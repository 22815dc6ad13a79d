//! How weir itself does: rates and counts, its rules, its health, its metrics.

use std::sync::{Arc, PoisonError};

use serde_json::json;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::{Answer, json};
use crate::serve::Context;

/// `GET /api/v1/dashboard/stats`.
pub(super) async fn stats(context: Arc<Context>) -> Answer {
    let mut stats = context.hub.stats();
    stats.insert("sources".into(), json!(context.metrics.sources()));
    let rules = context.rules.read().unwrap_or_else(PoisonError::into_inner).len();
    stats.insert("rules".into(), rules.into());
    Ok(json(&stats))
}

/// `GET /api/v1/rules`: the rules that run, and how many current alerts each has.
pub(super) async fn rules(context: Arc<Context>) -> Answer {
    let alerts = context.hub.alerts_by_rule();
    let rules = context.rules.read().unwrap_or_else(PoisonError::into_inner);
    let list: Vec<_> = rules
        .iter()
        .map(|rule| {
            let mut view = json!(rule);
            view["alerts"] = json!(alerts.get(&rule.name).copied().unwrap_or(0));
            view
        })
        .collect();
    Ok(json(&json!({ "rules": list })))
}

/// `GET /health`: 200, or 503 with what is wrong.
pub(super) async fn health(context: Arc<Context>) -> Answer {
    let trouble = context.hub.current_trouble().or_else(|| {
        context.ingest.is_closed().then(|| "the engine has stopped: see its messages, and start it again".to_owned())
    });
    let status = if trouble.is_some() { "trouble" } else { "ok" };
    let mut response = json(&json!({ "status": status, "trouble": trouble, "version": env!("CARGO_PKG_VERSION") }));
    if trouble.is_some() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// `GET /metrics`, OpenMetrics text.
pub(super) async fn metrics(context: Arc<Context>) -> Answer {
    let mut response = Response::new(context.metrics.render().into());
    let mime = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, mime);
    Ok(response)
}
