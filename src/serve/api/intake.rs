//! Handing posted lines to the engine, and waiting until they are durable.
//!
//! In: blocks of whole lines. Out: the engine's receipt, or a problem that says whether and when to
//! send again. Sending again is safe: equal lines have equal event ids.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::event::raw::{RawLog, Receipt, Source};
use crate::event::time::now;
use crate::serve::Context;
use crate::serve::problem::Problem;

/// The most characters of a source's name.
const LONGEST_NAME: usize = 200;

/// A block on its way; await it with [`durable`].
pub(super) type Pending = oneshot::Receiver<Result<Receipt, String>>;

/// Puts a block into the queue, waiting a little for room.
pub(super) async fn send(context: &Context, source: Source, lines: Bytes, offset: u64) -> Result<Pending, Problem> {
    let room = tokio::time::timeout(context.limits.patience, context.ingest.reserve()).await;
    match room {
        Ok(Ok(place)) => {
            let (acknowledge, pending) = oneshot::channel();
            place.send(RawLog { source, lines, offset, received: now(), acknowledge: Some(acknowledge) });
            Ok(pending)
        }
        Ok(Err(_)) => Err(stopped()),
        Err(_) => Err(Problem::unavailable("more comes in than can be written: nothing was taken, send it again", 1)),
    }
}

/// Waits until a block would survive power loss.
pub(super) async fn durable(context: &Context, pending: Pending) -> Result<Receipt, Problem> {
    match tokio::time::timeout(context.limits.durable, pending).await {
        Ok(Ok(Ok(receipt))) => Ok(receipt),
        Ok(Ok(Err(why))) => {
            Err(Problem::unavailable(format!("the events could not be kept, send them again: {why}"), 5))
        }
        Ok(Err(_)) => Err(stopped()),
        Err(_) => Err(Problem::unavailable("the events are not durable yet, send them again", 5)),
    }
}

fn stopped() -> Problem {
    Problem::unavailable("the engine is going down: nothing was acknowledged, send it again once it is back", 10)
}

/// Adds a block's receipt to the sum.
pub(super) fn add(sum: &mut Receipt, receipt: Receipt) {
    sum.events += receipt.events;
    sum.parse_failures += receipt.parse_failures;
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
