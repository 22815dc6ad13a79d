//! Handing posted lines to the engine, and waiting until they are durable.
//!
//! In: blocks of whole lines. Out: the engine's receipt, or a problem that says whether and when to
//! send again. What its sender gave an id to is taken once, however often it is sent: see [`RequestId`].

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use warp::http::HeaderMap;
use xxhash_rust::xxh3::Xxh3;

use crate::event::raw::{Acknowledge, RawLog, Receipt, Source};
use crate::event::time::now;
use crate::serve::Context;
use crate::serve::problem::Problem;

/// The most characters of a source's name.
const LONGEST_NAME: usize = 200;
/// The most bytes of a request's id.
const LONGEST_ID: usize = 200;
/// A client whose events the disk refuses is to come again after so many seconds: as often as it is tried, and a little more.
const AGAIN: u32 = 5;

/// A block on its way; await it with [`durable`]. Its sender hears of it even where nobody awaits it.
pub(super) struct Pending(JoinHandle<Result<Receipt, Problem>>);

/// What a client sends as `Idempotency-Key`: a request that comes again with the same one is taken once.
///
/// Elasticsearch replaces what has the same `_id`, and Splunk's acknowledgements leave duplicates to the client. Here the first one
/// stands, and the content counts as well: another body under the same id is taken, so that an id which is not
/// unique loses nothing.
#[derive(Clone, Debug)]
pub(super) struct RequestId(Vec<u8>);

impl RequestId {
    /// Of a request, if its client gave one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<RequestId>, Problem> {
        let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
        let id = given.as_bytes().trim_ascii();
        if id.is_empty() || id.len() > LONGEST_ID {
            let detail = format!("the header Idempotency-Key must have 1 to {LONGEST_ID} bytes, such as a UUID");
            return Err(Problem::bad_request(detail));
        }
        Ok(Some(RequestId(id.to_owned())))
    }

    /// What tells this part of the request from all others.
    fn hash(&self, source: &Source, lines: &[u8], offset: u64) -> u128 {
        let mut hasher = Xxh3::new();
        for text in [&self.0, source.name.as_bytes(), source.format.as_deref().unwrap_or_default().as_bytes()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        hasher.update(&offset.to_le_bytes());
        hasher.update(lines);
        hasher.digest128()
    }
}

/// Puts a block into the queue, waiting a little for room.
pub(super) async fn send(
    context: &Context,
    source: Source,
    lines: Bytes,
    offset: u64,
    id: Option<&RequestId>,
) -> Result<Pending, Problem> {
    if let Some(why) = context.hub.refuses() {
        return Err(refused(&why));
    }
    let room = tokio::time::timeout(context.limits.patience, context.ingest.reserve()).await;
    match room {
        Ok(Ok(place)) => {
            let (waiting, answer) = oneshot::channel();
            let id = id.map(|id| id.hash(&source, &lines, offset));
            let acknowledge = Some(Acknowledge::client(waiting, id));
            place.send(RawLog { source, lines, offset, received: now(), acknowledge });
            Ok(Pending(tokio::spawn(answered(answer, context.limits.durable))))
        }
        Ok(Err(_)) => Err(stopped()),
        Err(_) => Err(Problem::unavailable("more comes in than can be written: nothing was taken, send it again", 1)),
    }
}

/// Waits until a block would survive power loss.
pub(super) async fn durable(pending: Pending) -> Result<Receipt, Problem> {
    pending.0.await.unwrap_or_else(|_| Err(stopped()))
}

/// The answer of the engine. A block that it has not looked at by then is not taken any more.
async fn answered(answer: oneshot::Receiver<Result<Receipt, String>>, patience: Duration) -> Result<Receipt, Problem> {
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(receipt))) => Ok(receipt),
        Ok(Ok(Err(why))) => Err(refused(&why)),
        Ok(Err(_)) => Err(stopped()),
        Err(_) => Err(Problem::unavailable("the events are not durable yet, send them again", AGAIN)),
    }
}

fn refused(why: &str) -> Problem {
    Problem::unavailable(format!("the events could not be kept, send them again: {why}"), AGAIN)
}

fn stopped() -> Problem {
    Problem::unavailable("the engine is going down: nothing was acknowledged, send it again once it is back", 10)
}

/// Adds a block's receipt to the sum.
pub(super) fn add(sum: &mut Receipt, receipt: Receipt) {
    sum.events += receipt.events;
    sum.parse_failures += receipt.parse_failures;
    sum.duplicates += receipt.duplicates;
}

/// A source's name as a client gave it: one printable line.
pub(super) fn name(given: &str) -> Result<String, Problem> {
    let name = given.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let detail = format!("the source's name must be one line of 1 to {LONGEST_NAME} printable characters");
        return Err(Problem::bad_request(detail));
    }
    Ok(name.to_owned())
}
