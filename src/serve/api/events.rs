//! Reading events: the latest, a search, one by its id.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde_json::{Value, json};

use super::params::Params;
use super::{Answer, json};
use crate::event::EventId;
use crate::serve::problem::Problem;
use crate::serve::{Context, SearchError};

/// `GET /api/v1/events`: the latest ones as they came, or those of the archive while none did; with any condition, the same as a
/// search.
pub(super) async fn latest(context: Arc<Context>, params: Params) -> Answer {
    let request = params.search()?;
    if request.text.is_some() || !request.filters.is_empty() || request.from.is_some() || request.to.is_some() {
        return found((context.search)(request).await);
    }
    let mut latest = context.hub.latest(request.limit);
    if latest.is_empty() {
        // Nothing came since the start: what came before it, if it can be had now.
        latest = (context.search)(request).await.unwrap_or_default();
    }
    found(Ok(latest))
}

/// `GET /api/v1/search`: events of the archive, newest first.
pub(super) async fn search(context: Arc<Context>, params: Params) -> Answer {
    let request = params.search()?;
    found((context.search)(request).await)
}

fn found(events: Result<Vec<Value>, SearchError>) -> Answer {
    Ok(json(&json!({ "events": events? })))
}

/// `GET /api/v1/events/{id}`.
pub(super) async fn one(context: Arc<Context>, id: String) -> Answer {
    let id: EventId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    match resolve(&context, &[id]).await?.pop() {
        Some(event) => Ok(json(&event)),
        None => Err(Problem::not_found(format!("there is no event {id}"))),
    }
}

/// The events of these ids, in (time, id) order, from the archive and from what has just come.
pub(super) async fn resolve(context: &Context, ids: &[EventId]) -> Result<Vec<Value>, Problem> {
    let mut events = context.hub.find(ids);
    let have: FxHashSet<EventId> = events.iter().filter_map(id_of).collect();
    let rest: Vec<EventId> = ids.iter().copied().filter(|id| !have.contains(id)).collect();
    if !rest.is_empty() {
        events.extend((context.evidence)(rest).await?);
    }
    // Ids begin with the time, but only to the millisecond; RFC 3339 in UTC sorts as text.
    events.sort_by_cached_key(|e| (e["@timestamp"].as_str().map(str::to_owned), id_of(e)));
    events.dedup_by_key(|e| id_of(e));
    Ok(events)
}

/// An event's id.
pub(super) fn id_of(event: &Value) -> Option<EventId> {
    event["event.id"].as_str()?.parse().ok()
}
