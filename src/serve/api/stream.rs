//! `GET /api/v1/stream`: server-sent events `stats`, `event` and `alert`.
//!
//! It starts with the state of things, as `stats`. A reader that comes back with `Last-Event-ID` gets what it
//! missed before that, or a `reset` when it is no longer kept. One that reads too slowly is cut off and comes back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio_stream::wrappers::BroadcastStream;
use warp::Reply;
use warp::http::{HeaderValue, header};
use warp::sse::Event;

use super::Answer;
use crate::serve::Context;
use crate::serve::live::{Hub, Message};
use crate::serve::problem::Problem;

/// How soon a browser comes back.
const RETRY: Duration = Duration::from_secs(1);
/// How often a silent stream says that it lives; proxies cut at 30 s or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Opens a stream.
pub(super) async fn stream(context: Arc<Context>, last: Option<String>) -> Answer {
    let hub = context.hub.clone();
    let Some(subscription) = hub.subscribe(last.as_deref()) else {
        return Err(Problem::unavailable("too many pages are open, or weir is going down: close one, or try again", 5));
    };
    let mut first = Vec::new();
    if subscription.reset {
        first.push(Event::default().event("reset").data("{}"));
    }
    // In the order of their numbers: a reader that breaks off here comes back with the last one it saw.
    first.extend(subscription.missed.iter().map(|message| event(&hub, message)));
    first.push(event(&hub, &subscription.hello).retry(RETRY));
    let place = subscription.place;
    let rest = BroadcastStream::new(subscription.messages)
        // An error says that the reader lags too far behind: its stream ends here.
        .take_while(|message| std::future::ready(message.is_ok()))
        .filter_map(|message| std::future::ready(message.ok()))
        .map(move |message| {
            let _held_while_the_stream_lives = &place;
            event(&hub, &message)
        });
    let events = stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
    let mut response = warp::sse::reply(warp::sse::keep_alive().interval(KEEP_ALIVE).stream(events)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn event(hub: &Hub, message: &Message) -> Event {
    Event::default().event(message.kind.word()).id(hub.message_id(message.number)).data(message.data.as_str())
}
