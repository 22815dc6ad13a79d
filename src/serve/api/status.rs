//! How weir itself does: rates and counts, its rules, its health, its metrics.

use std::sync::{Arc, PoisonError};

use serde_json::json;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::{Answer, json};
use crate::serve::Context;
use crate::serve::problem::Problem;

/// `GET /api/v1/dashboard/stats`.
pub(super) async fn stats(context: Arc<Context>) -> Answer {
    let mut stats = context.hub.stats();
    stats.insert("sources".into(), json!(context.metrics.sources()));
    let rules = context.rules.read().unwrap_or_else(PoisonError::into_inner).len();
    stats.insert("rules".into(), rules.into());
    Ok(json(&stats))
}

/// `GET /api/v1/rules`: the rules that run, how many current alerts each has, and what is wrong in their folder.
pub(super) async fn rules(context: Arc<Context>) -> Answer {
    let alerts = context.hub.alerts_by_rule();
    let state = context.hub.rules();
    let rules = context.rules.read().unwrap_or_else(PoisonError::into_inner);
    let list: Vec<_> = rules
        .iter()
        .map(|rule| {
            let mut view = json!(rule);
            view["alerts"] = json!(alerts.get(&rule.name).copied().unwrap_or(0));
            view["state"] = json!(if state.filling.contains(&rule.name) { "filling" } else { "running" });
            view
        })
        .collect();
    let folder = if state.trouble.is_some() { "error" } else { "ok" };
    let (trouble, diagnostics) = (&state.trouble, &state.diagnostics);
    Ok(json(&json!({ "rules": list, "state": folder, "trouble": trouble, "diagnostics": diagnostics })))
}

/// `POST /api/v1/rules/reload`: reads the rules again; what changed, or 422 with what is wrong.
pub(super) async fn reload(context: Arc<Context>) -> Answer {
    match context.reload().await {
        Ok(reloaded) => {
            let mut view = json!(reloaded);
            view["rules"] = reloaded.rules.len().into();
            Ok(json(&view))
        }
        Err(wrong) => {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, wrong.to_string());
            Err(problem.with("diagnostics", json!(wrong.diagnostics)))
        }
    }
}

/// `GET /health`: 200, or 503 with what is wrong. Rules that do not take effect are said, and are no reason to start anew.
pub(super) async fn health(context: Arc<Context>) -> Answer {
    let trouble = context.hub.current_trouble().or_else(|| {
        context.ingest.is_closed().then(|| "the engine has stopped: see its messages, and start it again".to_owned())
    });
    let (rules, settings) = (context.hub.rules().trouble, context.hub.settings());
    let status = if trouble.is_some() { "trouble" } else { "ok" };
    let version = env!("CARGO_PKG_VERSION");
    let view =
        json!({ "status": status, "trouble": trouble, "rules": rules, "settings": settings, "version": version });
    let mut response = json(&view);
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
