//! Reading alerts: pages of them, and one with its evidence.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde_json::{Value, json};

use super::events::{id_of, resolve};
use super::params::Params;
use super::{Answer, json};
use crate::alert::{AlertId, Severity};
use crate::serve::Context;
use crate::serve::live::AlertFilter;
use crate::serve::problem::Problem;

/// `GET /api/v1/alerts?severity=high,critical&rule=&standing=current&limit=&after=`: newest first; `next` of an answer is the next one's `after`.
pub(super) async fn list(context: Arc<Context>, mut params: Params) -> Answer {
    let mut filter = AlertFilter { rule: params.take("rule"), ..Default::default() };
    for list in params.take_all("severity") {
        for word in list.split(',') {
            filter.severities.push(word.parse::<Severity>().map_err(Problem::bad_request)?);
        }
    }
    filter.current = match params.take("standing").as_deref() {
        None | Some("all") => false,
        Some("current") => true,
        Some(other) => {
            return Err(Problem::bad_request(format!("`standing={other}` is neither `current` nor `all`")));
        }
    };
    let after = params.take("after").map(|text| {
        text.parse().map_err(|_| Problem::bad_request(format!("`after={text}` is not a `next` of an earlier answer")))
    });
    let limit = params.limit()?;
    params.end()?;
    let page = context.hub.alerts(&filter, after.transpose()?, limit);
    Ok(json(&json!({ "alerts": page.alerts, "next": page.next.map(|n| n.to_string()) })))
}

/// `GET /api/v1/alerts/{id}`: the alert, its events, and its rule.
pub(super) async fn one(context: Arc<Context>, id: String) -> Answer {
    let id: AlertId = id.parse().map_err(Problem::bad_request)?;
    let Some((alert, mut view)) = context.hub.find_alert(id) else {
        return Err(Problem::not_found(format!("there is no alert {id}, or it is too old for the page")));
    };
    // An archive that cannot be read takes nothing from the alert itself.
    let (events, trouble) = match resolve(&context, &alert.evidence).await {
        Ok(events) => (events, None),
        Err(problem) => (context.hub.find(&alert.evidence), Some(problem.detail().to_owned())),
    };
    let have: FxHashSet<_> = events.iter().filter_map(id_of).collect();
    let missing: Vec<_> = alert.evidence.iter().filter(|id| !have.contains(*id)).collect();
    view["missing"] = json!(missing);
    view["events"] = Value::Array(events);
    view["trouble"] = json!(trouble);
    let rules = context.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    view["rule_info"] = json!(rules.iter().find(|rule| rule.name == alert.rule));
    Ok(json(&view))
}
